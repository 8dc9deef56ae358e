"""Any file: by a mapping, or of events as they stand."""

from collections.abc import Iterator

import msgspec

from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.exports.found import Bounds, Found, Row
from tollbook.ingest.mapping import Mapping

_CALLS_MAX = IntakeLimits()


class Mapped:
    """Reads rows by the mappings that take payloads."""

    def __init__(self, bounds: Bounds, mapping: Mapping) -> None:
        self._bounds = bounds
        self._mapping = mapping

    def rows(self, row: Row) -> Iterator[Found]:
        """The calls of a row."""
        bounds = self._bounds
        for call in self._mapping.observed(row.fields, _CALLS_MAX):
            yield Found(
                {},
                call=msgspec.structs.replace(
                    call,
                    tenant=bounds.tenant or call.tenant,
                    agent=call.agent or bounds.agent,
                    source=bounds.source,
                ),
            )

    def end(self) -> Iterator[Found]:
        """Nothing waits."""
        return iter(())


class Native:
    """Reads rows that are events already."""

    def __init__(self, bounds: Bounds) -> None:
        self._given = {"tenant": bounds.tenant} if bounds.tenant is not None else {}
        self._default = {"source": bounds.source, "agent": bounds.agent}
        self.bare = not self._given
        """Whether a line is the event as it stands."""

    def rows(self, row: Row) -> Iterator[Found]:
        """The event that the row is."""
        yield Found({**self._default, **row.fields, **self._given})

    def end(self) -> Iterator[Found]:
        """Nothing waits."""
        return iter(())
