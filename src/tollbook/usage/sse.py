"""Splits a stream of server-sent events into frames, wherever its bytes are cut.

Source: the WHATWG standard on server-sent events: lines end in CR LF, LF or CR, a blank line ends an event, one
space behind `data:` is not part of the value, several data lines are joined by LF.
"""

import re

# The groups keep what they took: CR LF is one end of a line, never two.
_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_BOUNDARY_BYTES_MAX = 4


class Frames:
    """Takes bytes as they come and gives whole frames back, each with the blank line that ends it."""

    __slots__ = ("_buffer", "_scanned")

    def __init__(self) -> None:
        self._buffer = b""
        self._scanned = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The frames that this chunk completes.

        >>> frames = Frames()
        >>> frames.feed(b"data: 1"), frames.feed(b"\\n\\ndata:2\\r\\n\\r\\nda"), frames.rest
        ([], [b'data: 1\\n\\n', b'data:2\\r\\n\\r\\n'], b'da')
        """
        buffer = self._buffer + chunk
        frames: list[bytes] = []
        begin = 0
        for found in _END.finditer(buffer, max(self._scanned - _BOUNDARY_BYTES_MAX + 1, 0)):
            frames.append(buffer[begin : found.end()])
            begin = found.end()
        self._buffer = buffer[begin:]
        self._scanned = len(self._buffer)
        return frames

    @property
    def rest(self) -> bytes:
        """What has come of a frame that is not whole."""
        return self._buffer


def payload(frame: bytes) -> bytes:
    """The value of the frame's data lines.

    >>> payload(b"event: x\\ndata: {\\ndata: }\\n\\n")
    b'{\\n}'
    """
    values = []
    for line in frame.splitlines():
        if line.startswith(b"data:"):
            value = line[5:]
            values.append(value.removeprefix(b" "))
    return b"\n".join(values)
