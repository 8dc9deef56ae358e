"""The load generator: a process of its own that keeps N connections busy and spends little doing so.

Raw sockets under epoll, one request outstanding on each, answers recognised by their first bytes and their length.
It reads one JSON order a line on standard input and answers each with one line: `python -m bench.load`.
"""

import contextlib
import re
import resource
import select
import socket
import subprocess
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import msgspec

from bench.traffic import Bodies, Traffic
from tollbook.domain.errors import StoreError

_ACCEPTED = re.compile(rb'"accepted":(\d+)')
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_ROOT = Path(__file__).parents[1]
_SEND_BUFFER_BYTES = 1 << 20
_ANSWER_BYTES_MAX = 1 << 16
_SILENT_S = 60.0


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where to send, over how many connections, and what."""

    port: int
    connections: int
    traffic: Traffic
    key: str = ""
    host: str = "127.0.0.1"
    path: str = "/v1/events"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """How much to send: that many events or that many seconds, as fast as answers allow or at a rate (events/s)."""

    events: int = 0
    seconds: float = 0.0
    rate: float = 0.0


class Sent(msgspec.Struct, kw_only=True):
    """What came of an order. `accepted` are events a 202 answered for; times of a request are in milliseconds."""

    accepted: int
    requests: int
    refused: int
    refusal: str
    seconds: float
    cpu_s: float
    p50_ms: float
    p99_ms: float
    began_at: float
    """perf_counter at the first byte: one clock for all processes of a Linux machine."""


class Connection:
    """One keep-alive connection with at most one request on its way."""

    def __init__(self, target: Target) -> None:
        self._address = (target.host, target.port)
        self.sent_at = 0.0
        self.got = b""
        self.request = b""
        self.connect()

    def connect(self) -> None:
        """Connect, anew where the server has closed."""
        self.socket = socket.socket()
        # A whole body fits, so that a send never waits while other connections could go on.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(self._address)

    def send(self, request: bytes) -> None:
        """Send one request; a connection found closed is made anew."""
        self.request = request
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(request)


class Sender:
    """Carries out orders."""

    def __init__(self, target: Target) -> None:
        self._bodies = Bodies(target.traffic)
        self._batch = target.traffic.batch
        key = f"authorization: Bearer {target.key}\r\n" if target.key else ""
        self._head = (
            f"POST {target.path} HTTP/1.1\r\nhost: {target.host}\r\n{key}content-type: application/json\r\n"
            "content-length: "
        ).encode()
        self._poll = select.epoll()
        self._connections = {}
        for _ in range(target.connections):
            self._watch(Connection(target))
        self._usual_length = -1

    def _watch(self, connection: Connection) -> None:
        self._connections[connection.socket.fileno()] = connection
        self._poll.register(connection.socket, select.EPOLLIN)

    def carry_out(self, order: Order) -> Sent:
        """Send what is ordered and wait for the last answer."""
        self._accepted = self._refused = self._started = 0
        self._refusal = ""
        self._took = array("d")
        cpu_before = _cpu_s()
        began = perf_counter()
        idle = list(self._connections.values())
        while True:
            self._start(idle, order, began)
            busy = len(self._connections) - len(idle)
            if not busy and self._enough(order, began):
                break
            wait_s = self._until_due(order, began) if idle and order.rate else _SILENT_S
            ready = self._poll.poll(wait_s)
            if not ready and busy and wait_s == _SILENT_S:
                raise StoreError(f"no answer for {_SILENT_S:.0f} s")
            for descriptor, _ in ready:
                connection = self._connections[descriptor]
                if self._receive(connection):
                    idle.append(connection)
        seconds = perf_counter() - began
        took = sorted(self._took)
        return Sent(
            accepted=self._accepted,
            requests=len(took),
            refused=self._refused,
            refusal=self._refusal,
            seconds=seconds,
            cpu_s=_cpu_s() - cpu_before,
            p50_ms=took[len(took) // 2] * 1e3,
            p99_ms=took[len(took) * 99 // 100] * 1e3,
            began_at=began,
        )

    def _start(self, idle: list[Connection], order: Order, began: float) -> None:
        while idle and not self._enough(order, began) and self._until_due(order, began) <= 0:
            connection = idle.pop()
            body = self._bodies.next()
            request = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
            connection.sent_at = perf_counter()
            connection.send(request)
            self._started += self._batch

    def _enough(self, order: Order, began: float) -> bool:
        if order.events:
            return self._started >= order.events
        return perf_counter() - began >= order.seconds

    def _until_due(self, order: Order, began: float) -> float:
        return began + self._started / order.rate - perf_counter() if order.rate else 0.0

    def _receive(self, connection: Connection) -> bool:
        try:
            got = connection.socket.recv(_ANSWER_BYTES_MAX)
        except ConnectionResetError:
            got = b""
        if not got:
            self._reconnect(connection)
            return False
        if connection.got:
            got = connection.got + got
        # Nearly every answer is the usual one, whole; only its length and first line are looked at.
        if len(got) != self._usual_length or not got.startswith(b"HTTP/1.1 202"):
            if not _whole(got):
                connection.got = got
                return False
            self._look_closely(got)
        else:
            self._accepted += self._batch
        connection.got = connection.request = b""
        self._took.append(perf_counter() - connection.sent_at)
        return True

    def _reconnect(self, connection: Connection) -> None:
        """Servers close what was idle for long. A request just sent is sent again: it has ids of its own."""
        if connection.got:
            raise StoreError("the server closed the connection amid an answer")
        self._poll.unregister(connection.socket)
        del self._connections[connection.socket.fileno()]
        connection.socket.close()
        connection.connect()
        self._watch(connection)
        if connection.request:
            connection.send(connection.request)

    def _look_closely(self, answer: bytes) -> None:
        accepted = _ACCEPTED.search(answer)
        if answer.startswith(b"HTTP/1.1 202") and accepted:
            self._accepted += int(accepted[1])
            if int(accepted[1]) == self._batch:
                self._usual_length = len(answer)
        else:
            self._refused += 1
            self._refusal = self._refusal or answer[-300:].decode(errors="replace")


def _whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = _LENGTH.search(head + b"\r\n")
    return bool(end) and length is not None and len(body) >= int(length[1])


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Generator:
    """The load generator as its parent sees it."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def send(self, order: Order) -> Sent:
        """Carry out an order and wait for its end; raises `StoreError` where any request was refused."""
        self.begin(order)
        return self.end()

    def begin(self, order: Order) -> None:
        """Let an order begin."""
        stdin = self._process.stdin
        if stdin is None:
            raise StoreError("the load generator has no standard input")
        stdin.write(msgspec.json.encode(order) + b"\n")
        stdin.flush()

    def end(self) -> Sent:
        """Wait for the end of the order begun last."""
        sent = msgspec.json.decode(self.line(), type=Sent)
        if sent.refused:
            raise StoreError(f"{sent.refused} of {sent.requests} requests were refused, the first: {sent.refusal}")
        return sent

    def line(self) -> bytes:
        """The next line it prints."""
        stdout = self._process.stdout
        line = stdout.readline() if stdout else b""
        if not line:
            raise StoreError("the load generator ended")
        return line


@contextlib.contextmanager
def generator(target: Target) -> Iterator[Generator]:
    """A load generator, connected and with its bodies made."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load"], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        found = Generator(process)
        if process.stdin:
            process.stdin.write(msgspec.json.encode(target) + b"\n")
            process.stdin.flush()
        found.line()
        yield found
    finally:
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main() -> None:
    """Serve orders until the parent closes the pipe."""
    lines = iter(sys.stdin.buffer.readline, b"")
    sender = Sender(msgspec.json.decode(next(lines), type=Target))
    print("ready", flush=True)
    for line in lines:
        sent = sender.carry_out(msgspec.json.decode(line, type=Order))
        print(msgspec.json.encode(sent).decode(), flush=True)


if __name__ == "__main__":
    main()
