"""Nothing outlives whoever started it: what is left behind would keep the port and write under old settings."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.fault.system import System
from tollbook.app.config import Settings
from tollbook.app.up import Access, answers, free_port
from tollbook.embedded.binaries import ON_LINUX
from tollbook.embedded.process import descendants, wait_until

pytestmark = pytest.mark.skipif(not ON_LINUX, reason="only Linux tells a process that its parent died")
ENDED_S = 30.0


def _left(pids: list[int]) -> list[str]:
    return [f"{pid} {Path(f'/proc/{pid}/cmdline').read_bytes()!r}" for pid in pids if not _dead(pid)]


def _dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_receivers_workers_end_with_a_killed_receiver(tmp_path: Path) -> None:
    settings = {"workers": 2}
    with System(tmp_path, serves=1, drains=0, settings=settings).running() as system:
        receiver = system.serves[0]
        workers = receiver.workers()
        assert len(workers) == 2
        receiver.kill()
        assert wait_until(lambda: not _left(workers), deadline_seconds=ENDED_S)
        assert not answers(f"{receiver.url}/healthz")
        receiver.start()
        system.await_ready()


def test_a_killed_up_leaves_nothing_behind_and_can_be_started_again(tmp_path: Path) -> None:
    port = free_port("127.0.0.1")
    command = [sys.executable, "-m", "tollbook.cli.main", "up", "--json", "--data", str(tmp_path), "--port", str(port)]
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=Settings().environment()) as up:
            assert up.stdout is not None
            access = msgspec.json.decode(up.stdout.readline(), type=Access)
            assert answers(f"{access.api}/readyz")
            family = descendants(up.pid)
            up.send_signal(signal.SIGKILL)
            up.wait()
        try:
            assert wait_until(lambda pids=family: not _left(pids), deadline_seconds=ENDED_S), _left(family)
        finally:
            for pid in family:
                if not _dead(pid):
                    os.kill(pid, signal.SIGKILL)
