"""What real packages made of calls (`tests/integration/sources/capture.py` writes it), and how it is taken."""

import json
from pathlib import Path
from typing import NamedTuple

from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.decoded import Decoded
from tollbook.ingest.mapping import MappingBook
from tollbook.ingest.origin import Origin, origin_of
from tollbook.ingest.registry import Decode, events_dialect, openmeter_dialect, usage_dialect

FOLDER = Path(__file__).parent
LIMITS = IntakeLimits()


class Payload(NamedTuple):
    """One request as the package would send it, or its user with what the package returned."""

    name: str
    path: str
    media_type: str
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, name: str, captured: dict[str, object]) -> "Payload":
        """The payload of one capture."""
        fields = json.loads(json.dumps(captured))
        return cls(name, fields["path"], fields["media_type"], fields["headers"], fields["body"].encode())

    def origin(self) -> Origin:
        """What the request says; its key is bound to a tenant."""
        return origin_of(self.headers, {}, tenant="acme", agent=None, run=None)

    def dialect(self) -> Decode:
        """Who reads it."""
        if self.path == "/v1/events":
            binary = "ce-specversion" in self.headers
            return events_dialect(self.media_type, self.origin, is_binary=binary)
        if self.path == "/api/v1/events":
            return openmeter_dialect(MappingBook(), self.origin())
        return usage_dialect(self.path.rpartition("/")[2], self.origin())

    def decoded(self, body: bytes | None = None) -> Decoded:
        """What it holds."""
        return self.dialect()(self.body if body is None else body, self.media_type, LIMITS)


def payloads() -> list[Payload]:
    """Every payload that was kept."""
    return [Payload.of(path.stem, json.loads(path.read_text())) for path in sorted(FOLDER.glob("*.json"))]
