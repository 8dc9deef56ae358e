"""Sessions: who gets one, how long it holds, and what a form must prove."""

from datetime import timedelta

import pytest

from tests.integration.web.visitor import SiteWorld, form_token
from tollbook.domain.access import Role


def test_a_key_opens_a_session_that_leads_where_one_wanted_to_go(site: SiteWorld) -> None:
    visitor = site.visitor()
    answer = visitor.get("/tenants?order=name")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Ftenants%3Forder%3Dname")
    answer = visitor.sign_in(site.world.key(Role.READ), "/tenants?order=name")
    assert (answer.status_code, answer.headers["location"]) == (303, "/tenants?order=name")
    assert visitor.get("/tenants?order=name").status_code == 200


def test_the_cookie_is_kept_from_scripts_and_other_sites(site: SiteWorld) -> None:
    visitor = site.visitor()
    key = site.world.key(Role.READ)
    cookies = visitor.sign_in(key).headers.get_list("set-cookie")
    (session,) = [cookie for cookie in cookies if cookie.startswith("tollbook_session=")]
    assert "HttpOnly" in session
    assert "SameSite=lax" in session
    assert "Secure" not in session
    assert key not in session
    token = form_token(visitor.get("/sign-in").text)
    fields = {"key": key, "next": "/", "form_token": token}
    by_proxy = visitor.post("/sign-in", fields, {"x-forwarded-proto": "https"})
    assert any("Secure" in cookie for cookie in by_proxy.headers.get_list("set-cookie"))


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "/sign-out", "evil"],
)
def test_no_sign_in_leads_elsewhere(site: SiteWorld, wanted: str) -> None:
    answer = site.visitor().sign_in(site.world.key(Role.READ), wanted)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_what_opens_no_session(site: SiteWorld) -> None:
    for key, status in (("tb_nobody_nothing", 401), ("", 401), (site.world.key(Role.INGEST), 403)):
        visitor = site.visitor()
        answer = visitor.sign_in(key)
        assert answer.status_code == status
        assert 'role="alert"' in answer.text
        assert "tollbook_session" not in visitor.cookies
        assert visitor.get("/").status_code == 303


def test_a_session_dies_with_its_key_at_once(site: SiteWorld) -> None:
    key = site.world.key(Role.READ)
    visitor = site.visitor(key)
    admin = site.world.key(Role.ADMIN)
    assert visitor.get("/").status_code == 200
    assert site.world.ask("DELETE", f"/v1/keys/{key.split('_')[1]}", admin).status_code == 204
    assert visitor.get("/").status_code == 303
    assert visitor.get("/?format=json").status_code == 401
    assert visitor.get("/?format=events").status_code == 401


def test_a_session_ends_after_its_hours(site: SiteWorld) -> None:
    visitor = site.reader()
    site.world.clock.ahead = timedelta(hours=11, minutes=59)
    assert visitor.get("/").status_code == 200
    site.world.clock.ahead = timedelta(hours=12)
    assert visitor.get("/").status_code == 303


def test_signing_out_ends_the_session_everywhere(site: SiteWorld) -> None:
    visitor, twin = site.reader(), site.visitor()
    twin.cookies = dict(visitor.cookies)
    assert visitor.submit("/", "/sign-out", {}).status_code == 303
    assert "tollbook_session" not in visitor.cookies
    assert twin.get("/").status_code == 303


def test_the_ledger_keeps_neither_token_nor_key(site: SiteWorld) -> None:
    key = site.world.key(Role.READ)
    visitor = site.visitor(key)
    token = visitor.cookies["tollbook_session"]
    (row,) = site.run(site.world.pool.fetch("SELECT token_hash, key_id FROM web_session"))
    assert token.encode() not in row["token_hash"]
    stolen = site.visitor()
    stolen.cookies["tollbook_session"] = row["token_hash"].hex()
    assert stolen.get("/").status_code == 303


def test_a_form_without_its_token_changes_nothing(site: SiteWorld) -> None:
    visitor = site.reader()
    token = form_token(visitor.get("/").text)
    stranger = form_token(site.reader().get("/").text)
    foreign = [
        ({}, {}),
        ({"form_token": ""}, {}),
        ({"form_token": stranger}, {}),
        ({"form_token": token}, {"sec-fetch-site": "cross-site"}),
        ({"form_token": token}, {"sec-fetch-site": "same-site"}),
        ({"form_token": token}, {"origin": "https://evil.example"}),
        ({"form_token": token}, {"origin": "null"}),
    ]
    for fields, headers in foreign:
        answer = visitor.post("/sign-out", fields, headers)
        assert (answer.status_code, "form_foreign" in answer.text) == (403, True), (fields, headers)
        assert visitor.get("/").status_code == 200
    assert visitor.post("/sign-out", {"form_token": token}, {"sec-fetch-site": "same-origin"}).status_code == 303


def test_nobody_is_signed_in_by_another_site(site: SiteWorld) -> None:
    """A form with the attacker's key, sent by the victim's browser, would show the attacker what the victim does."""
    victim, attacker = site.visitor(), site.visitor()
    key = site.world.key(Role.READ)
    token = form_token(attacker.get("/sign-in").text)
    answer = victim.post("/sign-in", {"key": key, "next": "/", "form_token": token})
    assert answer.status_code == 403
    assert "tollbook_session" not in victim.cookies
