"""How commands go out: packed by the C library that reads the answers too."""

from typing import TYPE_CHECKING

from redis.asyncio import Connection
from redis.connection import HiredisRespSerializer

if TYPE_CHECKING:
    from redis.typing import EncodableT


class PackingConnection(Connection):
    """The driver's connection, which would pack the 60 keys of a record in Python, each by itself."""

    _serializer = HiredisRespSerializer()

    def pack_command(self, *args: "EncodableT") -> list[bytes]:
        """One command in the protocol's form."""
        # The driver's annotation of its own method is too narrow.
        packed: list[bytes] = self._serializer.pack(*args)  # type: ignore[arg-type]
        return packed
