"""A server's own directory: who holds it, which port and password it has, and its log."""

import contextlib
import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tollbook.domain.errors import ConfigError
from tollbook.embedded.process import is_alive, wait_until

LOOPBACK = "127.0.0.1"
# Below the range from which systems lend ports to outgoing connections, so that a remembered port stays free.
PORTS = range(15_000, 32_000)
LOG_KEPT_BYTES = 16 * 1024 * 1024


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """What clients need besides the host; kept between starts."""

    password: str
    port: int


@dataclass(frozen=True)
class Home:
    """A server's directory while this process holds it."""

    directory: Path
    lock: int

    @property
    def log(self) -> Path:
        """The file that takes everything the server prints."""
        return self.directory / "server.log"

    @property
    def address_file(self) -> Path:
        """Port and password, readable by the owner alone."""
        return self.directory / "address.json"

    def address(self) -> Address | None:
        """The address of the last start. Raises ConfigError if its file was damaged."""
        try:
            return msgspec.json.decode(self.address_file.read_bytes(), type=Address)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise ConfigError(f"{self.address_file} is damaged ({error}); remove it to get a new one") from error

    def remember(self, address: Address) -> None:
        """Keep an address for the next start."""
        if self.address() == address:
            return
        partial = self.address_file.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(address))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.address_file)

    @contextlib.contextmanager
    def log_appended(self) -> Iterator[int]:
        """The log's descriptor, for a server to print to. A log grown too long moves aside first."""
        if self.log.exists() and self.log.stat().st_size > LOG_KEPT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def log_end(self, lines: int = 15) -> str:
        """The last lines of the log, for an error's message."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 8192))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def release(self) -> None:
        """Let others have the directory, as soon as no server of ours holds it either."""
        os.close(self.lock)


def occupy(directory: Path, *, deadline_seconds: float = 30) -> Home:
    """Create a server's directory if need be and hold it alone.

    The lock is inherited by the server, so it lasts until both this process and the server are gone. A
    holder that is alive is an error at once; one that was killed is waited for while its server stops.
    Raises ConfigError if another process holds the directory or if it is not ours to use.
    """
    directory = directory.absolute()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(f"{directory} cannot be used for an embedded server: {error}") from error

    holder = 0

    def settled() -> bool:
        nonlocal holder
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = int(os.pread(lock, 32, 0) or b"0")
            return holder != 0 and is_alive(holder)
        holder = 0
        return True

    if not wait_until(settled, deadline_seconds=deadline_seconds) or holder:
        os.close(lock)
        raise ConfigError(f"{directory} is in use by process {holder}; stop it, or choose another directory")
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return Home(directory, lock)


def new_password() -> str:
    """A password that stands in a URL and in a configuration file as it is."""
    return secrets.token_urlsafe(24)


def port_is_free(port: int) -> bool:
    """True if a server could listen on a loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: a port whose old connections linger is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            # Two unbound-for-listening sockets may share a port under SO_REUSEADDR; only one may listen.
            probe.listen(1)
        except OSError:
            return False
    return True


def choose_port(remembered: int | None) -> int:
    """The remembered port if it is free, else another free one. Raises ConfigError if there is none."""
    if remembered is not None and port_is_free(remembered):
        return remembered
    for _ in range(200):
        port = PORTS.start + secrets.randbelow(len(PORTS))
        if port_is_free(port):
            return port
    raise ConfigError(f"no free loopback port found between {PORTS.start} and {PORTS.stop}")
