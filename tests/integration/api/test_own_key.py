"""`GET /v1/key`, and budgets that are set only as they stood."""

from tests.world import World
from tollbook.domain.access import Role


def test_a_key_is_told_what_it_is(world: World) -> None:
    for role, tenant in ((Role.READ, "acme"), (Role.INGEST, None), (Role.ADMIN, None)):
        key = world.key(role, tenant)
        told = world.get("/v1/key", key).json()
        assert (told["role"], told["tenant"], told["agent"], told["run"]) == (role.value, tenant, None, None)
        assert key.startswith(f"tb_{told['key_id']}_")
    assert world.get("/v1/key").status_code == 401


def test_a_budget_is_set_only_at_the_version_that_is_expected(world: World) -> None:
    key = world.key()
    path = "/v1/budgets/month?tenant=acme"
    body = {"window": "month", "limit_usd": "10"}

    def put(expected: int, limit: str) -> tuple[int, dict[str, object]]:
        answer = world.ask("PUT", f"{path}&expected_version={expected}", key, json={**body, "limit_usd": limit})
        return answer.status_code, answer.json()

    assert put(7, "1")[0] == 409
    status, made = put(0, "10")
    assert status == 200
    assert put(0, "11")[1]["code"] == "budget_moved"
    version = made["version"]
    assert isinstance(version, int)
    assert put(version - 1, "11")[0] == 409
    assert world.get(path, key).json()["limit_usd"] == "10.000000000"
    assert put(version, "11")[1]["limit_usd"] == "11.000000000"
    assert world.ask("PUT", path, key, json=body).status_code == 200
