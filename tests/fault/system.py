"""A whole tollbook of real processes, any of which may be killed, frozen and brought back."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.fault.auditor import Auditor, Rest
from tests.fault.senders import Sender, Senders, Tally
from tests.servers import POSTGRES_FOR_TESTS
from tollbook.app.config import Settings
from tollbook.app.up import Child, answers, free_port
from tollbook.app.wiring import World
from tollbook.domain.access import Role
from tollbook.embedded import PostgresServer, ValkeyServer
from tollbook.embedded.process import descendants, signal_all, wait_until
from tollbook.ledger.migrate import migrate
from tollbook.pipeline.directory import mint_key

HOST = "127.0.0.1"
READY_S = 90.0


class Process:
    """One `tollbook serve` or `tollbook drain`. Not for two threads at once."""

    def __init__(self, name: str, role: str, settings: Settings, directory: Path) -> None:
        self.name = name
        self.role = role
        self.settings = settings
        self.log = directory / f"{name}.log"
        self._child = Child(role, settings, self.log)
        self._started = False
        self._left: set[int] = set()

    @property
    def url(self) -> str:
        """Where a `serve` process listens."""
        return f"http://{HOST}:{self.settings.port}"

    @property
    def pid(self) -> int:
        """The id of the process that was started; the workers of a receiver that has several are its children."""
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._started and not self._child.died

    def start(self) -> None:
        """Start it where it does not run."""
        if not self.running:
            self._child.start()
            self._started = True

    def workers(self) -> list[int]:
        """The processes of a receiver that serve requests for it; none where it serves them itself."""
        return [pid for pid in descendants(self._child.pid) if b"spawn_main" in _command_of(pid)]

    def kill(self) -> None:
        """Kill the process itself with SIGKILL; what it started is left to itself, at the latest until `stop`."""
        self._left.update(self.workers())
        os.kill(self._child.pid, signal.SIGKILL)
        assert wait_until(lambda: self._child.died, deadline_seconds=30)

    def kill_worker(self) -> None:
        """Kill what serves requests, and leave it to the process to start another."""
        signal_all(self.workers(), signal.SIGKILL)

    def pause(self) -> None:
        """Freeze it and all it started."""
        signal_all([self._child.pid, *descendants(self._child.pid)], signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        signal_all([self._child.pid, *descendants(self._child.pid)], signal.SIGCONT)

    def stop(self) -> None:
        """End it and all it started."""
        if not self._started:
            return
        if not self._child.died:
            self._left.update(self.workers())
            self.resume()
        self._child.stop()
        signal_all([pid for pid in self._left if self.role.encode() in _command_of(pid)], signal.SIGKILL)


def _command_of(pid: int) -> bytes:
    """What a process runs: its number may belong to another one by now."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


class Verdict(NamedTuple):
    """What an audit found: differences, how many entries there are, and the acknowledged events without one."""

    differences: list[str]
    entries: int
    missing: set[tuple[str, str]]


