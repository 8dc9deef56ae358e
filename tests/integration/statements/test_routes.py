"""Statements and closes over HTTP: every form says the same figures, to whom they belong, and names do no harm."""

import csv
import io
import re
import shutil
import subprocess
from datetime import UTC, datetime, time, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.world import World, event
from tollbook.domain.access import Role
from tollbook.domain.event import Observer, Seen
from tollbook.domain.money import nanos_from_usd
from tollbook.domain.period import Period

HOSTILE = (
    "<script>alert(1)</script>",
    '=HYPERLINK("http://evil","x")',
    "@SUM(1)",
    "+1",
    "-1",
    "سحابة/وكيل",
    "מתכנן",
    "研究员",
    "🦊🚀",
    "#eval(sys) $x$ *b* @ref <label> \\ ] `",
    "x" * 256,
)
ONCE_A_CALL = "msg_01XFDUDYJgAACzvnptvVoYEL"


def last_month(world: World) -> Period:
    return Period.holding(Period.holding(world.clock.now().date()).first_day - timedelta(days=1))


def late(world: World) -> datetime:
    return datetime.combine(last_month(world).last_day, time(12), tzinfo=UTC)


def seen(nanos_input: int, by: Observer, **more: object) -> object:
    return event(input=nanos_input, output=0, seen=Seen(by=by, response_id=ONCE_A_CALL), source=by.value, **more)


@pytest.fixture
def booked(world: World) -> World:
    """The last month with calls of every kind, closed; what came behind it, and this month."""
    world.follow_limits()
    at = late(world)
    world.book(
        event(ts=at, cache_read=30, reasoning=7, units={"web_searches": 2}),
        event(ts=at, model="unheard-of", agent="planner"),
        seen(100, Observer.LEAF, ts=at),
        event("globex", ts=at),
    )
    key = world.key()
    assert world.ask("POST", f"/v1/periods/{last_month(world).text}/close", key, json={}).status_code == 200
    world.book(event(ts=at), seen(90, Observer.SDK, ts=at), event(input=7, output=0))
    return world


def test_the_lines_add_up_to_what_spend_and_the_entries_say(booked: World) -> None:
    """Both statements together are the whole ledger of the tenant, to the nano-dollar."""
    key, this = booked.key(), Period.holding(booked.clock.now().date())
    closed = booked.get(f"/v1/statements/acme/{last_month(booked).text}", key).json()
    opened = booked.get(f"/v1/statements/acme/{this.text}", key).json()
    for found in (closed, opened):
        lines = [*found["usage"], *found["corrections"]]
        assert sum(nanos_from_usd(line["cost_usd"]) for line in lines) == nanos_from_usd(found["sum"]["cost_usd"])
        assert sum(line["entries"] for line in lines) == found["sum"]["entries"]
    days = f"from={last_month(booked).first_day}&to={this.last_day}"
    spent = booked.get(f"/v1/spend?tenant=acme&{days}", key).json()["total"]
    both = [nanos_from_usd(found["total_usd"]) for found in (closed, opened)]
    assert sum(both) == nanos_from_usd(spent["cost_usd"])
    assert both[0] == 150_000 + 150 * 80_000 + 100_000
    assert closed["sum"]["unpriced_usd"] == "0.012000000"
    assert (closed["closed"]["everyone"], len(closed["digest"]), closed["as_of"]) == (True, 64, None)
    assert (opened["closed"], opened["digest"], opened["as_of"] is None) == (None, None, False)
    assert opened["period_before_closed"] == closed["closed"]
    kinds = {(line["period"], line["kind"]): line["cost_usd"] for line in opened["corrections"]}
    assert kinds == {
        (last_month(booked).text, "late"): "0.000150000",
        (last_month(booked).text, "correction"): "-0.000010000",
    }
    assert closed["usage"][0]["units"] == {"web_searches": 2} or closed["usage"][1]["units"] == {"web_searches": 2}


def test_a_closed_statement_is_the_same_bytes_each_time(booked: World) -> None:
    key, path = booked.key(), f"/v1/statements/acme/{last_month(booked).text}"
    before = {form: booked.get(f"{path}?format={form}", key).content for form in ("json", "csv", "html", "pdf")}
    booked.book(event(ts=late(booked)))
    assert {form: booked.get(f"{path}?format={form}", key).content for form in before} == before


