"""The same generated transcripts by ccusage (npm, offline) and by `tollbook import claude-code`."""

import json
import os
import shutil
import subprocess
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.integration.e2e.running import PATIENCE_S, Ledger
from tests.transcripts.claude import COUNTS, Writer
from tollbook.cli.app import build

CCUSAGE = shutil.which("ccusage")

pytestmark = pytest.mark.skipif(CCUSAGE is None, reason="no ccusage on PATH: npm install -g ccusage")

_THEIRS = dict(zip(COUNTS, ("inputTokens", "outputTokens", "cacheCreationTokens", "cacheReadTokens"), strict=True))


def by_ccusage(config: Path) -> list[dict[str, Any]]:
    """Its report by day, of this folder alone."""
    env = {**os.environ, "CLAUDE_CONFIG_DIR": str(config), "HOME": str(config), "TZ": "UTC"}
    command = [str(CCUSAGE), "claude", "daily", "--json", "--offline", "--timezone", "UTC"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    return list(json.loads(done.stdout)["daily"])


def test_the_same_tokens_and_costs_by_model_and_day(ledger: Ledger, tenant: str, tmp_path: Path) -> None:
    """Nothing to explain: ccusage 20 prices what is written for an hour at its own rate, as we do.

    Its costs are floats and ours are rounded once an answer to the nano-dollar: a millionth of a dollar covers both.
    """
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=20)
    made = Writer(21, start).write(tmp_path / "projects", sessions=12, answers=25)
    arguments = ["import", "claude-code", str(tmp_path / "projects"), "--tenant", tenant, "--data", str(ledger.data)]
    done = CliRunner().invoke(build(), arguments)
    assert done.exit_code == 0, done.output
    days = by_ccusage(tmp_path)
    theirs = {
        (day["date"], model["modelName"]): Counter({ours: model[name] for ours, name in _THEIRS.items()})
        for day in days
        for model in day["modelBreakdowns"]
    }
    assert theirs == made.tokens
    rows = ledger.rows(
        "SELECT (ts AT TIME ZONE 'UTC')::date::text, model, sum(input - cache_read - cache_write_5m - cache_write_1h),"
        " sum(output), sum(cache_write_5m + cache_write_1h), sum(cache_read), sum(cost_nanos)"
        " FROM entry WHERE tenant = $1 GROUP BY 1, 2",
        tenant,
    )
    ours = {(day, model): Counter(dict(zip(COUNTS, map(int, found[:4]), strict=True))) for day, model, *found in rows}
    assert ours == theirs
    costs = {(day["date"], m["modelName"]): Decimal(str(m["cost"])) for day in days for m in day["modelBreakdowns"]}
    for day, model, *found in rows:
        assert abs(Decimal(int(found[4])) / 10**9 - costs[day, model]) < Decimal("0.000001"), (day, model)
