"""Which allocator the embedded Valkey runs on."""

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from tollbook.embedded import ValkeyServer, binaries
from tollbook.embedded.binaries import Installation, find_allocator, find_valkey, valkey_at
from tollbook.embedded.process import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux is given an allocator")


def mapped(server: ValkeyServer) -> set[Path]:
    """The allocators in a server's memory."""
    lines = Path(f"/proc/{server.pid}/maps").read_text().splitlines()
    # Address, permissions, offset, device, inode; then the path, if there is one, which may hold spaces.
    paths = {Path(fields[5]) for line in lines if len(fields := line.split(maxsplit=5)) == 6}
    return {path for path in paths if path.name.startswith("libmimalloc.so")}


def wheel() -> tuple[Installation, Path]:
    """Valkey of the wheel and the library that comes with it."""
    found = find_valkey()
    assert found.movable, "this test needs the wheels"
    assert found.preload is not None
    return found, found.preload


def test_valkey_of_the_wheel_runs_on_it_and_rewrites_its_file(tmp_path: Path) -> None:
    """The library is in the server's memory, and what a rewrite left is read by the next start, which has it too."""
    _, library = wheel()
    with ValkeyServer.start(tmp_path / "valkey") as server:
        assert mapped(server) == {library}
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            client.hset("kept", mapping={str(n): n for n in range(1000)})
            rewrites = client.info("persistence")["aof_rewrites"]
            client.bgrewriteaof()

            def rewritten() -> bool:
                state = client.info("persistence")
                return state["aof_rewrites"] > rewrites and not state["aof_rewrite_in_progress"]

            assert wait_until(rewritten, deadline_seconds=20)
            assert client.info("persistence")["aof_last_bgrewrite_status"] == "ok"
            client.set("later", 1)
        server.kill()
        server.restart()
        assert mapped(server) == {library}
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            assert client.hlen("kept") == 1000
            assert client.get("later") == "1"


def test_no_huge_pages(tmp_path: Path) -> None:
    """A write during a rewrite copies a page of the ordinary size."""
    with ValkeyServer.start(tmp_path / "valkey") as server:
        status = Path(f"/proc/{server.pid}/status").read_text()
        if "THP_enabled" not in status:
            pytest.skip("this kernel does not say")
        assert "THP_enabled:\t0\n" in status


@pytest.mark.parametrize(("name", "mode"), [("a path: with 'spaces' ü", 0o755), ("closed", 0o700)])
def test_library_is_loaded_from_any_path(tmp_path: Path, name: str, mode: int) -> None:
    """Spaces and colons, which LD_PRELOAD separates by, and directories closed to the server's user do not matter."""
    found, library = wheel()
    directory = tmp_path / name
    directory.mkdir(mode=mode)
    copy = Path(shutil.copy2(library, directory))
    with ValkeyServer.start(tmp_path / "valkey", installation=replace(found, preload=copy)) as server:
        assert mapped(server) == {copy}


def test_starts_where_the_package_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the server runs on libc's allocator, as it was built."""
    monkeypatch.setattr(binaries, "ALLOCATOR_WHEEL", "tollbook-no-such-allocator")
    assert find_allocator() is None
    with ValkeyServer.start(tmp_path / "valkey") as server:
        assert mapped(server) == set()


def test_starts_where_the_library_is_gone(tmp_path: Path) -> None:
    """A package removed under a running server does not stop its restart."""
    found, library = wheel()
    copy = Path(shutil.copy2(library, tmp_path))
    with ValkeyServer.start(tmp_path / "valkey", installation=replace(found, preload=copy)) as server:
        copy.unlink()
        server.restart()
        assert mapped(server) == set()


def test_starts_where_the_library_is_not_for_this_machine(tmp_path: Path) -> None:
    """What the loader cannot load it names in the log and leaves out."""
    found, _ = wheel()
    library = tmp_path / "libmimalloc.so"
    library.write_text("another machine's")
    with ValkeyServer.start(tmp_path / "valkey", installation=replace(found, preload=library)) as server:
        assert mapped(server) == set()
        assert "cannot be preloaded" in server.log.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers as somebody else")
def test_starts_where_the_servers_user_may_not_read_the_library(tmp_path: Path) -> None:
    """A library installed for root alone is left out; its mode stays."""
    found, library = wheel()
    copy = Path(shutil.copy2(library, tmp_path))
    copy.chmod(0o600)
    with ValkeyServer.start(tmp_path / "valkey", installation=replace(found, preload=copy)) as server:
        assert mapped(server) == set()
    assert copy.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="the system's Redis is not here")
def test_server_of_the_system_keeps_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systems build theirs on jemalloc, which stays."""
    monkeypatch.setattr(binaries, "wheel_directory", lambda package: None)
    assert find_valkey().preload is None
    redis_server = valkey_at(Path(shutil.which("redis-server") or ""))
    with ValkeyServer.start(tmp_path / "redis", installation=redis_server) as server:
        assert mapped(server) == set()
        assert b"LD_PRELOAD" not in Path(f"/proc/{server.pid}/environ").read_bytes()
