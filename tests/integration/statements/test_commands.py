"""`tollbook statement` and `tollbook period` on real stores."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.world import World, event
from tollbook.cli.app import build
from tollbook.domain.errors import ConfigError
from tollbook.domain.period import Period

Command = Callable[..., Result]


@pytest.fixture
def command(
    world: World, postgres_url: str, valkey_url: str, valkey_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Run `tollbook ...` on the stores of the test, which hold one call of the last month."""
    monkeypatch.setenv("TOLLBOOK_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("TOLLBOOK_VALKEY_URL", valkey_url)
    monkeypatch.setenv("TOLLBOOK_VALKEY_KEY_PREFIX", valkey_prefix)
    world.follow_limits()
    world.book(event(ts=datetime.combine(last_month().last_day, time(12), tzinfo=UTC)))

    def run(*words: str) -> Result:
        return CliRunner().invoke(build(), list(words))

    return run


def last_month() -> Period:
    return Period.holding(Period.holding(datetime.now(UTC).date()).first_day - timedelta(days=1))


def test_a_statement_is_printed_and_written_by_the_files_ending(command: Command, tmp_path: Path) -> None:
    printed = command("statement", "acme", last_month().text, "--markup-percent", "10")
    assert printed.exit_code == 0, printed.output
    assert "planner/researcher\n  m-1 (R1)" in printed.stdout
    assert printed.stdout.rstrip().endswith("0.000165000")
    for ending, begin in ((".pdf", b"%PDF"), (".html", b"<!doctype html>"), (".csv", b"section,"), (".json", b"{")):
        file = tmp_path / f"acme{ending}"
        assert command("statement", "acme", last_month().text, "-o", str(file)).exit_code == 0
        assert file.read_bytes().startswith(begin)
    assert json.loads(file.read_bytes())["total_usd"] == "0.000150000"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("acme", "2026-11", "-o", "x.doc"), "end the file with .pdf"),
        (("acme", "2026-11", "--format", "pdf"), "name a file"),
        (("acme", "11/2026"), "not a period"),
        (("a:b", "2026-11"), "tenant"),
        (("acme", "2026-11", "--markup-percent", "ten"), "a percentage such as"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(command: Command, words: tuple[str, ...], says: str) -> None:
    failed = command("statement", *words)
    assert isinstance(failed.exception, ConfigError)
    assert says in str(failed.exception)


def test_a_month_is_closed_listed_and_never_opened(command: Command) -> None:
    assert command("period", "list").stdout == "no month is closed\n"
    text = last_month().text
    closed = command("period", "close", text, "--json")
    assert closed.exit_code == 0, closed.output
    facts = json.loads(closed.stdout)
    assert (facts["period"], facts["tenant"], facts["is_new"], facts["kept"]) == (text, None, True, 1)
    again = command("period", "close", text, "--tenant", "acme").stdout
    assert again.startswith(f"{text} was closed already: for everyone at ")
    assert f"through {text}. 0 statements kept." in again
    (row,) = json.loads(command("period", "list", "--json").stdout)["rows"]
    assert (row["statements"], row["cost_usd"]) == (1, "0.000150000")
    assert command("period", "list", "--tenant", "acme").stdout.startswith(f"{text}  for everyone at ")
    assert "cannot be opened again" in str(command("period", "open", text).exception)
    this = Period.holding(datetime.now(UTC).date()).text
    assert "can be closed from then on" in str(command("period", "close", this).exception)
