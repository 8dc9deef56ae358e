"""What the figures were taken on."""

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import msgspec

from tollbook.embedded.binaries import find_postgres, find_valkey

_PAGE = b"\0" * 4096
_SYNCS = 200


class Machine(msgspec.Struct, kw_only=True):
    """The machine and the servers' versions. `fsync_p50_us` is one 4 KiB append made durable."""

    cores: int
    cpu: str
    memory_gib: float
    kernel: str
    python: str
    postgres: str
    valkey: str
    fsync_p50_us: float

    def rows(self) -> list[list[str]]:
        """Name and value of each fact, as text."""
        return [[name.replace("_", " "), str(value)] for name, value in msgspec.structs.asdict(self).items()]

    def same(self, other: "Machine") -> bool:
        """Whether both speak of one machine with one set of versions; the disk's pace is never the same twice."""
        return msgspec.structs.replace(self, fsync_p50_us=0) == msgspec.structs.replace(other, fsync_p50_us=0)


def this_machine() -> Machine:
    """Look."""
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        cpu=_cpu_model(),
        memory_gib=round(pages * page_bytes / (1 << 30), 1),
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {sys.version.split()[0]}",
        postgres=_version(find_postgres().server),
        valkey=_version(find_valkey().server),
        fsync_p50_us=round(_fsync_p50_us(), 1),
    )


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(server: Path) -> str:
    said = subprocess.run([str(server), "--version"], capture_output=True, text=True, check=True).stdout
    return " ".join(word for word in said.split() if word[:1].isdigit() or word[:2] == "v=").removeprefix("v=")


def _fsync_p50_us() -> float:
    took = []
    with tempfile.TemporaryFile() as file:
        for _ in range(_SYNCS):
            began = perf_counter()
            file.write(_PAGE)
            file.flush()
            os.fdatasync(file.fileno())
            took.append(perf_counter() - began)
    return median(took) * 1e6
