"""PostgreSQL as tollbook starts it."""

import os
import shutil
import signal
import socket
import stat
import subprocess
from pathlib import Path

import asyncpg
import pytest

from tests.servers import execute, fetch_value
from tollbook.domain.errors import ConfigError, StoreError
from tollbook.embedded import PostgresServer
from tollbook.embedded.binaries import find_postgres
from tollbook.embedded.process import is_alive, read_stat, wait_until

SMALL = {"shared_buffers": "16MB"}


def start(directory: Path, **options) -> PostgresServer:
    return PostgresServer.start(directory, **{"durable": False, "settings": SMALL, **options})


def test_data_port_and_password_survive_a_stop(tmp_path: Path) -> None:
    """A second start serves the same data at the same URL, also below a path with spaces."""
    directory = tmp_path / "a path with 'spaces' ü" / "postgres"
    with start(directory) as server:
        url = server.url
        execute(url, "CREATE TABLE kept AS SELECT 7 AS n")
    assert not server.running
    with start(directory) as server:
        assert server.url == url
        assert fetch_value(url, "SELECT n FROM kept") == 7


def test_committed_data_survives_kill_and_the_url_stays(tmp_path: Path) -> None:
    """After SIGKILL of the whole family a restart recovers what was committed."""
    with start(tmp_path / "postgres") as server:
        url, pid = server.url, server.pid
        execute(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        server.kill()
        assert not is_alive(pid)
        assert not server.running
        assert (tmp_path / "postgres" / "cluster" / "postmaster.pid").exists()
        server.restart()
        assert server.url == url
        assert fetch_value(url, "SELECT count(*) FROM kept") == 1000


def test_postmaster_killed_from_outside_is_restarted(tmp_path: Path) -> None:
    """A restart waits for the orphans of a killed postmaster instead of tripping over them."""
    with start(tmp_path / "postgres") as server:
        execute(server.url, "CREATE TABLE kept AS SELECT 1 AS n")
        os.kill(server.pid, signal.SIGKILL)
        server.restart()
        assert fetch_value(server.url, "SELECT n FROM kept") == 1


def test_pid_file_whose_number_another_program_took(tmp_path: Path) -> None:
    """A killed server's pid that now belongs to some program of the same user does not stop a start."""
    with start(tmp_path / "postgres") as server:
        server.kill()
        owner = (tmp_path / "postgres" / "cluster").stat()
        stranger = subprocess.Popen(["sleep", "60"], user=owner.st_uid, group=owner.st_gid)
        try:
            pid_file = tmp_path / "postgres" / "cluster" / "postmaster.pid"
            lines = pid_file.read_text().splitlines()
            pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
            server.restart()
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()


def test_pause_freezes_every_backend_and_resume_lets_go(tmp_path: Path) -> None:
    """A paused server and its children are stopped processes; a resumed one answers."""
    with start(tmp_path / "postgres") as server:
        server.pause()
        assert wait_until(lambda: (read_stat(server.pid) or ("",))[0] == "T", deadline_seconds=5)
        with socket.create_connection(("127.0.0.1", server.address.port), timeout=0.2) as connection:
            connection.sendall((8).to_bytes(4, "big") + (80877103).to_bytes(4, "big"))
            with pytest.raises(TimeoutError):
                connection.recv(1)
        server.resume()
        assert fetch_value(server.url, "SELECT 1") == 1
        server.pause()


def test_taken_port_is_replaced_when_remembered_and_refused_when_asked_for(tmp_path: Path) -> None:
    """The port of the last start is a preference; a port given is an order."""
    with start(tmp_path / "postgres") as server:
        port = server.address.port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(ConfigError, match=f"port {port} .* taken"):
            start(tmp_path / "postgres", port=port)
        with start(tmp_path / "postgres") as server:
            assert server.address.port != port
            assert fetch_value(server.url, "SELECT 1") == 1


def test_second_start_on_one_directory_is_refused(tmp_path: Path) -> None:
    """Whoever holds the directory is named, and goes on undisturbed."""
    with start(tmp_path / "postgres") as server:
        with pytest.raises(ConfigError, match=f"in use by process {os.getpid()}"):
            start(tmp_path / "postgres")
        assert fetch_value(server.url, "SELECT 1") == 1


def test_password_is_required_and_private(tmp_path: Path) -> None:
    """Nobody connects without the password, and only the owner can read it."""
    with start(tmp_path / "postgres") as server:
        with pytest.raises(asyncpg.InvalidPasswordError):
            execute(server.url.replace(server.address.password, "wrong"), "SELECT 1")
        assert fetch_value(server.url, "SHOW unix_socket_directories") == ""
        assert fetch_value(server.url, "SHOW listen_addresses") == "127.0.0.1"
    assert stat.S_IMODE((tmp_path / "postgres" / "address.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "postgres").stat().st_mode) == 0o700


def test_lost_address_file_gets_a_new_password(tmp_path: Path) -> None:
    """Without its address file a cluster is still served, under a new password."""
    with start(tmp_path / "postgres") as server:
        execute(server.url, "CREATE TABLE kept AS SELECT 3 AS n")
        before = server.address.password
    (tmp_path / "postgres" / "address.json").unlink()
    with start(tmp_path / "postgres") as server:
        assert server.address.password != before
        assert fetch_value(server.url, "SELECT n FROM kept") == 3


def test_durable_by_default_with_checksums_and_a_fixed_order_of_text(tmp_path: Path) -> None:
    """The defaults are those of a ledger, not of a test."""
    with PostgresServer.start(tmp_path / "postgres", settings=SMALL) as server:
        for setting, expected in {
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "jit": "off",
            "max_wal_size": "4GB",
            "server_encoding": "UTF8",
            "shared_buffers": "16MB",
        }.items():
            assert fetch_value(server.url, f"SHOW {setting}") == expected
        locale = "SELECT datlocale FROM pg_database WHERE datname = current_database()"
        assert fetch_value(server.url, locale) == "C.UTF-8"


def test_first_start_cut_short_is_begun_anew(tmp_path: Path) -> None:
    """What a killed initdb leaves behind is thrown away."""
    partial = tmp_path / "postgres" / "cluster.partial"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18\n")
    with start(tmp_path / "postgres") as server:
        assert fetch_value(server.url, "SELECT 1") == 1
    assert not partial.exists()


def test_failed_start_shows_the_log_and_frees_the_directory(tmp_path: Path) -> None:
    """A setting PostgreSQL refuses is quoted from its log, and a later start works."""
    with pytest.raises(StoreError, match="no_such_setting"):
        start(tmp_path / "postgres", settings={"no_such_setting": "1"})
    with start(tmp_path / "postgres") as server:
        assert fetch_value(server.url, "SELECT 1") == 1


def test_cluster_of_another_major_version_is_refused(tmp_path: Path) -> None:
    """Binaries that cannot read a cluster are not let near it."""
    (tmp_path / "postgres" / "cluster").mkdir(parents=True)
    (tmp_path / "postgres" / "cluster" / "PG_VERSION").write_text("17\n")
    with pytest.raises(ConfigError, match="made by PostgreSQL 17"):
        start(tmp_path / "postgres", installation=find_postgres(18))


@pytest.mark.skipif(
    not Path("/usr/lib/postgresql/15/bin/postgres").exists(), reason="PostgreSQL 15 of the system is not here"
)
def test_postgres_15_of_the_system(tmp_path: Path) -> None:
    """The system's oldest supported PostgreSQL runs the same way, and is found again by its cluster."""
    with start(tmp_path / "postgres", installation=find_postgres(15)) as server:
        assert str(fetch_value(server.url, "SHOW server_version")).startswith("15.")
    with start(tmp_path / "postgres") as server:
        assert server.installation.major == 15


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up privileges")
def test_root_starts_it_and_it_does_not_run_as_root(tmp_path: Path) -> None:
    """Below a directory closed to everybody the server runs as another user, and no mode was changed."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with start(closed / "postgres") as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    shutil.copytree(closed / "postgres", closed / "copied by root", symlinks=True)
    with start(closed / "copied by root") as server:
        assert fetch_value(server.url, "SELECT 1") == 1
