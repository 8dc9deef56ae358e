"""`tollbook demo --live`, as a newcomer runs it: the sums, then a fleet that calls on until it is stopped."""

import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.integration.e2e.running import COMMAND, PATIENCE_S, end, environment
from tollbook.embedded.process import wait_until


@pytest.fixture
def demo(tmp_path: Path) -> "Iterator[subprocess.Popen[str]]":
    command = [*COMMAND, "demo", "--live"]
    env = environment() | {"TMPDIR": tempfile.mkdtemp(prefix="demo", dir=tmp_path)}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        yield process
        if process.poll() is None:
            end(process)


def test_the_fleet_calls_on_and_leaves_nothing(demo: "subprocess.Popen[str]", tmp_path: Path) -> None:
    assert demo.stdout is not None
    told = ""
    for line in demo.stdout:
        told += line
        if "data in" in line:
            break
    assert "Every sum is equal" in told
    api, key = re.findall(r"http://127\.0\.0\.1:\d+|\btb_\w+", told)

    def calls() -> int:
        headers = {"authorization": f"Bearer {key}"}
        answer = requests.get(f"{api}/v1/spend", headers=headers, timeout=PATIENCE_S)
        return int(answer.json()["total"]["calls"])

    before = calls()
    assert wait_until(lambda: calls() > before, deadline_seconds=PATIENCE_S, every_seconds=0.2)
    assert end(demo, signal.SIGINT) == 0
    assert not any(tmp_path.glob("*/*"))
