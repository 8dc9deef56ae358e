"""What the HTTP server is given beyond its own: an end to requests that never begin."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Door(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with a bound on the head of a request, in bytes and in seconds.

    uvicorn keeps whatever a sender writes before the first empty line, for as long as it writes; each such sender
    would cost a connection and its memory for good. The bytes are counted once a head is found unfinished, so an
    ordinary request, whose head comes whole, is not charged for it. A request past either bound is cut.
    """

    head_bytes_max = 65_536
    head_s_max = 30.0
    _head_bytes = 0
    _in_head = False
    _head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, whose first request is awaited from now on."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let a connection go."""
        self._head_came()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        self._head_came()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > self.head_bytes_max:
                self.send_400_response(f"The head of a request has {self.head_bytes_max} bytes at most.")
            elif self._head_due is None:
                self._await_head()

    def _await_head(self) -> None:
        self._head_due = self.loop.call_later(self.head_s_max, self._cut)

    def _head_came(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _cut(self) -> None:
        self._head_due = None
        if not self.transport.is_closing():
            self.transport.close()
