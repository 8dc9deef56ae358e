"""What `tollbook up` promises about its processes: one starts all, one stops all, and nothing is lost or left."""

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.integration.e2e.running import (
    COMMAND,
    PATIENCE_S,
    Ledger,
    all_gone,
    cli,
    command_line,
    end,
    environment,
    first_line,
    launch,
    ready,
    running,
    survivors,
)
from tollbook.embedded import privileges
from tollbook.embedded.home import choose_port
from tollbook.embedded.privileges import ServiceUser
from tollbook.embedded.process import descendants, wait_until

EVENT = {"tenant": "acme", "agent": "planner", "input": 1200, "output": 340, "model": "claude-opus-4-7"}


def processes_naming(data: Path) -> list[int]:
    """Every process whose command line names a data directory."""
    return [
        int(entry.name)
        for entry in os.scandir("/proc")
        if entry.name.isdigit()
        and int(entry.name) != os.getpid()
        and str(data) in " ".join(command_line(int(entry.name)))
    ]


def booked(ledger: Ledger) -> int:
    """How many entries the ledger keeps, once nothing is pending."""
    ledger.await_drained()
    return int(ledger.rows("SELECT count(*) FROM entry")[0][0])


def post(url: str, event: object) -> int | None:
    """The status of a POST, or None where nobody answers."""
    try:
        with requests.Session() as client:
            client.trust_env = False
            return client.post(url, json=event, timeout=5).status_code
    except requests.RequestException:
        return None


def test_the_next_up_finds_everything_where_it_was(tmp_path: Path, record_property) -> None:
    """Key, webhook, stores' addresses and data outlive the process, in a directory whose name is no plain word."""
    data, port = tmp_path / "päth with spaces & $signs" / "the data", choose_port(None)
    data.parent.mkdir()
    began = time.monotonic()
    with running(data, port=port) as first:
        record_property("first_up_seconds", round(time.monotonic() - began, 2))
        first.send([{**EVENT, "id": "one"}, {**EVENT, "id": "two"}])
        assert cli("budget", "set", "acme", "120", data=data).returncode == 0
        before = first.get("/v1/spend", by="tenant,agent,model")
        assert booked(first) == 2
        before = first.get("/v1/spend", by="tenant,agent,model")
    began = time.monotonic()
    with running(data, port=port) as second:
        record_property("next_up_seconds", round(time.monotonic() - began, 2))
        assert second.access == first.access
        assert (data / "access.json").stat().st_mode & 0o777 == 0o600
        assert second.get("/v1/spend", by="tenant,agent,model") == before
        assert second.get("/v1/tenants/acme/budget")["limit_usd"] == "120.000000000"
        second.send({**EVENT, "id": "one"})
        assert post(second.webhook, EVENT) == 200
        assert booked(second) == 3
        assert second.get("/v1/tenants/acme/status")["spent_usd"] == second.get("/v1/spend")["total"]["cost_usd"]


def test_an_interrupt_stops_everything(tmp_path: Path) -> None:
    """Ctrl-C ends the whole tree in order, with success and without a word; `running` asks the same of SIGTERM."""
    data = tmp_path / "data"
    ledger = ready(launch(data), data)
    family = ledger.family
    assert {"serve", "drain"} <= {word for pid in family for word in command_line(pid)[-1:]}
    assert all(os.getsid(pid) != os.getsid(ledger.process.pid) for pid in family[1:]), "Ctrl-C would reach a child"
    ledger.send([{**EVENT, "id": f"event-{n}"} for n in range(100)])
    assert end(ledger.process, signal.SIGINT) == 0
    assert all_gone(family), survivors(family)
    assert processes_naming(data) == []
    assert data.with_name("data.stderr").read_text() == ""


def test_a_signal_during_the_start_stops_everything(tmp_path: Path) -> None:
    """Ctrl-C while the stores come up leaves nothing behind, says no ready line, and the directory can be used."""
    data = tmp_path / "data"
    process = launch(data)
    assert wait_until((data / "valkey" / "lock").exists, deadline_seconds=PATIENCE_S)
    family = [process.pid, *descendants(process.pid)]
    process.send_signal(signal.SIGINT)
    line = first_line(process)
    assert end(process) == 0
    assert line == "", "it says that it is ready, and is not"
    assert all_gone(family), survivors(family)
    assert processes_naming(data) == []
    with running(data) as ledger:
        assert post(ledger.webhook, EVENT) == 200


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    """Exit code 2, one line on stderr, and nothing started or made."""
    data = tmp_path / "data"
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = cli("up", "--port", str(port), data=data)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"port {port} on 127.0.0.1 is taken" in done.stderr
    assert not data.exists()
    assert processes_naming(data) == []


def test_a_second_up_on_the_same_data_is_refused(ledger: Ledger) -> None:
    """Two writers on one directory would be two ledgers: the second ends with one line, the first goes on."""
    before = (ledger.data / "access.json").read_bytes()
    done = cli("up", "--port", str(choose_port(None)), data=ledger.data)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "in use by process" in done.stderr
    assert (ledger.data / "access.json").read_bytes() == before
    assert ledger.get("/readyz")["ok"]
    ledger.send({**EVENT, "tenant": "second-up"})


