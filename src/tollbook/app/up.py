"""`tollbook up`: stores, receiver and drain as one process tree, stopped in the opposite order."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import msgspec
import uvloop

from tollbook.app.config import Settings
from tollbook.app.handouts import hand_out, keep_secret
from tollbook.app.wiring import World
from tollbook.domain.access import Role
from tollbook.domain.errors import ConfigError, StoreError
from tollbook.embedded import PostgresServer, ValkeyServer
from tollbook.embedded.process import TETHER
from tollbook.ledger.migrate import migrate
from tollbook.pipeline.directory import mint_key, mint_token
from tollbook.pipeline.resolve import DEFAULT_SOURCE

ACCESS_FILE = "access.json"
HANDOUTS_FILE = "handouts.json"
LOOPBACKS = ("127.0.0.1", "localhost", "::1")
PARTITIONS = 1
"""One machine has one drain: more partitions would only make its batches smaller."""
_READY_S = 60.0
_STOP_S = 15.0
_LOOK_S = 0.05
_RESTART_S = 0.5
_PORT_MAX = 65_535


class Access(msgspec.Struct, frozen=True):
    """How to reach what `up` runs; kept in the data directory, readable by its owner alone."""

    api: str
    webhook: str
    admin_key: str
    postgres_url: str
    valkey_url: str

    @classmethod
    def read(cls, data: Path) -> "Access | None":
        """What the last `up` on this directory wrote, or None."""
        try:
            return msgspec.json.decode((data / ACCESS_FILE).read_bytes(), type=cls)
        except FileNotFoundError:
            return None

    def write(self, data: Path) -> None:
        """Replace the file in one step."""
        keep_secret(data / ACCESS_FILE, self)


class Child:
    """One role as a child process."""

    def __init__(self, role: str, settings: Settings, log: Path) -> None:
        self.role = role
        self._settings = settings
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the role, its log appended to a file of the data directory."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                env=self._settings.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C goes to the whole terminal group; the parent decides the order in which things stop.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running().pid

    @property
    def died(self) -> bool:
        """Whether the process has ended."""
        return self._running().poll() is not None

    def stop(self) -> None:
        """Ask it to end, and end it where it does not."""
        process = self._running()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _command(self) -> list[str]:
        """The role, which the kernel asks to end when this process is gone: a role left behind keeps the port."""
        tether = [sys.executable, "-I", "-S", str(TETHER), "--parent", str(os.getpid())]
        tether += ["--signal", str(int(signal.SIGTERM))]
        return [*tether, "--", sys.executable, "-m", "tollbook.cli.main", self.role]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise StoreError(f"{self.role} was not started")
        return self._process


class Up:
    """Everything that `tollbook up` runs."""

    def __init__(self, data: Path, settings: Settings, *, provisions: bool = True) -> None:
        self._data = data
        # What needs no key must not be reached from elsewhere.
        self._provisions = provisions and settings.host in LOOPBACKS
        self._settings = settings
        # A plain flag: a handler that interrupts a lock's owner, as a second Ctrl-C does, would wait for it for ever.
        self._stopping = False
        self.children: list[Child] = []
        self.access: Access | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[Access]:
        """Start everything; ready inside, stopped outside.

        Raises `ConfigError` where the port is taken, another `up` has the directory, or a server is not installed.
        """
        require_free(self._settings.host, self._settings.port)
        self._data.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            valkey = stack.enter_context(ValkeyServer.start(self._data / "valkey", fsync="always"))
            postgres = stack.enter_context(PostgresServer.start(self._data / "postgres", settings=postgres_memory()))
            metrics = self._data / "metrics"
            metrics.mkdir(exist_ok=True)
            for left in metrics.glob("*.db"):
                left.unlink()
            settings = msgspec.structs.replace(
                self._settings,
                postgres_url=postgres.url,
                valkey_url=valkey.url,
                metrics_dir=str(metrics),
                data_dir=str(self._data),
                handouts_file=str(self._data / HANDOUTS_FILE) if self._provisions else "",
            )
            self.access = uvloop.run(prepare(settings, self._data))
            self.children = [Child(role, settings, self._data / f"{role}.log") for role in ("drain", "serve")]
            for child in self.children:
                child.start()
                stack.callback(child.stop)
            self._await_ready(self.access.api)
            yield self.access

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called, which can be before everything is ready."""
        return self._stopping

    def wait(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Start what dies again, until `stop`; `meanwhile` is done at each look, a few times a second."""
        while not self._stops_within(_LOOK_S):
            self.revive()
            if meanwhile is not None:
                meanwhile()

    def revive(self) -> None:
        """Start what has died, after a moment: a role that dies at once must not be started without end."""
        for child in self.children:
            if child.died and not self._stops_within(_RESTART_S):
                child.start()

    def _stops_within(self, seconds: float) -> bool:
        if not self._stopping:
            time.sleep(seconds)
        return self._stopping

    def stop(self) -> None:
        """Let `wait` return."""
        self._stopping = True

    def stop_on_signals(self) -> None:
        """Let SIGINT and SIGTERM stop what runs."""

        def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature signal handlers have
            self.stop()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)

    def _await_ready(self, api: str) -> None:
        waited = 0.0
        while not answers(f"{api}/readyz"):
            died = [child.role for child in self.children if child.died]
            if died or waited > _READY_S:
                what = f"`tollbook {died[0]}` ended" if died else f"not ready within {_READY_S:.0f} s"
                raise StoreError(f"{what}; see {self._data}/*.log")
            if self._stops_within(_LOOK_S):
                return
            waited += _LOOK_S


async def prepare(settings: Settings, data: Path) -> Access:
    """Bring the schema up to date, and make the first key and webhook where there are none yet."""
    await migrate(settings.postgres_url, partitions=PARTITIONS)
    api = f"http://{settings.host}:{settings.port}"
    before = Access.read(data)
    if before is None:
        world = await World.open(settings)
        try:
            key = await mint_key(world.config, Role.ADMIN, by="tollbook up", note="made by tollbook up")
            token = await mint_token(world.config, DEFAULT_SOURCE, by="tollbook up")
        finally:
            await world.close()
    else:
        key, token = before.admin_key, before.webhook.rpartition("/")[2]
    if settings.handouts_file:
        await hand_out(settings, Path(settings.handouts_file))
    access = Access(
        api=api,
        webhook=f"{api}/webhook/receive/{token}",
        admin_key=key,
        postgres_url=settings.postgres_url,
        valkey_url=settings.valkey_url,
    )
    access.write(data)
    return access


def postgres_memory() -> dict[str, str]:
    """An eighth of the machine's memory for Postgres's own cache, between 128 MB and 1 GB: taken as it fills."""
    megabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    return {"shared_buffers": f"{min(max(megabytes // 8, 128), 1_024)}MB"}


def require_free(host: str, port: int) -> None:
    """Raise `ConfigError` where something listens on the port already, or it is none that others could be told."""
    if not 1 <= port <= _PORT_MAX:
        raise ConfigError(f"{port} is no port to listen on: 1 to {_PORT_MAX}; try --port")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} on {host} is taken ({os.strerror(error.errno or 0)}); try --port"
            ) from error


def free_port(host: str) -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    """Whether a GET of the URL is answered with success."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
