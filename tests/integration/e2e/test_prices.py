"""Prices of one's own in a running `tollbook up`: edited, refused, accepted, and seen in what calls cost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.e2e.running import PATIENCE_S, Ledger, cli, environment, running
from tollbook.embedded.process import wait_until

OWN = """
[[model]]
provider = "house"
model = "llama"
usd = { input_tokens = %s, output_tokens = 0 }
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prices") / "prices.toml"
    path.write_text(OWN % 1)
    return path


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory, file: Path) -> Iterator[Ledger]:
    """A ledger of its own: a price book is the whole ledger's."""
    with running(tmp_path_factory.mktemp("priced") / "data", env=environment(TOLLBOOK_PRICES_FILE=str(file))) as up:
        yield up


def input_usd(ledger: Ledger) -> str:
    shown = ledger.http.get(
        f"{ledger.api}/v1/prices?model=llama",
        headers={"Authorization": f"Bearer {ledger.access['admin_key']}"},
        timeout=PATIENCE_S,
    )
    return str(shown.json()["rows"][0]["usd"]["input_tokens"]["usd"])


def test_an_edited_price_is_followed_and_one_that_moves_too_far_waits(priced: Ledger, file: Path) -> None:
    where = {"data": priced.data, "TOLLBOOK_PRICES_FILE": str(file)}
    assert input_usd(priced) == "1"
    done = cli("price", "set", "llama", "input_tokens=2", "--provider", "house", **where)
    assert done.returncode == 0, done
    assert wait_until(lambda: input_usd(priced) == "2", deadline_seconds=PATIENCE_S)
    assert "nothing moves" in cli("price", "diff", **where).stdout

    file.write_text(OWN % 50)
    refused = wait_until(lambda: "prices refused" in _log(priced), deadline_seconds=PATIENCE_S)
    assert refused, _log(priced)[-2000:]
    assert input_usd(priced) == "2"
    moved = cli("price", "diff", **where).stdout
    assert "TOO FAR house llama: input_tokens $2 -> $50 / 1000000" in moved
    sick = cli("doctor", **where)
    assert (sick.returncode, "WRONG  prices" in sick.stdout) == (1, True)
    digest = moved.splitlines()[1].split()[-1]
    assert cli("price", "accept", digest[:12], **where).returncode == 0
    assert wait_until(lambda: input_usd(priced) == "50", deadline_seconds=PATIENCE_S)
    assert cli("doctor", **where).stdout.count("WRONG  prices") == 0
    assert cli("price", "accept", "nonsense", **where).returncode == 2


def _log(ledger: Ledger) -> str:
    return (ledger.data / "serve.log").read_text(encoding="utf-8")