def drain_of(ledger: Ledger) -> int:
    """The process that books."""
    return ledger.role("drain")


def serve_of(ledger: Ledger) -> int:
    """The process that answers HTTP."""
    return ledger.role("serve")


def test_killed_roles_come_back(tmp_path: Path) -> None:
    """kill -9 of any of our processes costs a moment, not an event, and leaves no orphan that goes on answering."""
    data = tmp_path / "data"
    with running(data) as ledger:
        expected = []
        for role in (drain_of, serve_of):
            expected += [f"{role.__name__}-{number}" for number in range(50)]
            ledger.send([{**EVENT, "id": name} for name in expected])
            killed = role(ledger)
            doomed = [killed, *descendants(killed)]
            os.kill(killed, signal.SIGKILL)
            assert all_gone(doomed, PATIENCE_S), survivors(doomed)
            ledger.http.close()
            assert wait_until(lambda role=role: present(role, ledger) is not None, deadline_seconds=PATIENCE_S)
            assert wait_until(lambda: post(ledger.webhook, EVENT) == 200, deadline_seconds=PATIENCE_S)
        assert sorted(row[0] for row in booked_ids(ledger)) == sorted(expected)


def present(role: Callable[[Ledger], int], ledger: Ledger) -> int | None:
    """The present process of a role, or None while there is none."""
    with contextlib.suppress(LookupError, ValueError):
        return role(ledger)
    return None


def booked_ids(ledger: Ledger) -> list[tuple[str]]:
    """The ids of the entries that have one, once nothing is pending."""
    ledger.await_drained()
    return ledger.rows("SELECT event_id FROM entry WHERE event_id IS NOT NULL")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_kill_of_up_leaves_nothing_running(tmp_path: Path) -> None:
    """kill -9 of up itself: roles and stores go by themselves, and the same port and data serve the next.

    What was acknowledged just before, and not yet booked, is in the ledger of the next start, once.
    """
    data, port = tmp_path / "data", choose_port(None)
    first = ready(launch(data, port=port), data)
    drain = drain_of(first)
    os.kill(drain, signal.SIGSTOP)
    first.send([{**EVENT, "id": f"event-{number}"} for number in range(50)])
    family = first.family
    first.process.kill()
    first.process.wait()
    os.kill(drain, signal.SIGCONT)
    assert all_gone(family, PATIENCE_S), survivors(family)
    assert first.process.stdout is not None
    first.process.stdout.close()
    first.http.close()
    with running(data, port=port) as second:
        assert second.access == first.access
        second.send([{**EVENT, "id": f"event-{number}"} for number in range(50)])
        assert booked(second) == 50


@pytest.fixture
def home_of_nobody() -> Iterator[tuple[Path, ServiceUser]]:
    """A directory of an ordinary user, where that user can walk to."""
    entry = pwd.getpwnam("nobody")
    directory = Path(tempfile.mkdtemp(prefix="tollbook-nobody-"))
    os.chown(directory, entry.pw_uid, entry.pw_gid)
    yield directory, ServiceUser("nobody", entry.pw_uid, entry.pw_gid)
    shutil.rmtree(directory)


def python_for(user: ServiceUser, env: dict[str, str]) -> str | None:
    """An interpreter that the user can run all of tollbook with: this one, or the system's if it is as new."""
    probe = ["-c", "import tollbook.cli.app, tollbook.app.asgi"]
    options = {"user": user.uid, "group": user.gid, "extra_groups": [], "cwd": "/"}
    for python in (sys.executable, "/usr/bin/python3"):
        if not privileges.can_run(Path(python), user):
            continue
        if subprocess.run([python, *probe], env=env, capture_output=True, check=False, **options).returncode == 0:
            return python
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; the other tests run as one")
def test_an_ordinary_user_runs_it_all(home_of_nobody: tuple[Path, ServiceUser]) -> None:
    """Nothing needs root: every process and file belongs to the one who started it."""
    home, user = home_of_nobody
    as_user = {"user": user.uid, "group": user.gid, "extra_groups": [], "cwd": "/"}
    env = environment(HOME=str(home))
    python = python_for(user, env)
    if python is None:
        pytest.skip("an ordinary user reaches no interpreter with this source and what it needs")
    as_user["command"] = (python, *COMMAND[1:])
    with running(home / "data", env=env, **as_user) as ledger:
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in ledger.family} == {user.uid}
        ledger.send([{**EVENT, "id": "one"}])
        assert booked(ledger) == 1
    assert {path.stat().st_uid for path in (home / "data").rglob("*")} == {user.uid}


def test_the_ready_line_is_one_line_of_json(ledger: Ledger) -> None:
    """Scripts read the line; it says the same as the file that only the owner may read."""
    assert json.loads((ledger.data / "access.json").read_text()) == ledger.access
    assert set(ledger.access) == {"api", "webhook", "admin_key", "postgres_url", "valkey_url"}
    for url in (ledger.access["postgres_url"], ledger.access["valkey_url"]):
        assert "@127.0.0.1:" in url
