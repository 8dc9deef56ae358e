"""What a request held, and the bounds on how many items it may hold."""

import re
from collections.abc import Iterable

import msgspec

from tollbook.domain.event import Event, Rejection
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.refusal import ItemRefused
from tollbook.ingest.text import batch_too_large

_LINE = re.compile(rb"[^\n]+")


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """What a request held: `items` = events + rejections, in the order of the request.

    `indexes` gives each event's position among the items, so that a later rejection can name it; None where
    nothing was rejected and the positions are 0, 1, 2 and so on. Blank lines are no items.

    An item of a dialect may make several events, all at its index, or none: `ignored` counts those that tell of no
    call that was billed.
    """

    events: list[Event]
    indexes: list[int] | None
    rejections: list[Rejection]
    items: int
    ignored: int = 0

    @property
    def is_manifold(self) -> bool:
        """Whether some item made other than one event."""
        return len(self.events) + len(self.rejections) != self.items


def bounded_lines(body: bytes, limits: IntakeLimits) -> Iterable[bytes]:
    """The lines that are not blank. Raises `RequestError` BATCH_TOO_LARGE (413)."""
    count = 0
    for match in _LINE.finditer(body):
        line = match[0].strip()
        if line:
            count += 1
            require_batch(count, limits)
            yield line


def require_batch(count: int, limits: IntakeLimits) -> None:
    """Raise `RequestError` BATCH_TOO_LARGE (413) past the bound."""
    if count > limits.batch_events_max:
        raise batch_too_large(f"more than {limits.batch_events_max} events: split the batch")


def rejection_of(index: int, refused: ItemRefused) -> Rejection:
    """What the sender is told of the item at an index."""
    return Rejection(index=index, code=refused.code.value, detail=refused.detail)
