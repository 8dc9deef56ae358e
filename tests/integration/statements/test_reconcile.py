"""`tollbook reconcile` on a real ledger, from files and from the providers' APIs."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.report_server import KEY, Reports, report_server
from tests.world import World, event
from tollbook.cli.app import build
from tollbook.domain.errors import ConfigError
from tollbook.pricing import bundled
from tollbook.sources.reports import fetch
from tollbook.sources.reports.table import ReportUnreadable

Command = Callable[..., Result]
MODEL = "claude-opus-4-7"
TODAY = datetime.now(UTC).date()


@pytest.fixture
def reports() -> Iterator[Reports]:
    with report_server() as server:
        yield server


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    return path


@pytest.fixture
def command(
    world: World, postgres_url: str, valkey_url: str, valkey_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Run `tollbook reconcile ...` on the stores of the test, with three providers' prices, to be quick."""
    known = [one for one in bundled.providers if one.id in ("openai", "anthropic", "openrouter")]
    monkeypatch.setattr(bundled, "providers", known)
    monkeypatch.setattr(fetch, "PAGES_MAX", 5)
    monkeypatch.setenv("TOLLBOOK_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("TOLLBOOK_VALKEY_URL", valkey_url)
    monkeypatch.setenv("TOLLBOOK_VALKEY_KEY_PREFIX", valkey_prefix)

    def run(*words: str) -> Result:
        return CliRunner().invoke(build(), ["reconcile", *words])

    return run


def day(back: int) -> date:
    return TODAY - timedelta(days=back)


def at(back: int) -> datetime:
    return datetime.combine(day(back), time(12), tzinfo=UTC)


def span(first: int, last: int) -> tuple[str, ...]:
    return "--from", day(first).isoformat(), "--to", day(last).isoformat()


def test_anthropic_is_fetched_over_pages_and_laid_beside_the_ledger(
    world: World, command: Command, reports: Reports, key_file: Path
) -> None:
    """Equal days pass; one lacks events, as its tokens say; what another provider sold is left out."""
    for back in range(4, 9):
        world.book(event(model=MODEL, ts=at(back), input=1_000_000, output=0), event(model="gpt-4o", ts=at(back)))
        reports.costs[day(back)] = [_anthropic_cost("8000")]
        reports.usage[day(back)] = [_anthropic_usage(1_000_000)]
    reports.costs[day(6)] = [_anthropic_cost("8000"), _anthropic_cost("8000.000000001")]
    reports.usage[day(6)] = [_anthropic_usage(2_000_000)]
    done = command("anthropic", "--key-file", str(key_file), "--base", reports.url, *span(8, 4), "--json")
    assert done.exit_code == 1, done.output
    found = json.loads(done.stdout)
    assert [row["within"] for row in found["rows"]] == [True, True, False, True, True]
    assert (found["provider_usd"], found["ledger_usd"]) == ("480.000000000", "400.000000000")
    drifting = found["rows"][2]
    assert (drifting["day"], drifting["model"], drifting["drift_percent"]) == (str(day(6)), MODEL, "-50.00")
    causes = {cause["code"]: cause["evidence"] for cause in drifting["causes"]}
    assert causes["tokens_differ"] == "the provider counts 2,000,000 input tokens, the ledger 1,000,000"
    assert "unpriced" in causes
    assert sum("/cost_report" in path for path in reports.asked) == 3
    assert KEY not in done.output


def _anthropic_cost(cents: str) -> dict[str, object]:
    facts = {"currency": "USD", "model": MODEL, "cost_type": "tokens", "token_type": "uncached_input_tokens"}
    return {**facts, "amount": cents, "service_tier": "standard", "description": "Claude Opus 4.7 Usage - Input Tokens"}


def _anthropic_usage(tokens: int) -> dict[str, object]:
    cached = {"cache_read_input_tokens": 0, "cache_creation": {"ephemeral_1h_input_tokens": 0}, "output_tokens": 0}
    return {"uncached_input_tokens": tokens, "model": MODEL, "service_tier": "standard", **cached}


def test_openai_is_fetched_over_pages_with_batch_told(
    world: World, command: Command, reports: Reports, key_file: Path
) -> None:
    for back in (5, 4, 3):
        world.book(event(model="gpt-4o", ts=at(back), input=1_000_000, output=0))
        amount = {"value": 40 if back == 4 else 80, "currency": "usd"}
        reports.costs[day(back)] = [{"amount": amount, "line_item": "gpt-4o-2024-08-06, input"}]
        counts = {"input_tokens": 1_000_000, "output_tokens": 0, "input_cached_tokens": 0, "num_model_requests": 1}
        reports.usage[day(back)] = [{**counts, "model": "gpt-4o-2024-08-06", "batch": back == 4, "service_tier": None}]
    done = command("openai", "--key-file", str(key_file), "--base", reports.url, *span(5, 3))
    assert done.exit_code == 1, done.output
    assert "tier_unreported: the provider has usage at the tier 'batch'" in done.stdout
    assert "drift 40.000000000 USD (20.00 %); 1 of 3 lines beyond the tolerance" in done.stdout


def test_openrouter_passes_within_the_tolerance(
    world: World, command: Command, reports: Reports, key_file: Path
) -> None:
    world.book(event(model="openai/gpt-4.1", provider="openrouter", ts=at(3), input=1_000_000, output=0))
    facts = {"requests": 1, "prompt_tokens": 1_000_000, "completion_tokens": 0, "byok_usage_inference": 0}
    reports.activity = [{"date": str(day(3)), "model": "openai/gpt-4.1", "usage": 79.5, **facts}]
    done = command("openrouter", "--key-file", str(key_file), "--base", reports.url, "--csv")
    assert done.exit_code == 0, done.output
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["drift_usd"], row["drift_percent"], row["within"]) == ("0.500000000", "0.63", "true")
    tight = command("openrouter", "--key-file", str(key_file), "--base", reports.url, "--tolerance-percent", "0.5")
    assert tight.exit_code == 1
    assert "price_differs" not in tight.stdout