def test_accept_chooses_the_form_and_format_overrides_it(booked: World) -> None:
    key, path = booked.key(), f"/v1/statements/acme/{last_month(booked).text}"
    for accept, media_type in (
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("text/csv", "text/csv"),
        ("application/pdf", "application/pdf"),
        ("*/*", "application/json"),
        ("image/png", "application/json"),
    ):
        answer = booked.ask("GET", path, key, headers={"accept": accept})
        assert answer.headers["content-type"].partition(";")[0] == media_type
    answer = booked.ask("GET", f"{path}?format=csv", key, headers={"accept": "text/html"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == f'inline; filename="statement-{last_month(booked).text}.csv"'


def test_what_waits_in_the_journal_at_the_close_is_in_the_next_statement(world: World) -> None:
    """Acknowledged before the close and booked behind it: billed once, in the open month, under the month it is of."""
    world.follow_limits()
    at, key = late(world), world.key()
    world.book(event(ts=at))
    world.accept(event(ts=at), event(ts=at))
    assert world.ask("POST", f"/v1/periods/{last_month(world).text}/close", key, json={}).json()["kept"] == 1
    world.drain()
    closed = world.get(f"/v1/statements/acme/{last_month(world).text}", key).json()
    opened = world.get(f"/v1/statements/acme/{last_month(world).next.text}", key).json()
    assert (closed["sum"]["calls"], opened["sum"]["calls"]) == (1, 2)
    assert [(line["kind"], line["period"]) for line in opened["corrections"]] == [("late", last_month(world).text)]
    assert {one.outcome.value for one in world.run(world.verify().run(world.drains))} == {"holds"}


def test_csv_rows_add_up_with_the_markup(booked: World) -> None:
    path = f"/v1/statements/acme/{last_month(booked).text}?format=csv&markup_percent=12.5&note=In%20EUR%20at%200.92"
    rows = list(csv.DictReader(io.StringIO(booked.get(path, booked.key()).text)))
    by = {row["section"]: row for row in rows}
    lines = [nanos_from_usd(row["cost_usd"]) for row in rows if row["section"] in ("usage", "markup")]
    assert sum(lines) == nanos_from_usd(by["total"]["cost_usd"])
    assert nanos_from_usd(by["markup"]["cost_usd"]) == (sum(lines[:-1]) * 125 + 500) // 1000
    assert by["note"]["agent"] == "In EUR at 0.92"


def test_a_statement_is_its_tenants_and_its_readers(booked: World) -> None:
    path = f"/v1/statements/acme/{last_month(booked).text}"
    assert booked.get(path, booked.key(Role.READ, "acme")).status_code == 200
    assert booked.get(path, booked.key(Role.READ, "globex")).json()["code"] == "forbidden"
    assert booked.get(path, booked.key(Role.INGEST, "acme")).status_code == 403
    assert booked.get(path).status_code == 401


@pytest.mark.parametrize(
    "path",
    ["acme/2026-13", "acme/november", "acme/2026-11?format=xlsx", "acme/2026-11?markup_percent=1e3", "acme/2026-11?x=1",
     "acme/2026-11?markup_percent=-101", "acme/2026-11?markup_percent=1/0", "acme/2026-11?note=a%0Ab"],
)  # fmt: skip
def test_what_means_nothing_is_refused(world: World, path: str) -> None:
    answer = world.get(f"/v1/statements/{path}", world.key())
    assert answer.status_code == 400
    assert answer.json()["code"] in {"query_invalid", "request_invalid"}


def test_a_month_is_the_tenants_own(world: World) -> None:
    key = world.key()
    world.ask("PUT", "/v1/tenants/acme/time-zone", key, json={"time_zone": "Asia/Kolkata"})
    world.clock.ahead = timedelta(days=70)
    this = Period.holding(world.clock.now().date())
    found = world.get(f"/v1/statements/acme/{this.text}", key).json()
    before = this.first_day - timedelta(days=1)
    assert (found["starts_at"], found["time_zone"]) == (f"{before}T18:30:00Z", "Asia/Kolkata")


def test_a_month_is_closed_once_it_is_over_by_an_admin_and_for_whom_the_key_may(world: World) -> None:
    key, this = world.key(), Period.holding(world.clock.now().date())
    path = f"/v1/periods/{this.text}/close"
    early = world.ask("POST", path, key, json={})
    assert (early.status_code, early.json()["code"]) == (409, "period_open")
    assert f"{this.next.first_day}T00:00Z" in early.json()["detail"]
    world.book(event(), event("globex"))
    world.clock.ahead = timedelta(days=40)
    assert world.ask("POST", path, world.key(Role.READ), json={}).status_code == 403
    own = world.key(tenant="globex")
    assert world.ask("POST", path, own, json={"tenant": "acme"}).status_code == 403
    mine = world.ask("POST", path, own, json={}).json()
    assert (mine["close"]["tenant"], mine["is_new"], mine["kept"], mine["complete"]) == ("globex", True, 1, True)
    all_of_them = world.ask("POST", path, key, json={}).json()
    assert (all_of_them["close"]["tenant"], all_of_them["is_new"], all_of_them["kept"]) == (None, True, 1)
    assert all_of_them["close"]["closed_by"].startswith("key ")
    again = world.ask("POST", path, key, json={"tenant": "acme"}).json()
    assert (again["is_new"], again["kept"], again["close"]) == (False, 0, all_of_them["close"])
    rows = world.get("/v1/periods", world.key(Role.READ, "acme")).json()["rows"]
    assert [(row["tenant"], row["statements"], row["cost_usd"]) for row in rows] == [(None, 1, "0.000150000")]
    assert len(world.get("/v1/periods", key).json()["rows"]) == 2


def test_a_month_that_is_over_here_and_not_there_is_not_closed_for_everyone(world: World) -> None:
    key, this = world.key(), Period.holding(world.clock.now().date())
    world.ask("PUT", "/v1/tenants/west/time-zone", key, json={"time_zone": "Etc/GMT+12"})
    ends = datetime.combine(this.next.first_day, time.min, tzinfo=UTC)
    world.clock.ahead = ends + timedelta(hours=6) - world.clock.now()
    world.run(world.directory.refresh())
    path = f"/v1/periods/{this.text}/close"
    assert world.ask("POST", path, key, json={}).status_code == 409
    assert world.ask("POST", path, key, json={"tenant": "west"}).status_code == 409
    assert world.ask("POST", path, key, json={"tenant": "acme"}).status_code == 200


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture
def hostile(world: World) -> World:
    """A tenant, agents and models with every kind of name that a sender may give."""
    world.follow_limits()
    world.book(*(event("<b>&co", agent=name, model=name, units={"web_searches": 1}) for name in HOSTILE))
    return world


def path_of(hostile: World, form: str) -> str:
    return f"/v1/statements/%3Cb%3E&co/{Period.holding(hostile.clock.now().date()).text}?format={form}&note=%3Ci%3E"


def test_hostile_names_are_text_in_html(hostile: World) -> None:
    answer = hostile.get(path_of(hostile, "html"), hostile.key())
    page = _Tags()
    page.feed(answer.text)
    assert not page.tags & {"script", "b", "i", "label", "img"}
    shown = "".join(page.text)
    for name in HOSTILE:
        assert name in shown
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_hostile_names_are_no_formulas_in_csv(hostile: World) -> None:
    rows = list(csv.reader(io.StringIO(hostile.get(path_of(hostile, "csv"), hostile.key()).text)))
    cells = {cell for row in rows for cell in row}
    assert {name for name in HOSTILE if name[0] in "=+-@"}.isdisjoint(cells)
    assert "'@SUM(1)" in cells
    for cell in cells:
        assert not re.match(r"\s*[=+@]", cell)
        assert not cell.startswith("-") or re.fullmatch(r"-\d+(\.\d+)?", cell)


def test_hostile_names_are_set_in_pdf(hostile: World, tmp_path: Path) -> None:
    """Every script is set, by fonts of the system or as boxes, and what looks like code is text."""
    for paper in ("a4", "letter"):
        answer = hostile.get(f"{path_of(hostile, 'pdf')}&paper={paper}", hostile.key())
        assert answer.content.startswith(b"%PDF-")
    tool = shutil.which("pdftotext")
    if tool is None:
        pytest.skip("no poppler of the system here")
    (tmp_path / "s.pdf").write_bytes(answer.content)
    text = subprocess.run([tool, "-layout", tmp_path / "s.pdf", "-"], capture_output=True, check=True).stdout.decode()
    text = text.replace("\N{ZERO WIDTH SPACE}", "")
    for name in HOSTILE[:5]:
        assert name in text
    assert "#eval(sys) $x$ *b* @ref <label>" in text
    assert "0.01" in text
