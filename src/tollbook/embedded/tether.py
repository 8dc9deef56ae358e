"""Becomes a server process that cannot outlive the process that started it.

Run as a file, never imported by the rest of tollbook, and so made of the standard library alone:

    python -I -S tether.py --parent 4211 --signal 2 [--uid 65534 --gid 65534] -- postgres -D ...

It drops to the given user, asks the kernel for `signal` when the parent dies, and replaces itself with the
command. Where the kernel has no such request (anything but Linux) only the user is changed.
"""

import argparse
import ctypes
import os
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
EXIT_CANNOT_START = 71


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the arguments before `--`; what follows it is the command."""
    parser = argparse.ArgumentParser(prog="tether")
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--signal", type=int, required=True)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("command", nargs="+")
    return parser.parse_args(arguments)


def become(uid: int, gid: int) -> None:
    """Give up root for good."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def tie_to_parent(prctl: ctypes.CDLL, parent: int, signal_number: int) -> None:
    """Ask for `signal_number` at the parent's death, and leave at once if that has already happened."""
    if prctl.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) was refused")
    if os.getppid() != parent:
        sys.exit(EXIT_CANNOT_START)


def main(arguments: Sequence[str]) -> None:
    """Become the command."""
    options = parse(arguments)
    # Loaded while still root: the interpreter's own files may be out of the service user's reach.
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    try:
        if options.uid is not None:
            become(options.uid, options.gid)
        # After the change of user, because that change clears the request.
        if libc is not None:
            tie_to_parent(libc, options.parent, options.signal)
        os.execv(options.command[0], options.command)  # noqa: S606 - becoming the command is its purpose
    except OSError as error:
        sys.stderr.write(f"tether: cannot start {options.command[0]}: {error}\n")
        sys.exit(EXIT_CANNOT_START)


if __name__ == "__main__":
    main(sys.argv[1:])
