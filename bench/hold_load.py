"""Clients that ask for holds over HTTP, and settle them where told to: one process, raw sockets under epoll.

It reads one JSON order on standard input and answers with one line: `python -m bench.hold_load`.
"""

import re
import resource
import select
import socket
import subprocess
import sys
from array import array
from pathlib import Path
from random import Random
from time import perf_counter

import msgspec

from bench.traffic import AGENTS, tenant_name
from tollbook.domain.errors import StoreError

_ROOT = Path(__file__).parents[1]
_HOLD_ID = re.compile(rb'"id":"([0-9a-f-]{36})"')
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_ANSWER_BYTES_MAX = 1 << 16
_SILENT_S = 30.0
_BODIES = 512
MODEL = "gpt-4o-mini"


class HoldOrder(msgspec.Struct, frozen=True, kw_only=True):
    """How many clients ask for how long, each for one call at a time; with `settles` each reports its call as well."""

    port: int
    key: str
    clients: int
    seconds: float
    tenants: int
    settles: bool = False
    host: str = "127.0.0.1"


class Held(msgspec.Struct, kw_only=True):
    """What came of an order: holds granted, calls settled, what was refused."""

    holds: int
    settled: int
    refused: int
    refusal: str
    seconds: float
    cpu_s: float
    p50_ms: float
    p99_ms: float


class _Client:
    """One keep-alive connection: it asks for a hold, then settles it, then asks again."""

    def __init__(self, order: HoldOrder) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect((order.host, order.port))
        self.sent_at = 0.0
        self.got = b""
        self.settling = False


class HoldSender:
    """Carries out one order."""

    def __init__(self, order: HoldOrder) -> None:
        self._order = order
        head = (
            f"HTTP/1.1\r\nhost: {order.host}\r\nauthorization: Bearer {order.key}\r\ncontent-type: application/json\r\n"
        )
        self._head = head.encode()
        random = Random(1)
        self._asks = [self._request(b"/v1/holds", _ask(random, order.tenants)) for _ in range(_BODIES)]
        self._report = msgspec.json.encode(
            {"input": 1_000, "output": 120, "model": MODEL, "agent": "planner", "run": "r"}
        )
        self._asked = 0
        self._poll = select.epoll()
        self._clients = {}
        for _ in range(order.clients):
            client = _Client(order)
            self._clients[client.socket.fileno()] = client
            self._poll.register(client.socket, select.EPOLLIN)
        self._found = Held(holds=0, settled=0, refused=0, refusal="", seconds=0, cpu_s=0, p50_ms=0, p99_ms=0)
        self._took = array("d")

    def carry_out(self) -> Held:
        """Ask until the time is over, then wait for the last answers."""
        cpu, began = _cpu_s(), perf_counter()
        ends, busy = began + self._order.seconds, len(self._clients)
        for client in self._clients.values():
            self._ask(client)
        while busy:
            ready = self._poll.poll(_SILENT_S)
            if not ready:
                raise StoreError(f"no answer for {_SILENT_S:.0f} s")
            for descriptor, _ in ready:
                client = self._clients[descriptor]
                if not self._answered(client):
                    continue
                if not client.settling and perf_counter() >= ends:
                    busy -= 1
                elif not client.settling:
                    self._ask(client)
        found, took = self._found, sorted(self._took)
        found.seconds, found.cpu_s = perf_counter() - began, _cpu_s() - cpu
        found.p50_ms, found.p99_ms = took[len(took) // 2] * 1e3, took[len(took) * 99 // 100] * 1e3
        return found

    def _ask(self, client: _Client) -> None:
        self._asked += 1
        self._send(client, self._asks[self._asked % _BODIES])

    def _send(self, client: _Client, request: bytes) -> None:
        client.sent_at = perf_counter()
        client.socket.sendall(request)

    def _answered(self, client: _Client) -> bool:
        """Take what came; whether it was a whole answer, after which the next request is due."""
        got = client.got + client.socket.recv(_ANSWER_BYTES_MAX)
        if not got:
            raise StoreError("the server closed the connection")
        head, end, body = got.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        if not end or length is None or len(body) < int(length[1]):
            client.got = got
            return False
        client.got = b""
        if client.settling:
            client.settling = False
            self._count(head.startswith(b"HTTP/1.1 202"), got, settled=True)
            return True
        self._took.append(perf_counter() - client.sent_at)
        granted = head.startswith(b"HTTP/1.1 200")
        self._count(granted, got, settled=False)
        hold = _HOLD_ID.search(body)
        if granted and self._order.settles and hold is not None:
            client.settling = True
            tenant = re.search(rb'"tenant":"([^"]+)"', body)
            named = b"" if tenant is None else b"?tenant=" + tenant[1]
            self._send(client, self._request(b"/v1/holds/" + hold[1] + b"/settle" + named, self._report))
            return False
        return True

    def _count(self, good: bool, answer: bytes, *, settled: bool) -> None:
        if not good:
            self._found.refused += 1
            self._found.refusal = self._found.refusal or answer[-400:].decode(errors="replace")
        elif settled:
            self._found.settled += 1
        else:
            self._found.holds += 1

    def _request(self, path: bytes, body: bytes) -> bytes:
        return b"POST %b %bcontent-length: %d\r\n\r\n%b" % (path, self._head, len(body), body)


def _ask(random: Random, tenants: int) -> bytes:
    return msgspec.json.encode({
        "tenant": tenant_name(random.randrange(tenants)),
        "agent": random.choice(AGENTS),
        "run": f"run-{random.randrange(100)}",
        "model": MODEL,
        "input_tokens": 1_000,
        "max_output_tokens": 500,
    })  # fmt: skip


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def ask(order: HoldOrder) -> Held:
    """Carry out an order in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "bench.hold_load"],
        cwd=_ROOT,
        input=msgspec.json.encode(order),
        stdout=subprocess.PIPE,
        check=True,
        timeout=order.seconds + 4 * _SILENT_S,
    )
    return msgspec.json.decode(ended.stdout, type=Held)


def main() -> None:
    """Carry out the order on standard input."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=HoldOrder)
    print(msgspec.json.encode(HoldSender(order).carry_out()).decode(), flush=True)


if __name__ == "__main__":
    main()
