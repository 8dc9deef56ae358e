"""Items of a request, priced and attributed: which of them were taken, and why the others were not."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from tollbook.domain.event import Event, Rejection
from tollbook.ingest.decoded import Decoded
from tollbook.pipeline.resolve import Resolved, Resolver, Sender


class Judged(NamedTuple):
    """What is to be kept, every rejection in the order of the items, and how many items are taken with it."""

    resolved: Resolved
    rejections: list[Rejection]
    accepted: int


def judged(resolver: Resolver, decoded: Decoded, sender: Sender, now: datetime) -> Judged:
    """Resolve what a request held as received at `now`; an item's events stand or fall together."""
    resolved = resolver.resolve(decoded.events, decoded.indexes, sender, now)
    rejections = decoded.rejections
    if resolved.rejections:
        refused = {rejection.index: rejection for rejection in reversed(resolved.rejections)}
        if decoded.is_manifold:
            kept, indexes = _without(decoded, refused.keys())
            resolved = resolver.resolve(kept, indexes, sender, now)
        rejections = sorted([*rejections, *refused.values()], key=lambda rejection: rejection.index)
    return Judged(resolved, rejections, decoded.items - decoded.ignored - len(rejections))


def _without(decoded: Decoded, refused: Collection[int]) -> tuple[list[Event], list[int]]:
    indexes = decoded.indexes if decoded.indexes is not None else range(len(decoded.events))
    kept = [(event, index) for event, index in zip(decoded.events, indexes, strict=True) if index not in refused]
    return [event for event, _ in kept], [index for _, index in kept]
