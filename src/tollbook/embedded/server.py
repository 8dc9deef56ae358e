"""What the two embedded servers have in common: coming up, stopping, and the faults tests ask for."""

import contextlib
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from tollbook.domain.errors import ConfigError, InvariantViolated, StoreError
from tollbook.embedded.binaries import Installation
from tollbook.embedded.home import Address, Home, choose_port, new_password, port_is_free
from tollbook.embedded.privileges import Place, Preload, ServiceUser, hand_over, service_user, within_reach
from tollbook.embedded.process import ENVIRONMENT, Launch, ServerProcess, wait_until

# Between choosing a free port and listening on it another program may take it.
PORT_ATTEMPTS = 5


class EmbeddedServer(ABC):
    """A server that this process started and will stop.

    The verbs are synchronous and not for two threads at once. After `kill`, `restart` brings the server back
    at the same URL. After `stop`, only a new `start` does.
    """

    product: ClassVar[str]
    stop_signals: ClassVar[Sequence[signal.Signals]]

    def __init__(self, home: Home, files: Path, installation: Installation, *, deadline_seconds: float) -> None:
        self._home = home
        self._files = files
        self._user: ServiceUser | None = service_user(files)
        self._installation = within_reach(installation, self._user)
        self._deadline_seconds = deadline_seconds
        self._process: ServerProcess | None = None
        known = home.address()
        self._password = known.password if known else new_password()
        self._password_is_new = known is None
        self._port = known.port if known else None
        self._held = True

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect, password included."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make the files ready to be served."""

    @abstractmethod
    def _launch(self, log: int) -> ServerProcess:
        """Start the process, to listen on this object's address and print to `log`."""

    @abstractmethod
    def _answers(self) -> bool:
        """True once the server takes commands."""

    @property
    def pid(self) -> int:
        """The process id of the server itself."""
        return self._running_process().pid

    @property
    def running(self) -> bool:
        """True while the server's process is there, frozen or not."""
        return self._process is not None and not self._process.exited

    @property
    def address(self) -> Address:
        """Port and password of the last start."""
        if self._port is None:
            raise InvariantViolated("an embedded server has no address before it came up")
        return Address(password=self._password, port=self._port)

    @property
    def installation(self) -> Installation:
        """The binaries that serve."""
        return self._installation

    @property
    def log(self) -> Path:
        """The file that takes what the server prints."""
        return self._home.log

    def stop(self) -> None:
        """Stop in order: what was accepted is on disk. Does nothing the second time."""
        if not self._held:
            return
        self._stop_process()
        self._home.release()
        self._held = False

    def kill(self) -> None:
        """Kill the server and all its children with SIGKILL, as a power cut to the process would."""
        process = self._running_process()
        process.kill()
        self._forget(process)

    def pause(self) -> None:
        """Freeze the server: connections stay open and nothing answers."""
        self._running_process().pause()

    def resume(self) -> None:
        """Let a frozen server go on."""
        self._running_process().resume()

    def restart(self) -> None:
        """Stop the server if it runs, and start it again at the same URL."""
        if not self._held:
            raise InvariantViolated("a stopped server is not restarted: start it")
        self._stop_process()
        self._come_up(self.address.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _begin(self, port: int | None) -> Self:
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            self._come_up(port)
            undo.pop_all()
        return self

    def _come_up(self, port: int | None) -> None:
        if port is not None and not port_is_free(port):
            raise ConfigError(f"port {port} on the loopback is taken: {self.product} needs another one")
        if self._user is not None and self._files.exists() and self._files.stat().st_uid == 0:
            hand_over(self._files, self._user)
        self._prepare()
        for _ in range(PORT_ATTEMPTS):
            self._port = port if port is not None else choose_port(self._port)
            if self._try():
                self._home.remember(self.address)
                self._password_is_new = False
                return
            if port_is_free(self._port):
                break
        end = self._home.log_end()
        raise StoreError(f"{self.product} did not start; the end of {self._home.log}:\n{end}")

    def _try(self) -> bool:
        with self._home.log_appended() as log:
            process = self._launch(log)
        self._process = process
        if not wait_until(lambda: process.exited or self._answers(), deadline_seconds=self._deadline_seconds):
            self.kill()
            waited = f"{self._deadline_seconds:g} s"
            raise StoreError(f"{self.product} gave no answer in {waited}; see {self._home.log}")
        if process.exited:
            if not process.wait_gone(self._deadline_seconds):
                process.kill()
            self._forget(process)
            return False
        return True

    def _stop_process(self) -> None:
        process = self._process
        if process is None:
            return
        process.resume()
        for number in self.stop_signals:
            process.signal(number)
            if process.wait_gone(self._deadline_seconds):
                break
        else:
            process.kill()
        self._forget(process)

    def _forget(self, process: ServerProcess) -> None:
        process.close()
        self._process = None

    def _running_process(self) -> ServerProcess:
        if self._process is None:
            raise InvariantViolated(f"{self.product} is not running")
        return self._process

    def _spawn(
        self, command: Sequence[str], place: Place, log: int, *, stdin: bytes = b"", preload: Preload | None = None
    ) -> ServerProcess:
        return ServerProcess(
            Launch(
                command=command,
                place=place,
                user=self._user,
                death_signal=self.stop_signals[0],
                log=log,
                lock=self._home.lock,
                stdin=stdin,
                preload=preload,
            )
        )

    def _run(self, command: Sequence[str], place: Place, *, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run one of the server's tools to its end, as the user and where the server runs."""
        user = self._user
        return subprocess.run(
            command,
            cwd=place.start_in,
            pass_fds=place.descriptors,
            env=ENVIRONMENT,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            umask=0o077,
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
        )

    def _make_directory(self, directory: Path) -> None:
        directory.mkdir(mode=0o700)
        if self._user is not None:
            hand_over(directory, self._user)
