"""Every dialect, from what the real packages make of a call now."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.sources.capture import SOURCES
from tests.integration.sources.exporting import KINDS
from tests.payloads import FOLDER, Payload
from tests.payloads.expected import EXPECTED, call_of

ROOT = Path(__file__).parents[3]
ALONE = {"ANTHROPIC_OPEN_TELEMETRY": "false", "LANGSMITH_TRACING": "false", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("module", SOURCES)
def test_what_a_package_makes_of_a_call_is_taken(module: str) -> None:
    if not _is_there(module):
        pytest.skip(f"{module} is not installed: make test-integrations")
    # A process of its own: the packages leave loops and connections to the garbage collector.
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.integration.sources.capture", module],
        cwd=ROOT,
        env={**os.environ, **ALONE},
        capture_output=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    made = [Payload.of(name, one) for name, one in json.loads(ran.stdout.splitlines()[-1]).items()]
    assert made
    for payload in made:
        decoded = payload.decoded()
        assert decoded.rejections == [], payload.name
        assert [call_of(event) for event in decoded.events] == EXPECTED[payload.name], payload.name
        assert (FOLDER / f"{payload.name}.json").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_still_keeps_calls_in_the_rows_that_are_imported(kind: str) -> None:
    needed = ("litellm", "backoff", "fastapi") if kind == "litellm" else (kind,)
    if not all(map(_is_there, needed)):
        pytest.skip(f"{', '.join(needed)} are not all installed: make test-integrations")
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.integration.sources.exporting", kind],
        cwd=ROOT,
        env={**os.environ, **ALONE},
        capture_output=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    made = json.loads(ran.stdout.splitlines()[-1])
    kept = json.loads((ROOT / "tests" / "unit" / "ingest" / "exports" / "rows" / f"{kind}.json").read_text())
    assert [set(row) for row in made] == [set(row) for row in kept]
