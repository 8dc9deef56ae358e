"""PostgreSQL on the loopback, in a directory of its own."""

import contextlib
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tollbook.domain.errors import ConfigError, StoreError
from tollbook.embedded.binaries import ON_LINUX, Installation, find_postgres
from tollbook.embedded.home import LOOPBACK, Home, occupy
from tollbook.embedded.privileges import place_for
from tollbook.embedded.process import ServerProcess
from tollbook.embedded.server import EmbeddedServer

CLUSTER = "cluster"
DATABASE = "tollbook"
ROLE = "postgres"
BUILTIN_LOCALES_SINCE = 17
CHECKSUMS_BY_DEFAULT_SINCE = 18

# One way in: TCP from this machine, with the password.
ACCESS = f"host all all {LOOPBACK}/32 scram-sha-256\n"

SETTINGS: Mapping[str, str] = {
    "autovacuum": "on",
    "checkpoint_timeout": "15min",
    "cluster_name": "tollbook",
    "jit": "off",
    "listen_addresses": LOOPBACK,
    "log_line_prefix": "%m [%p] ",
    "logging_collector": "off",
    "max_connections": "100",
    "max_wal_size": "4GB",
    "shared_buffers": "256MB",
    "synchronous_commit": "on",
    "timezone": "UTC",
    # A socket's path has about 100 bytes at most; a data directory's may be longer.
    "unix_socket_directories": "",
}

# Only for tests: a commit survives the death of the server, not that of the machine.
SETTINGS_FRAGILE: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}


class PostgresServer(EmbeddedServer):
    """A PostgreSQL server started by this process.

    server = PostgresServer.start(Path("/srv/tollbook/postgres"))
    server.url   # postgresql://postgres:<password>@127.0.0.1:<port>/tollbook
    server.stop()
    """

    product = "PostgreSQL"
    # Fast shutdown, then immediate, which leaves the rest to the next start's recovery.
    stop_signals = (signal.SIGINT, signal.SIGQUIT)

    def __init__(
        self,
        home: Home,
        installation: Installation,
        *,
        durable: bool,
        settings: Mapping[str, str],
        deadline_seconds: float,
    ) -> None:
        super().__init__(home, home.directory / CLUSTER, installation, deadline_seconds=deadline_seconds)
        self._durable = durable
        self._settings = settings

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        port: int | None = None,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        installation: Installation | None = None,
        deadline_seconds: float = 120,
    ) -> Self:
        """Start the server on `data_dir`, made at the first start, and return when it takes connections.

        Without `port` it takes the port of its last start, or another if that is taken. `settings` are
        PostgreSQL's own and win over ours. `durable=False` turns fsync off. Raises ConfigError if the
        directory is in use, made by another major version or not ours, if the port is taken or no binaries
        are found; StoreError, with the end of the log, if the server does not come up.
        """
        home = occupy(data_dir)
        with contextlib.ExitStack() as undo:
            undo.callback(home.release)
            server = cls(
                home,
                choose_installation(home.directory / CLUSTER, installation),
                durable=durable,
                settings=dict(settings or {}),
                deadline_seconds=deadline_seconds,
            )
            undo.pop_all()
        return server._begin(port)

    @property
    def url(self) -> str:
        """The URL of the ledger's database."""
        return f"postgresql://{ROLE}:{self.address.password}@{LOOPBACK}:{self.address.port}/{DATABASE}"

    def _prepare(self) -> None:
        if not self._files.exists():
            self._create_cluster()
            return
        drop_misleading_pid_file(self._files)
        if self._password_is_new:
            self._set_up(self._files, [set_password(self._password)])

    def _create_cluster(self) -> None:
        partial = self._files.with_name(f"{CLUSTER}.partial")
        if partial.exists():
            shutil.rmtree(partial)
        self._make_directory(partial)
        with place_for(partial, self._user) as place:
            initdb = [str(self._installation.companion("initdb")), "-D", place.path]
            initdb += [*initdb_options(self._installation.major), *([] if self._durable else ["--no-sync"])]
            outcome = self._run(initdb, place)
        if outcome.returncode != 0:
            raise StoreError(f"initdb failed: {outcome.stderr.strip()}")
        (partial / "pg_hba.conf").write_text(ACCESS)
        self._set_up(partial, [set_password(self._password), f"CREATE DATABASE {DATABASE};"])
        # Renamed when complete, so that a first start cut short is begun anew.
        partial.rename(self._files)

    def _set_up(self, cluster: Path, statements: list[str]) -> None:
        """Run statements with no server listening: nobody can connect before the password is set."""
        with place_for(cluster, self._user) as place:
            command = [str(self._installation.server), "--single", "-D", place.path]
            command += [*([] if self._durable else ["-F"]), ROLE]
            outcome = self._run(command, place, stdin="\n".join(statements) + "\n")
        if outcome.returncode != 0 or "ERROR:" in outcome.stderr:
            raise StoreError(f"the cluster could not be set up: {outcome.stderr.strip()}")

    def _launch(self, log: int) -> ServerProcess:
        settings = {**SETTINGS, **({} if self._durable else SETTINGS_FRAGILE)}
        settings["port"] = str(self.address.port)
        with place_for(self._files, self._user) as place:
            command = [str(self._installation.server), "-D", place.path]
            # Answers whether this build knows lz4; the wheels' does not.
            probe = [*command, "-C", "port", "-c", "wal_compression=lz4"]
            if self._run(probe, place).returncode == 0:
                settings["wal_compression"] = "lz4"
            return self._spawn([*command, *arguments({**settings, **self._settings})], place, log)

    def _answers(self) -> bool:
        lines = pid_file_lines(self._files)
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"


