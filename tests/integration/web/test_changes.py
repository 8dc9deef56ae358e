"""Changes by forms: said first, made when confirmed, by those who may, and noted."""

import re
from html import unescape

from tests.integration.web.visitor import SiteWorld, Visitor, form_token
from tests.world import event
from tollbook.domain.access import Role
from tollbook.domain.money import nanos_from_usd

_HIDDEN = re.compile(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">')
_SECRET = re.compile(r'id="secret" type="text" readonly value="([^"]+)"')
BUDGET = {"id": "monthly", "scope": "tenant", "match": "*", "window": "month", "limit": "7.50", "unit": "usd"}


def confirmed(visitor: Visitor, page: str, path: str, fields: dict[str, str]) -> str:
    """Send a form, and then what the page that asks carries on; the text of what comes then."""
    first = visitor.submit(page, path, fields)
    assert first.status_code == 200, first.text
    main = first.text.partition("<main")[2]
    carried = {name: unescape(value) for name, value in _HIDDEN.findall(main)}
    assert carried["confirmed"] == "yes"
    answer = visitor.post(path, carried)
    assert answer.status_code in (200, 303), answer.text
    return answer.text


def changes(site: SiteWorld) -> list[tuple[str, str, str, str | None]]:
    """Kind, action, name and tenant of every change, oldest first, of what was not there at the start."""
    rows = site.world.get("/v1/changes?limit=100", site.world.key()).json()["rows"]
    return [(row["kind"], row["action"], row["name"], row["tenant"]) for row in rows][::-1]


def test_a_budget_is_set_and_removed_when_that_is_confirmed_and_not_before(site: SiteWorld) -> None:
    admin = site.reader(None, Role.ADMIN)
    asked = admin.submit("/budgets/edit", "/budgets", {**BUDGET, "tenant": "acme"})
    assert "Set this budget?" in asked.text
    assert site.world.get("/v1/budgets/monthly?tenant=acme", site.world.key()).status_code == 404
    confirmed(admin, "/budgets/edit", "/budgets", {**BUDGET, "tenant": "acme"})
    kept = site.world.get("/v1/budgets/monthly?tenant=acme", site.world.key()).json()
    assert (kept["limit_usd"], kept["window"], kept["thresholds"]) == ("7.500000000", "month", [])
    assert kept["updated_by"].startswith("key ")
    page = admin.get("/budgets/edit?id=monthly&tenant=acme").text
    assert "$7.50" in page
    confirmed(admin, "/budgets/edit?id=monthly&tenant=acme", "/budgets/remove", {"id": "monthly", "tenant": "acme"})
    assert site.world.get("/v1/budgets/monthly?tenant=acme", site.world.key()).status_code == 404
    assert "removed" in admin.get("/budgets/edit?id=monthly&tenant=acme").text
    assert [one[:3] for one in changes(site) if one[0] == "budget"][-2:] == [
        ("budget", "set", "monthly"),
        ("budget", "removed", "monthly"),
    ]


def test_what_says_no_budget_is_refused_by_the_rules_of_the_api(site: SiteWorld) -> None:
    admin = site.reader(None, Role.ADMIN)
    wrong = {
        "limit": ("much", ""),
        "scope": ("moon",),
        "unit": ("pounds",),
        "thresholds": ("some",),
        "id": ("two words",),
    }
    for field, texts in wrong.items():
        for text in texts:
            answer = admin.submit("/budgets/edit", "/budgets", {**BUDGET, field: text})
            assert (answer.status_code, "field_invalid" in answer.text) == (400, True), (field, text)


def test_a_new_key_is_shown_once_and_works_and_is_revoked(site: SiteWorld) -> None:
    admin = site.reader(None, Role.ADMIN)
    made = confirmed(admin, "/keys", "/keys", {"role": "read", "tenant": "acme", "note": "<b>note</b>"})
    found = _SECRET.search(made)
    assert found is not None
    key = found[1]
    assert site.world.get("/v1/spend", key).status_code == 200
    assert site.world.get("/v1/spend?tenant=globex", key).status_code == 403
    listed = admin.get("/keys")
    assert key.rsplit("_", 1)[1] not in listed.text
    assert "&lt;b&gt;note&lt;/b&gt;" in listed.text
    confirmed(admin, "/keys", "/keys/revoke", {"key_id": key.split("_")[1]})
    assert site.world.get("/v1/spend", key).status_code == 401
    assert [one[1] for one in changes(site) if one[2] == key.split("_")[1]] == ["made", "changed"]


def test_a_webhook_is_shown_once_and_revoked(site: SiteWorld) -> None:
    admin = site.reader("acme", Role.ADMIN)
    made = confirmed(admin, "/sources", "/sources/webhooks", {"source": "bot", "tenant": ""})
    found = _SECRET.search(made)
    assert found is not None
    body = {"tenant": "acme", "agent": "a", "model": "m-1", "input": 1, "output": 1}
    assert site.world.ask("POST", found[1], json=body).status_code == 200
    (row,) = site.world.get("/v1/webhooks", site.world.key(Role.ADMIN, "acme")).json()["rows"]
    assert row["tenant"] == "acme"
    confirmed(admin, "/sources", "/sources/webhooks/revoke", {"token_id": row["token_id"]})
    assert site.world.ask("POST", found[1], json=body).status_code == 404


def test_an_inbox_is_added_without_its_secrets_shown_again(site: SiteWorld) -> None:
    admin = site.reader(None, Role.ADMIN)
    confirmed(admin, "/sources", "/sources", {"webhook_token": "t0k-en", "bearer": "b3arer", "name": "theirs"})
    page = admin.get("/sources")
    assert "theirs" in page.text
    for form in ("html", "json", "csv"):
        text = admin.get(f"/sources?format={form}").text
        assert "t0k-en" not in text
        assert "b3arer" not in text
    assert "t0k-en" not in str(site.world.get("/v1/changes", site.world.key()).json())
    again = admin.submit("/sources", "/sources", {"webhook_token": "x", "name": "theirs", "confirmed": "yes"})
    assert (again.status_code, "source_exists" in again.text) == (409, True)
    confirmed(admin, "/sources", "/sources/remove", {"name": "theirs"})
    assert site.world.get("/v1/sources", site.world.key()).json()["rows"] == []


FORMS = {
    "/budgets": {**BUDGET, "confirmed": "yes"},
    "/budgets/remove": {"id": "daily", "tenant": "globex", "confirmed": "yes"},
    "/keys": {"role": "read", "confirmed": "yes"},
    "/keys/revoke": {"key_id": "x", "confirmed": "yes"},
    "/sources": {"webhook_token": "t", "confirmed": "yes"},
    "/sources/remove": {"name": "x", "confirmed": "yes"},
    "/sources/webhooks": {"source": "bot", "confirmed": "yes"},
    "/sources/webhooks/revoke": {"token_id": "x", "confirmed": "yes"},
    "/prices/accept": {"digest": "test", "confirmed": "yes"},
}


def test_forms_that_no_page_of_this_session_made_change_nothing(site: SiteWorld) -> None:
    admin, other = site.reader(None, Role.ADMIN), site.reader(None, Role.ADMIN)
    foreign = form_token(other.get("/keys").text)
    own = form_token(admin.get("/keys").text)
    before = changes(site)
    for path, fields in FORMS.items():
        for sent in ({}, {"form_token": ""}, {"form_token": foreign}, {"form_token": own[:-1] + "0"}):
            answer = admin.post(path, {**fields, **sent})
            assert answer.status_code == 403, path
        answer = admin.post(path, {**fields, "form_token": own}, {"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403, path
        answer = admin.post(path, {**fields, "form_token": own}, {"origin": "https://evil.example"})
        assert answer.status_code == 403, path
        assert site.visitor().post(path, fields).status_code in (401, 403), path
    after = [change for change in changes(site) if change not in before]
    assert {change[0] for change in after} <= {"key"}
    assert {change[1] for change in after} <= {"made"}


def test_a_key_that_reads_changes_nothing(site: SiteWorld) -> None:
    reader = site.reader()
    token = form_token(reader.get("/entries").text)
    for path, fields in FORMS.items():
        assert reader.post(path, {**fields, "form_token": token}).status_code == 403, path
    for path in ("/keys", "/sources", "/changes"):
        assert reader.get(path).status_code == 403, path


def test_an_admin_of_one_tenant_changes_that_tenant_alone(site: SiteWorld) -> None:
    world = site.world
    theirs = world.key(Role.READ, "globex").split("_")[1]
    hook = world.ask("POST", "/v1/webhooks", world.key(), json={"source": "s", "tenant": "globex"}).json()["token_id"]
    bound = site.reader("acme", Role.ADMIN)
    token = form_token(bound.get("/keys").text)
    attacks = {
        "/budgets": {**BUDGET, "tenant": "globex"},
        "/budgets/remove": {"id": "daily", "tenant": "globex"},
        "/keys": {"role": "admin", "tenant": "globex"},
        "/keys/revoke": {"key_id": theirs},
        "/sources": {"webhook_token": "t"},
        "/sources/remove": {"name": "x"},
        "/sources/webhooks": {"source": "bot", "tenant": "globex"},
        "/sources/webhooks/revoke": {"token_id": hook},
        "/prices/accept": {"digest": "testtest"},
    }
    for path, fields in attacks.items():
        answer = bound.post(path, {**fields, "form_token": token, "confirmed": "yes"})
        assert answer.status_code in (403, 404), path
    made = bound.post("/keys", {"role": "admin", "tenant": "", "form_token": token, "confirmed": "yes"})
    found = _SECRET.search(made.text)
    assert found is not None
    assert world.get("/v1/spend?tenant=globex", found[1]).status_code == 403
    bound.post("/budgets", {**BUDGET, "tenant": "", "form_token": token, "confirmed": "yes"})
    assert world.get("/v1/budgets/monthly", world.key()).status_code == 404
    assert world.get("/v1/budgets/monthly?tenant=acme", world.key()).status_code == 200


def test_every_sum_of_runs_and_entries_equals_spend(site: SiteWorld) -> None:
    world = site.world
    world.book(
        *(
            event(tenant, run=f"r{number % 3}", agent=f"boss/hand#{number % 4}", id=f"{tenant}{number}", input=number)
            for tenant in ("acme", "globex")
            for number in range(1, 40)
        )
    )
    reader = site.reader()
    for tenant in ("acme", "globex"):
        total = world.get(f"/v1/spend?tenant={tenant}", world.key()).json()["total"]
        rows = reader.get(f"/runs?tenant={tenant}&format=json").json()["rows"]
        assert _sum(rows) == nanos_from_usd(total["cost_usd"])
        assert sum(row["calls"] for row in rows) == total["calls"]
        assert _sum(reader.get(f"/entries?tenant={tenant}&format=json").json()["rows"]) == nanos_from_usd(
            total["cost_usd"]
        )
        sheet = reader.get(f"/entries?tenant={tenant}&format=csv").text.splitlines()
        place = sheet[0].split(",").index("cost_usd")
        assert sum(nanos_from_usd(line.split(",")[place]) for line in sheet[1:]) == nanos_from_usd(total["cost_usd"])
        for row in rows:
            told = reader.get(f"/runs/{row['run']}?tenant={tenant}&format=json").json()
            assert told["total"]["cost_usd"] == row["cost_usd"]
            assert _sum(told["calls"]) == nanos_from_usd(row["cost_usd"])
            assert sum(nanos_from_usd(one["own"]["cost_usd"]) for one in told["instances"]) == nanos_from_usd(
                row["cost_usd"]
            )
            assert told["instances"][0]["inclusive"]["cost_usd"] == row["cost_usd"]
            shown = reader.get(f"/runs/{row['run']}?tenant={tenant}").text
            assert f'value="{row["cost_usd"]}"' in shown


def _sum(rows: list[dict[str, str]]) -> int:
    return sum(nanos_from_usd(row["cost_usd"]) for row in rows)
