"""What each process of the tree uses, read from /proc."""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tollbook.embedded.process import descendants

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_STORES = {"postgres": "postgres", "valkey-server": "valkey"}


class Roles:
    """The processes of one running tollbook by what they do: postgres, valkey, and each child role."""

    def __init__(self, stores: Iterable[int], children: dict[str, int]) -> None:
        self._stores = list(stores)
        self._children = children

    def pids(self) -> dict[str, list[int]]:
        """Every live process by role; backends and workers come and go."""
        found: dict[str, list[int]] = {}
        for pid in self._stores:
            found.setdefault(_STORES[command_of(pid)], []).extend([pid, *descendants(pid)])
        for role, pid in self._children.items():
            found[role] = [pid, *descendants(pid)]
        return found

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds by role since each process began, those of its dead children included."""
        return {role: sum(cpu_s_of(pid) for pid in pids) for role, pids in self.pids().items()}

    def private_mib(self) -> dict[str, float]:
        """Private memory (RssAnon) by role in MiB: shared buffers and mapped files left out."""
        return {role: sum(anon_kib_of(pid) for pid in pids) / 1024 for role, pids in self.pids().items()}


class Shares(msgspec.Struct):
    """CPU seconds each role used in some span."""

    seconds: dict[str, float]

    @classmethod
    def between(cls, before: dict[str, float], after: dict[str, float]) -> "Shares":
        """What was used from one reading to the next."""
        return cls({role: used - before.get(role, 0.0) for role, used in after.items()})

    def us_an_event(self, events: int) -> dict[str, float]:
        """CPU microseconds an event by role."""
        return {role: used / events * 1e6 for role, used in self.seconds.items()}


def stores_below(pid: int) -> list[int]:
    """The embedded servers that a process has started, their own children left out."""
    found = [child for child in descendants(pid) if command_of(child) in _STORES]
    nested = {grandchild for child in found for grandchild in descendants(child)}
    return [child for child in found if child not in nested]


def command_of(pid: int) -> str:
    """The name of a process, '' where it is gone."""
    return _read(pid, "comm").strip()


def cpu_s_of(pid: int) -> float:
    """User and system time of a process and of its children that have ended and been waited for."""
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) * _TICK_S


def cpu_ms_of(pid: int) -> float:
    """Time a process has been on a CPU, to the nanosecond: what a busy machine does not stretch."""
    return int((_read(pid, "schedstat") or "0").split()[0]) / 1e6


def anon_kib_of(pid: int) -> int:
    """RssAnon of a process in KiB, 0 where it is gone."""
    for line in _read(pid, "status").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    return 0


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
