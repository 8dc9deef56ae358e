"""A bare connection to Valkey that reads one key over and over, as an agent's precheck does, with nothing around it."""

import socket
from time import perf_counter
from urllib.parse import unquote, urlsplit

from tollbook.domain.errors import StoreError

_ABSENT = b"$-1\r\n"
_GIVEN_UP_S = 10.0


class BareValkey:
    """One socket."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 6379))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._ask(b"AUTH", unquote(parts.password or "").encode()) != b"+OK\r\n":
            raise StoreError("Valkey refuses the password")

    def looks_until_there(self, key: str) -> int:
        """GET the key until it is there; how many looks it took."""
        asked = _command(b"GET", key.encode())
        given_up = perf_counter() + _GIVEN_UP_S
        looks = 0
        while perf_counter() < given_up:
            looks += 1
            self._socket.sendall(asked)
            if self._socket.recv(4096) != _ABSENT:
                return looks
        raise StoreError(f"{key} does not appear")

    def close(self) -> None:
        """Let the connection go."""
        self._socket.close()

    def _ask(self, *words: bytes) -> bytes:
        self._socket.sendall(_command(*words))
        return self._socket.recv(4096)


def _command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
