"""One process at a time: a lock of the operating system on a file, which ends with its process."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LOOK_S = 0.02


@contextmanager
def turn(path: Path, timeout_s: float) -> Iterator[bool]:
    """Hold the lock of a file; False where another process held it for the whole time-out. Raises `OSError`.

    A child process inherits neither the lock nor its end: locks of this kind belong to a process, not to a descriptor.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + timeout_s
        while not _locked(descriptor):
            if time.monotonic() >= deadline:
                yield False
                return
            time.sleep(_LOOK_S)
        yield True
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
