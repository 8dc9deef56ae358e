"""`tollbook price` in the process of the test: what it shows, what it refuses, and what it writes."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from genai_prices.data import providers
from typer.testing import CliRunner

from tollbook.app import prices as keeping
from tollbook.cli.app import build
from tollbook.pricing.own import read_overrides

Price = Callable[..., Result]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prices.toml"
    path.touch()
    return path


@pytest.fixture
def price(file: Path, monkeypatch: pytest.MonkeyPatch) -> Price:
    """Run `tollbook price ...`, on one provider of the data: to compile all of it takes a second."""
    monkeypatch.setattr(keeping, "providers", [one for one in providers if one.id == "anthropic"])
    monkeypatch.setenv("TOLLBOOK_PRICES_FILE", str(file))

    def run(*words: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(build(), ["price", *words], input=stdin)

    return run


def test_show_tells_the_rates_that_hold_and_where_they_come_from(price: Price, file: Path) -> None:
    file.write_text('[[discount]]\nname = "friends"\ntenant = "acme"\npercent = 10\n')
    shown = price("show", "claude-opus-4-8", "--at", "2026-11-05")
    assert shown.exit_code == 0
    assert re.search(r"^\* standard  since ever  data  price \d+$", shown.stdout, re.MULTILINE)
    assert re.search(r"input_tokens +\$5 / 1000000$", shown.stdout, re.MULTILINE)
    own = price("show", "claude-opus-4-8", "--tenant", "acme").stdout
    assert re.search(r"^\* standard .* discount  friends x 0\.9", own, re.MULTILINE)
    assert re.search(r"input_tokens +\$4\.5 / 1000000$", own, re.MULTILINE)


def test_show_of_a_tier_shows_it_alone_or_says_that_it_is_unknown(price: Price) -> None:
    batch = price("show", "claude-opus-4-8", "--tier", "batch").stdout
    assert len(re.findall(r"^\* ", batch, re.MULTILINE)) == 1
    assert "processing=batch" in batch
    assert "tier priority: context_unknown" in price("show", "claude-opus-4-8", "--tier", "priority").stdout
    before = price("show", "claude-opus-4-8", "--tier", "batch", "--at", "2026-10-01").stdout
    assert "tier batch: context_unknown" in before


def test_show_of_an_unknown_model_says_what_its_calls_cost(price: Price) -> None:
    assert "ceiling" in str(price("show", "claude-opus-99").exception)


EVENT = {"model": "claude-opus-4-8", "input": 1_000, "output": 10, "cache_read": 400, "units": {"web_searches": 2}}


def test_check_prices_a_payload_line_by_line(price: Price, tmp_path: Path) -> None:
    lines = price("check", json.dumps(EVENT)).stdout.splitlines()
    assert [line.split() for line in lines[1:5]] == [
        ["400", "cache_read_tokens", "x", "$0.5", "/", "1000000", "=", "200000", "nano"],
        ["600", "input_tokens", "x", "$5", "/", "1000000", "=", "3000000", "nano"],
        ["10", "output_tokens", "x", "$25", "/", "1000000", "=", "250000", "nano"],
        ["2", "web_searches", "x", "$10", "/", "1000", "=", "20000000", "nano"],
    ]
    assert lines[-1] == "total $0.023450000"
    events = tmp_path / "events.jsonl"
    events.write_text(f"{json.dumps(EVENT)}\n\n{json.dumps(EVENT)}\n")
    assert price("check", str(events)).stdout.splitlines()[-1] == "total $0.046900000"
    assert price("check", "-", stdin=json.dumps([EVENT])).stdout.splitlines()[-1] == "total $0.023450000"


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ("no-such-file", "cannot be read"),
        ('{"model": "m"', "neither JSON"),
        ('{"model": "m", "input": 1, "cache_read": 2}', "tokens_inconsistent"),
        ('{"model": "claude-opus-4-8", "input": 1, "units": {"web_serches": 1}}', "web_serches"),
        ('{"model": "claude-opus-4-8", "input": 1, "units": 7}', "no event"),
        ("[1]", "JSON object"),
    ],
)
def test_check_refuses_what_could_not_be_taken(price: Price, payload: str, why: str) -> None:
    failed = price("check", payload)
    assert failed.exit_code != 0
    assert why in str(failed.exception)


def test_set_writes_an_entry_behind_the_others_and_keeps_remarks(price: Price, file: Path) -> None:
    file.write_text("# ours\n")
    done = price("set", "claude-opus-4-8", "input_tokens=4", "--provider", "anthropic", "--from", "2026-12-01")
    assert done.exit_code == 0, done
    assert "input_tokens $5 -> $4" in done.stdout
    assert file.read_text().startswith("# ours\n")
    (entry,) = read_overrides(file.read_text()).price
    assert (entry.model, str(entry.usd["input_tokens"])) == ("claude-opus-4-8", "4")
    assert (
        price("set", "claude-opus-*", "--provider", "anthropic", "--discount", "7.5", "--tenant", "acme").exit_code == 0
    )
    own = ("set", "llama", "input_tokens=0.1", "output_tokens=0.2", "--provider", "house", "--new")
    assert price(*own).exit_code == 0
    found = read_overrides(file.read_text())
    assert (len(found.price), len(found.discount), len(found.model)) == (1, 1, 1)
    assert list(file.parent.iterdir()) == [file]
    assert "override" in price("show", "llama").stdout


def test_set_refuses_what_moves_too_far_unless_confirmed_and_writes_nothing(price: Price, file: Path) -> None:
    failed = price("set", "claude-opus-4-8", "input_tokens=50", "--provider", "anthropic")
    assert "--confirm" in str(failed.exception)
    assert "TOO FAR anthropic claude-opus-4-8" in failed.stdout
    assert file.read_text() == ""


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("m", "input_tokens"), "UNIT=USD"),
        (("m", "input_tokens=much"), "UNIT=USD"),
        (("m", "input_tokenz=1"), "input_tokenz"),
        (("no-such", "input_tokens=1"), "no model no-such"),
        (("claude-opus-4-8", "input_tokens=1", "--from", "2026-12-01T10:00:00"), "no offset"),
        (("claude-opus-4-8",), "discount"),
    ],
)
def test_set_refuses_an_entry_that_would_be_wrong(price: Price, file: Path, words: tuple[str, ...], why: str) -> None:
    failed = price("set", *words, "--provider", "anthropic")
    assert failed.exit_code != 0
    assert why in str(failed.exception)
    assert file.read_text() == ""


def test_set_needs_a_file(price: Price, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOLLBOOK_PRICES_FILE")
    assert "TOLLBOOK_PRICES_FILE" in str(price("set", "m", "input_tokens=1", "--provider", "anthropic").exception)
