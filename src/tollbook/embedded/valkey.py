"""Valkey on the loopback, in a directory of its own."""

import contextlib
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from tollbook.embedded.binaries import Installation, find_valkey
from tollbook.embedded.home import LOOPBACK, Home, occupy
from tollbook.embedded.privileges import place_for, preload_for
from tollbook.embedded.process import ServerProcess
from tollbook.embedded.server import EmbeddedServer

STORE = "store"

Fsync = Literal["always", "everysec", "no"]

MEMORY_BYTES = 1 << 30

SETTINGS: Mapping[str, str] = {
    "aof-use-rdb-preamble": "yes",
    "bind": LOOPBACK,
    "daemonize": "no",
    "logfile": "",
    # Full means that a write is refused, never that an old key goes.
    "maxmemory-policy": "noeviction",
    "protected-mode": "yes",
    "save": "",
}

# mimalloc asks for huge pages, which Valkey advises against: while a fork rewrites the append-only file, a write of
# some bytes would copy two megabytes.
ALLOCATOR_VARIABLES: Mapping[str, str] = {"MIMALLOC_ALLOW_THP": "0"}


class ValkeyServer(EmbeddedServer):
    """A Valkey server started by this process.

    server = ValkeyServer.start(Path("/srv/tollbook/valkey"))
    server.url   # redis://:<password>@127.0.0.1:<port>/0
    server.stop()
    """

    product = "Valkey"
    stop_signals = (signal.SIGTERM,)

    def __init__(
        self,
        home: Home,
        installation: Installation,
        *,
        settings: Mapping[str, str],
        deadline_seconds: float,
    ) -> None:
        super().__init__(home, home.directory / STORE, installation, deadline_seconds=deadline_seconds)
        self._settings = settings

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        port: int | None = None,
        append_only: bool = True,
        fsync: Fsync = "always",
        memory_bytes: int = MEMORY_BYTES,
        settings: Mapping[str, str] | None = None,
        installation: Installation | None = None,
        deadline_seconds: float = 120,
    ) -> Self:
        """Start the server on `data_dir`, made at the first start, and return when it takes commands.

        Without `port` it takes the port of its last start, or another if that is taken. `fsync` says when
        the append-only file reaches the disk; past `memory_bytes` writes are refused. `settings` are Valkey's
        own and win over ours. Raises as `PostgresServer.start` does.
        """
        effective = {
            **SETTINGS,
            "appendonly": "yes" if append_only else "no",
            "appendfsync": fsync,
            "maxmemory": str(memory_bytes),
            **(settings or {}),
        }
        home = occupy(data_dir)
        with contextlib.ExitStack() as undo:
            undo.callback(home.release)
            server = cls(home, installation or find_valkey(), settings=effective, deadline_seconds=deadline_seconds)
            undo.pop_all()
        return server._begin(port)

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return f"redis://:{self.address.password}@{LOOPBACK}:{self.address.port}/0"

    def _prepare(self) -> None:
        if not self._files.exists():
            self._make_directory(self._files)

    def _launch(self, log: int) -> ServerProcess:
        with (
            place_for(self._files, self._user) as place,
            preload_for(self._installation.preload, ALLOCATOR_VARIABLES) as preload,
        ):
            settings = {"dir": place.path, "port": str(self.address.port), **self._settings}
            settings["requirepass"] = self.address.password
            # By standard input, so that the password stands in no command line and no second file.
            command = [str(self._installation.server), "-"]
            return self._spawn(command, place, log, stdin=configuration(settings), preload=preload)

    def _answers(self) -> bool:
        password = self.address.password.encode()
        greeting = b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n*1\r\n$4\r\nPING\r\n" % (len(password), password)
        expected = b"+OK\r\n+PONG\r\n"
        answer = b""
        try:
            with socket.create_connection((LOOPBACK, self.address.port), timeout=1) as connection:
                connection.sendall(greeting)
                while len(answer) < len(expected):
                    received = connection.recv(256)
                    if not received:
                        break
                    answer += received
        except OSError:
            return False
        # While it loads its file the server says -LOADING instead of +PONG.
        return answer == expected


def configuration(settings: Mapping[str, str]) -> bytes:
    """Settings in the configuration file's form, every value quoted."""
    lines = []
    for name, value in settings.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'{name} "{escaped}"\n')
    return "".join(lines).encode()