def test_a_file_of_costs_and_one_of_usage_are_one_report(world: World, command: Command, tmp_path: Path) -> None:
    """Of one tenant alone where asked; a name of a file's model that looks like a formula is text in CSV."""
    world.book(event(model="gpt-4o", ts=at(3)), event("globex", model="gpt-4o", ts=at(3)))
    costs, usage = tmp_path / "costs.csv", tmp_path / "usage.csv"
    costs.write_text(f'start_time_iso,amount_value,amount_currency,line_item\n{day(3)},0.012,usd,"gpt-4o, input"\n')
    usage.write_text(f"start_time_iso,model,num_model_requests,input_tokens\n{day(3)},=cmd,4,7\n")
    files = ("--file", str(costs), "--file", str(usage), "--tenant", "acme", "--tolerance-usd", "0", "--csv")
    done = command("openai", *files)
    assert done.exit_code == 0, done.output
    assert "'=cmd" in done.stdout
    whole = command("openai", *files[:4], "--tolerance-usd", "0")
    assert whole.exit_code == 1
    assert "drift 0.012000000 USD (100.00 %)" in whole.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "--file, or a key"),
        (("--file", "nowhere.csv"), "nowhere.csv"),
        (("--key-file", "nowhere"), "nowhere"),
        (("--file", "x", "--tolerance-percent", "much"), "a number such as"),
        (("--file", "x", "--tolerance-usd", "-1"), "zero or more"),
    ],
)
def test_what_is_missing_is_said_in_a_line(command: Command, words: tuple[str, ...], says: str) -> None:
    failed = command("openai", *words)
    assert isinstance(failed.exception, ConfigError)
    assert says in str(failed.exception)


def test_what_the_provider_refuses_is_told_without_the_key(
    command: Command, reports: Reports, key_file: Path, tmp_path: Path
) -> None:
    where = ("--base", reports.url, *span(5, 3))
    other = tmp_path / "other"
    other.write_text("sk-ordinary")
    for provider in ("openai", "anthropic", "openrouter"):
        failed = command(provider, "--key-file", str(other), *where)
        assert isinstance(failed.exception, ReportUnreadable)
        assert "these reports need an admin key" in str(failed.exception)
        assert "sk-ordinary" not in str(failed.exception)
    reports.status = 500
    assert "answered 500" in str(command("openai", "--key-file", str(key_file), *where).exception)
    reports.status, reports.endless = None, True
    reports.costs[day(4)] = []
    assert "more than" in str(command("anthropic", "--key-file", str(key_file), *where).exception)
    gone = command("openai", "--key-file", str(key_file), "--base", "http://127.0.0.1:1", *span(5, 3))
    assert "does not answer" in str(gone.exception)
