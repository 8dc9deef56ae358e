"""Valkey as tollbook starts it."""

import os
import shutil
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tollbook.domain.errors import ConfigError, StoreError
from tollbook.embedded import ValkeyServer
from tollbook.embedded.binaries import valkey_at
from tollbook.embedded.process import is_alive


@contextmanager
def client_of(server: ValkeyServer, **options) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url, decode_responses=True, **options) as client:
        yield client


def test_data_port_and_password_survive_a_stop(tmp_path: Path) -> None:
    """A second start serves the same data at the same URL, also below a path with spaces."""
    directory = tmp_path / "a path with 'spaces' ü" / "valkey"
    with ValkeyServer.start(directory) as server, client_of(server) as client:
        url = server.url
        client.set("kept", 7)
    assert not server.running
    with ValkeyServer.start(directory) as server, client_of(server) as client:
        assert server.url == url
        assert client.get("kept") == "7"


def test_accepted_writes_survive_kill_and_the_url_stays(tmp_path: Path) -> None:
    """After SIGKILL a restart reads every write that was answered."""
    with ValkeyServer.start(tmp_path / "valkey", fsync="always") as server:
        url, pid = server.url, server.pid
        with client_of(server) as client:
            for n in range(100):
                client.rpush("kept", n)
        server.kill()
        assert not is_alive(pid)
        server.restart()
        assert server.url == url
        with client_of(server) as client:
            assert client.llen("kept") == 100
        os.kill(server.pid, signal.SIGKILL)
        server.restart()
        with client_of(server) as client:
            assert client.llen("kept") == 100


def test_paused_server_answers_nothing_until_resumed(tmp_path: Path) -> None:
    """A frozen server keeps connections open and silent."""
    with ValkeyServer.start(tmp_path / "valkey") as server:
        with client_of(server, socket_timeout=0.2, retry=None) as client:
            client.ping()
            server.pause()
            with pytest.raises(redis.TimeoutError):
                client.ping()
            server.resume()
        with client_of(server) as client:
            assert client.ping()
        server.pause()


def test_taken_port_is_replaced_when_remembered_and_refused_when_asked_for(tmp_path: Path) -> None:
    """The port of the last start is a preference; a port given is an order."""
    with ValkeyServer.start(tmp_path / "valkey") as server:
        port = server.address.port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(ConfigError, match=f"port {port} .* taken"):
            ValkeyServer.start(tmp_path / "valkey", port=port)
        with ValkeyServer.start(tmp_path / "valkey") as server, client_of(server) as client:
            assert server.address.port != port
            assert client.ping()


def test_second_start_on_one_directory_is_refused(tmp_path: Path) -> None:
    """Whoever holds the directory is named, and goes on undisturbed."""
    with ValkeyServer.start(tmp_path / "valkey") as server, client_of(server) as client:
        with pytest.raises(ConfigError, match=f"in use by process {os.getpid()}"):
            ValkeyServer.start(tmp_path / "valkey")
        assert client.ping()


def test_settings_are_those_of_a_journal(tmp_path: Path) -> None:
    """Every write reaches the file, a full server refuses, and nobody enters without the password."""
    with ValkeyServer.start(tmp_path / "valkey", memory_bytes=64 << 20) as server:
        with client_of(server) as client:
            for setting, expected in {
                "appendonly": "yes",
                "appendfsync": "always",
                "aof-use-rdb-preamble": "yes",
                "bind": "127.0.0.1",
                "maxmemory": str(64 << 20),
                "maxmemory-policy": "noeviction",
                "protected-mode": "yes",
                "save": "",
            }.items():
                assert client.config_get(setting)[setting] == expected
        with (
            redis.Redis(host="127.0.0.1", port=server.address.port, retry=None) as nobody,
            pytest.raises(redis.AuthenticationError),
        ):
            nobody.ping()
        assert server.address.password.encode() not in Path(f"/proc/{server.pid}/cmdline").read_bytes()
    assert stat.S_IMODE((tmp_path / "valkey" / "address.json").stat().st_mode) == 0o600


def test_failed_start_shows_the_log_and_frees_the_directory(tmp_path: Path) -> None:
    """A setting Valkey refuses is quoted from its log, and a later start works."""
    with pytest.raises(StoreError, match="no-such-setting"):
        ValkeyServer.start(tmp_path / "valkey", settings={"no-such-setting": "1"})
    with ValkeyServer.start(tmp_path / "valkey") as server, client_of(server) as client:
        assert client.ping()


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="the system's Redis is not here")
def test_redis_of_the_system(tmp_path: Path) -> None:
    """Where the wheel has no build, a Redis of the system serves the same way."""
    redis_server = valkey_at(Path(shutil.which("redis-server") or ""))
    with ValkeyServer.start(tmp_path / "redis", installation=redis_server) as server:
        with client_of(server) as client:
            client.set("kept", 1)
        server.kill()
        server.restart()
        with client_of(server) as client:
            assert client.get("kept") == "1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up privileges")
def test_root_starts_it_and_it_does_not_run_as_root(tmp_path: Path) -> None:
    """Below a directory closed to everybody the server runs as another user and still rewrites its file."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with ValkeyServer.start(closed / "valkey") as server, client_of(server) as client:
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        client.set("kept", 1)
        client.bgrewriteaof()
    with ValkeyServer.start(closed / "valkey") as server, client_of(server) as client:
        assert client.get("kept") == "1"
