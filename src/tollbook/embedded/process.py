"""One server process and its family: spawned, waited for, frozen, killed."""

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tollbook.domain.errors import StoreError
from tollbook.embedded.binaries import ON_LINUX
from tollbook.embedded.privileges import Place, Preload, ServiceUser

TETHER = Path(__file__).with_name("tether.py")

# The servers get nothing of the caller's environment: it may hold provider keys.
ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"}


def wait_until(condition: Callable[[], bool], *, deadline_seconds: float, every_seconds: float = 0.01) -> bool:
    """Wait for a condition that nothing announces; say if it came true before the deadline."""
    deadline = time.monotonic() + deadline_seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every_seconds)
    return True


@dataclass(frozen=True)
class Launch:
    """What to run: the command, where, as whom, what it reads from standard input, what is loaded first."""

    command: Sequence[str]
    place: Place
    user: ServiceUser | None
    death_signal: signal.Signals
    log: int
    lock: int
    stdin: bytes = b""
    preload: Preload | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """The whole environment of the process."""
        return ENVIRONMENT if self.preload is None else {**ENVIRONMENT, **self.preload.environment}

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the process inherits besides its standard streams."""
        preload = () if self.preload is None else (self.preload.descriptor,)
        return (self.lock, *self.place.descriptors, *preload)

    def tethered(self) -> list[str]:
        """The command behind the tether that ties it to this process."""
        tether = [sys.executable, "-I", "-S", str(TETHER), "--parent", str(os.getpid())]
        tether += ["--signal", str(int(self.death_signal))]
        if self.user is not None:
            tether += ["--uid", str(self.user.uid), "--gid", str(self.user.gid)]
        return [*tether, "--", *self.command]


class ServerProcess:
    """A running server and every process it forked.

    The family inherits the write end of a pipe; its end of file says that the last member is gone, orphans
    of a killed parent included, whichever user they run as.
    """

    def __init__(self, launch: Launch) -> None:
        self._exited = threading.Event()
        self._family, write_end = os.pipe()
        started: SimpleQueue[subprocess.Popen[bytes] | OSError] = SimpleQueue()
        # Linux sends the death signal when the *thread* that forked ends, so the process is forked by a
        # thread that lives exactly as long as it does.
        keeper = threading.Thread(
            target=self._keep, args=(launch, write_end, started), name="tollbook-embedded", daemon=True
        )
        keeper.start()
        outcome = started.get()
        os.close(write_end)
        if isinstance(outcome, OSError):
            os.close(self._family)
            raise StoreError(f"cannot start {launch.command[0]}: {outcome}") from outcome
        self._popen = outcome
        self._keeper = keeper

    def _keep(self, launch: Launch, write_end: int, started: "SimpleQueue[subprocess.Popen[bytes] | OSError]") -> None:
        try:
            popen = subprocess.Popen(
                launch.tethered(),
                cwd=launch.place.start_in,
                env=launch.environment,
                stdin=subprocess.PIPE,
                stdout=launch.log,
                stderr=launch.log,
                pass_fds=(write_end, *launch.descriptors),
                # Its own session: Ctrl-C in the terminal reaches the caller, who stops the servers in order.
                start_new_session=True,
                umask=0o077,
            )
        except OSError as error:
            started.put(error)
            return
        started.put(popen)
        try:
            popen.communicate(launch.stdin)
        finally:
            self._exited.set()

    @property
    def pid(self) -> int:
        """The process id of the server itself."""
        return self._popen.pid

    @property
    def exited(self) -> bool:
        """True once the server itself has ended; its children may still be going."""
        return self._exited.is_set()

    def wait_gone(self, deadline_seconds: float) -> bool:
        """Wait for the server and all it forked to end; say if they did before the deadline."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._family, selectors.EVENT_READ)
            if not selector.select(deadline_seconds):
                return False
        self._keeper.join()
        return True

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server itself, if it still runs."""
        if not self.exited:
            self._popen.send_signal(number)

    def pause(self) -> None:
        """Freeze the family: the server first, so that it forks nothing meanwhile."""
        self.signal(signal.SIGSTOP)
        signal_all(descendants(self.pid), signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen family go on; nothing happens to one that is not frozen."""
        signal_all(descendants(self.pid), signal.SIGCONT)
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the family with SIGKILL and return when its last member is gone."""
        self.signal(signal.SIGSTOP)
        family = descendants(self.pid)
        signal_all(family, signal.SIGKILL)
        self.signal(signal.SIGKILL)
        if not self.wait_gone(deadline_seconds=30):
            raise StoreError(f"process {self.pid} survives SIGKILL: its disk may be hanging")

    def close(self) -> None:
        """Release what watched the family, once it is gone."""
        os.close(self._family)


def signal_all(pids: Sequence[int], number: signal.Signals) -> None:
    """Send a signal to each process that still exists."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def descendants(pid: int) -> list[int]:
    """The children of a process and theirs; no process group would do, as PostgreSQL's lead their own."""
    children: dict[int, list[int]] = {}
    for child, parent in parentage():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    queue = [pid]
    while queue:
        offspring = children.get(queue.pop(), [])
        found += offspring
        queue += offspring
    return found


def parentage() -> list[tuple[int, int]]:
    """Every process with its parent, from /proc where there is one, else from ps."""
    if not ON_LINUX:
        listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
        return [(int(line.split()[0]), int(line.split()[1])) for line in listing.stdout.splitlines()]
    pairs = []
    for entry in os.scandir("/proc"):
        stat = read_stat(int(entry.name)) if entry.name.isdigit() else None
        if stat is not None:
            pairs.append((int(entry.name), stat[1]))
    return pairs


def read_stat(pid: int) -> tuple[str, int] | None:
    """State letter and parent of a Linux process, or None if there is none."""
    try:
        # The command's name stands in parentheses and may itself hold spaces and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[1])


def is_alive(pid: int) -> bool:
    """True if a process has this id and is no zombie."""
    if ON_LINUX:
        stat = read_stat(pid)
        return stat is not None and stat[0] not in "ZX"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