def choose_installation(cluster: Path, wanted: Installation | None) -> Installation:
    """The binaries for a cluster: those asked for, else of the version that made it, else the default.

    Raises ConfigError if a cluster is there and they are of another major version, which cannot read it.
    """
    version_file = cluster / "PG_VERSION"
    try:
        made_by = int(version_file.read_text()) if version_file.exists() else None
    except OSError as error:
        raise ConfigError(f"{cluster} belongs to another user: {error}") from error
    if wanted is None:
        return find_postgres(made_by)
    if made_by is not None and wanted.major != made_by:
        raise ConfigError(f"{cluster} was made by PostgreSQL {made_by}; {wanted.major} needs pg_upgrade first")
    return wanted


def initdb_options(major: int) -> list[str]:
    """A UTF-8 cluster with checksums, and an order of text that no update of the system changes."""
    options = ["-U", ROLE, "-E", "UTF8", "-A", "trust", "--no-instructions"]
    if major < CHECKSUMS_BY_DEFAULT_SINCE:
        options.append("--data-checksums")
    if major >= BUILTIN_LOCALES_SINCE:
        return [*options, "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return [*options, "--locale=C.UTF-8" if ON_LINUX else "--locale=C"]


def arguments(settings: Mapping[str, str]) -> list[str]:
    """Settings as the server's command line takes them."""
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def set_password(password: str) -> str:
    """The statement that sets the one role's password; ours hold no quote."""
    return f"ALTER ROLE {ROLE} PASSWORD '{password}';"


def pid_file_lines(cluster: Path) -> list[str]:
    """The lines of postmaster.pid: the pid first, the state last."""
    try:
        return (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def drop_misleading_pid_file(cluster: Path) -> None:
    """Remove a killed server's pid file if its number now belongs to some other program.

    PostgreSQL sees through a dead pid by itself. It refuses to start when the pid is alive under the same
    user, whatever runs there, and low pids come back at every start of a container.
    """
    lines = pid_file_lines(cluster)
    if not lines or not lines[0].isdigit() or not ON_LINUX:
        return
    try:
        name = Path(f"/proc/{lines[0]}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return
    if name != "postgres":
        (cluster / "postmaster.pid").unlink()
