"""A viewer whose key is bound to a tenant, on every page and in every form, by attack."""

from itertools import product

import pytest

from tests.integration.web.pages import FORMATS, PAGES, with_format
from tests.integration.web.visitor import SiteWorld
from tests.world import event
from tollbook.domain.access import Role

MARK = "globex-only"


@pytest.fixture
def shared(site: SiteWorld) -> SiteWorld:
    """Two tenants; everything of the second bears a mark that nobody else may ever see."""
    site.world.book(
        event("acme"),
        event("acme", agent="writer"),
        event(MARK, agent=f"{MARK}-agent", model=f"{MARK}-model", run=f"{MARK}-run", input=7_000_000),
    )
    return site


def test_a_bound_viewer_sees_its_tenant_only(shared: SiteWorld) -> None:
    for role in (Role.READ, Role.ADMIN):
        visitor = shared.reader("acme", role)
        for page, form in product(PAGES, FORMATS):
            answer = visitor.get(with_format(page.path.format(tenant="acme"), form))
            if page.whole or (page.role == "admin" and role is not Role.ADMIN):
                assert answer.status_code == 403, page
                continue
            assert answer.status_code == 200, answer.text
            assert "acme" in answer.text or form != "html"
            assert MARK not in answer.text


def test_a_bound_viewer_is_refused_anothers_page(shared: SiteWorld) -> None:
    visitor = shared.reader("acme")
    names = (MARK, "acme%2F..%2Fglobex-only", "ACME", "nobody")
    for page, name, form in product([page for page in PAGES if page.of_one], names, (*FORMATS, "events")):
        answer = visitor.get(with_format(page.path.format(tenant=name), form))
        assert answer.status_code == 403, (page, name, form)
        assert "calls" not in answer.text


def test_no_parameter_widens_what_a_bound_viewer_sees(shared: SiteWorld) -> None:
    visitor = shared.reader("acme")
    for page in PAGES:
        path = page.path.format(tenant="acme")
        for more in (f"tenant={MARK}", "tenant=", "whose=", f"cursor=WyIxMDAwMDAwMDAwMCIsIiJd&tenant={MARK}"):
            # Links of a page repeat its own address, and so what was asked; what is known of another is never in it.
            answer = visitor.get(f"{path}{'&' if '?' in path else '?'}{more}")
            assert not _words(answer.text)


def _words(text: str) -> set[str]:
    """Of the second tenant's own words those that stand in a text."""
    return {word for word in (f"{MARK}-agent", f"{MARK}-model", f">{MARK}<") if word in text}


def test_the_api_holds_the_same_line(shared: SiteWorld) -> None:
    key = shared.world.key(Role.READ, "acme")
    fleet = shared.world.get("/v1/fleet", key)
    assert MARK not in fleet.text
    assert fleet.json()["today"]["calls"] == 2
    assert [row["tenant"] for row in shared.world.get("/v1/tenants", key).json()["rows"]] == ["acme"]
    assert [row["tenant"] for row in shared.world.get("/v1/tenants?order=name", key).json()["rows"]] == ["acme"]


def test_nobody_sees_anything_without_a_session(shared: SiteWorld) -> None:
    for page, cookie in product(PAGES, (None, "", "x", "00" * 32)):
        path = page.path.format(tenant="acme")
        visitor = shared.visitor()
        if cookie is not None:
            visitor.cookies["tollbook_session"] = cookie
        assert visitor.get(path).status_code == 303
        for form in ("json", "csv", "events"):
            answer = visitor.get(with_format(path, form))
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_scripts_come_with_a_key_for_files_alone(shared: SiteWorld) -> None:
    key = shared.world.key(Role.READ, "acme")
    visitor = shared.visitor()
    answer = visitor.get("/tenants?format=csv", authorization=f"Bearer {key}")
    assert (answer.status_code, answer.text.splitlines()[1].split(",")[0]) == (200, "acme")
    assert visitor.get("/tenants", authorization=f"Bearer {key}").status_code == 303
    assert visitor.get("/tenants?format=json", authorization="Bearer nothing").status_code == 401
    sends = shared.world.key(Role.INGEST, "acme")
    assert visitor.get("/tenants?format=json", authorization=f"Bearer {sends}").status_code == 403