class System:
    """Both stores, receivers and drains on data of their own. `limits` are daily limits in nano-dollars by tenant.

    `workers` by the name of a receiver (`serve-0`) where it is to have several. `route` gives the URL under which the
    roles reach a store; everything else reaches it directly.
    """

    def __init__(
        self,
        directory: Path,
        *,
        serves: int = 2,
        drains: int = 2,
        partitions: int = 3,
        limits: Mapping[str, int] | None = None,
        valkey_settings: Mapping[str, str] | None = None,
        settings: Mapping[str, object] | None = None,
        workers: Mapping[str, int] | None = None,
        route: Callable[[str], str] = str,
    ) -> None:
        self.directory = directory
        self.partitions = partitions
        self.limits = dict(limits or {})
        self.key = ""
        self._counts = {"serve": serves, "drain": drains}
        self._valkey_settings = valkey_settings
        self._settings = settings or {}
        self._workers = workers or {}
        self._route = route
        self._urls: dict[str, object] = {}
        self.serves: list[Process] = []
        self.drains: list[Process] = []

    @contextlib.contextmanager
    def running(self) -> Iterator["System"]:
        """Everything is up inside, and gone outside."""
        with contextlib.ExitStack() as stack:
            # `fsync=no` loses nothing to SIGKILL: each write reaches the system before its answer is sent. With
            # `everysec` a write may stay in the process for two seconds while an fsync is slow.
            self.valkey = stack.enter_context(
                ValkeyServer.start(self.directory / "valkey", fsync="no", settings=self._valkey_settings)
            )
            self.postgres = stack.enter_context(
                PostgresServer.start(self.directory / "postgres", durable=False, settings=POSTGRES_FOR_TESTS)
            )
            asyncio.run(self._prepare())
            self._urls = {
                "postgres_url": self._route(self.postgres.url), "valkey_url": self._route(self.valkey.url),
            }  # fmt: skip
            for role, processes in (("serve", self.serves), ("drain", self.drains)):
                for number in range(self._counts[role]):
                    process = Process(f"{role}-{number}", role, self.settings_of(role, number), self.directory)
                    stack.callback(process.stop)
                    process.start()
                    processes.append(process)
            self.await_ready()
            yield self

    @property
    def settings(self) -> Settings:
        """What every role shares."""
        fields = {"postgres_url": self.postgres.url, "valkey_url": self.valkey.url, **self._settings}
        return msgspec.convert(fields, Settings)

    def settings_of(self, role: str, number: int) -> Settings:
        """What one process gets: a port of its own, a directory for its metrics."""
        metrics = self.directory / f"metrics-{role}-{number}"
        metrics.mkdir(exist_ok=True)
        workers = self._workers.get(f"{role}-{number}", self.settings.workers)
        return msgspec.structs.replace(
            self.settings, **self._urls, host=HOST, port=free_port(HOST), metrics_dir=str(metrics), workers=workers
        )

    def await_ready(self) -> None:
        """Wait until every receiver says that it takes events."""
        for process in self.serves:
            ready = wait_until(
                lambda url=f"{process.url}/readyz": answers(url), deadline_seconds=READY_S, every_seconds=0.1
            )
            assert ready, f"{process.name} is not ready; the end of its log:\n{_end_of(process.log)}"

    def await_rest(self, deadline_seconds: float = 120) -> None:
        """Wait until nothing waits anywhere and the counters are set to the ledger's version."""
        rest = Rest(self.postgres.url, self.valkey.url)
        reached = wait_until(lambda: asyncio.run(rest.reached()), deadline_seconds=deadline_seconds, every_seconds=0.1)
        assert reached, f"no rest within {deadline_seconds:.0f} s: {rest.waiting}"

    def senders(self, count: int, seed: str, **how: object) -> Senders:
        """Senders to every receiver, not yet started."""
        urls = [process.url for process in self.serves]
        return Senders(lambda name: Sender(name, urls, self.key, seed=seed, **how), count)

    def audit(self, tally: Tally, *, lost_allowed: bool = False) -> Verdict:
        """What an auditor of its own finds in the books at rest."""
        auditor = Auditor(self.postgres.url, self.valkey.url, self.limits)
        missing = asyncio.run(auditor.audit(tally, lost_allowed=lost_allowed))
        return Verdict([*tally.faults, *auditor.differences], auditor.entries, missing)

    def revive(self) -> None:
        """Bring back whatever does not run."""
        for store in (self.postgres, self.valkey):
            if not store.running:
                store.restart()
        for process in (*self.serves, *self.drains):
            process.resume()
            process.start()

    async def _prepare(self) -> None:
        await migrate(self.postgres.url, partitions=self.partitions)
        world = await World.open(self.settings, books=True)
        try:
            self.key = await mint_key(world.config, Role.INGEST, by="test", note="fault tests")
            for tenant, limit_nanos in self.limits.items():
                await world.config.set_limit(tenant, limit_nanos, "fault tests")
        finally:
            await world.close()


def unexpected(log: Path) -> str:
    """What a role printed beside its own reports of troubled stores: tracebacks, above all."""
    told = [line for line in log.read_text(errors="replace").splitlines() if not line.startswith("{")]
    return "\n".join(told[:80])


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else "(none)"
