"""The places of spans: which agent's work a call was, in which run, and which other span saw the same call.

Everything is a function of the spans that are known and of the order in which requests brought them, so that two
receivers that each see both of two spans say the same of them. docs/rooms/traces.md gives the rules and their reasons.
"""

from collections.abc import Iterable, Iterator, Set
from typing import NamedTuple

import msgspec

from tollbook.domain.event import Observer
from tollbook.ingest.otel.claims import AGENT, TOOL
from tollbook.ingest.otel.events import Place
from tollbook.ingest.otel.paths import joined
from tollbook.ingest.otel.reading import Call
from tollbook.ingest.otel.spans import Facts

ANCESTORS_MAX = 99
"""How far up a span is placed; a revision leaves two digits for it."""
_INSTANCE_HEX = 8


class Known(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A span that is known. `kept` orders the requests that brought spans; those of one request share it."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    kept: int
    facts: Facts


class Placed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a tree makes of a call; two that are equal book alike."""

    call: Call
    agent: str
    run: str
    id: str
    group: str | None
    known: int

    def at(self, tenant: str, facts: Facts) -> Place:
        """The place for the event."""
        place = Place(tenant, self.agent, self.run, event_id=self.id, at_micros=facts.at_micros)
        place.group = self.group
        place.revision = self.known
        place.tags = facts.tags
        return place

    @property
    def is_empty_sum(self) -> bool:
        """Whether the sums below it leave nothing."""
        return self.call.by is Observer.AGGREGATE and not (self.call.input or self.call.output)

    def books_as(self, other: "Placed | None") -> bool:
        """Whether the other one says the same but for how much is known."""
        return other is not None and msgspec.structs.replace(other, known=self.known) == self


class _Spot(NamedTuple):
    """What calls that stand side by side share, where they say nothing of their place and have nothing below them."""

    known: int
    wrapped: bool
    agent: str
    run: str


class Tree:
    """Known spans of any traces by who stands below whom."""

    def __init__(self, spans: Iterable[Known]) -> None:
        self._spans: dict[tuple[bytes, bytes], Known] = {}
        self._children: dict[tuple[bytes, bytes], list[Known]] = {}
        self._counts: dict[tuple[bytes, bytes], int] | None = None
        self._spots: dict[tuple[bytes, bytes | None, str | None], _Spot] = {}
        for span in spans:
            self._spans[span.trace_id, span.span_id] = span
            if span.parent_id is not None:
                self._children.setdefault((span.trace_id, span.parent_id), []).append(span)

    def __iter__(self) -> Iterator[Known]:
        return iter(self._spans.values())

    def agent(self, span: Known) -> str:
        """Whose work a span is, as far as its ancestors are known."""
        return _agent(span, self._above(span))

    def in_order(self) -> Iterator[tuple[int, Known]]:
        """(depth, span), children behind their parent; one whose parent is not known stands alone."""
        shown: set[tuple[bytes, bytes]] = set()
        for root in [*(one for one in self if (one.trace_id, one.parent_id) not in self._spans), *self]:
            waiting = [(0, root)]
            while waiting:
                depth, span = waiting.pop()
                if (span.trace_id, span.span_id) in shown:
                    continue
                shown.add((span.trace_id, span.span_id))
                yield depth, span
                children = self._children.get((span.trace_id, span.span_id), ())
                waiting += [(depth + 1, child) for child in reversed(children)]

    def without(self, gone: Set[tuple[bytes, bytes]]) -> "Tree":
        """The tree before these spans were known."""
        return Tree(span for key, span in self._spans.items() if key not in gone)

    def placed(self, span: Known) -> Placed | None:
        """The call of a span, or None where it holds none. Of a sum only what the sums below it leave is its own."""
        call = span.facts.call
        if call is None:
            return None
        if call.by is not Observer.AGGREGATE and span.facts.claim.is_silent:
            spot = self._spot(span)
            if spot is not None and not spot.wrapped:
                group = call.group or span.trace_id.hex()
                id_ = _id(span, call)
                return Placed(call=call, agent=spot.agent, run=spot.run, id=id_, group=group, known=spot.known)
        above = self._above(span)
        group = call.group or span.trace_id.hex()
        known = len(above)
        if call.by is Observer.AGGREGATE:
            known += self._calls_below(span)
            for part in self._nearest(span, Observer.AGGREGATE):
                if part.facts.call is not None:
                    call = _less(call, part.facts.call)
            # A remote agent's own calls show up below it or nowhere.
            if span.facts.remote and call.group is None and known == len(above):
                group = f"{group}:{span.span_id.hex()}"
            id_ = _id(span, call)
        else:
            id_, call = self._identity(span, above, call)
        return Placed(call=call, agent=_agent(span, above), run=_run(span, above), id=id_, group=group, known=known)

    def _spot(self, span: Known) -> _Spot | None:
        """Where a silent span without children stands, looked for once for all that stand side by side.

        None where it has some: it may be part of a ring of parents, which each of its spans sees from elsewhere.
        """
        if (span.trace_id, span.span_id) in self._children:
            return None
        key = (span.trace_id, span.parent_id, span.facts.service)
        spot = self._spots.get(key)
        if spot is None:
            above = self._above(span)
            wrapped = self._wrapper(above) is not None
            spot = self._spots[key] = _Spot(len(above), wrapped, _agent(span, above), _run(span, above))
        return spot

    @staticmethod
    def _wrapper(above: list[Known]) -> Known | None:
        """The nearest ancestor that is a call itself, with no agent and no tool between."""
        for ancestor in above:
            if _is_leaf(ancestor):
                return ancestor
            if ancestor.facts.claim.kind in {AGENT, TOOL}:
                return None
        return None

    def _above(self, span: Known) -> list[Known]:
        """The known ancestors, nearest first."""
        found: list[Known] = []
        seen = {span.span_id}
        while span.parent_id is not None and span.parent_id not in seen and len(found) < ANCESTORS_MAX:
            parent = self._spans.get((span.trace_id, span.parent_id))
            if parent is None:
                break
            seen.add(parent.span_id)
            found.append(parent)
            span = parent
        return found

    def _calls_below(self, span: Known) -> int:
        """How many of the known descendants hold a call; counted for all spans at once, children before parents."""
        if self._counts is None:
            self._counts = counts = dict.fromkeys(self._spans, 0)
            for _, one in reversed(list(self.in_order())):
                above = (one.trace_id, one.parent_id)
                if one.parent_id is not None and above in counts:
                    counts[one.trace_id, one.parent_id] += counts[one.trace_id, one.span_id] + (
                        one.facts.call is not None
                    )
        return self._counts[span.trace_id, span.span_id]

    def _nearest(self, span: Known, by: Observer) -> list[Known]:
        """Descendants that hold a call of this kind, with none of the kind between."""
        found: list[Known] = []
        waiting, seen = [span], {span.span_id}
        while waiting:
            for child in self._children.get((span.trace_id, waiting.pop().span_id), ()):
                if child.span_id in seen:
                    continue
                seen.add(child.span_id)
                if child.facts.call is not None and child.facts.call.by is by:
                    found.append(child)
                else:
                    waiting.append(child)
        return found

    def _identity(self, span: Known, above: list[Known], call: Call) -> tuple[str, Call]:
        """The id of a call, and the call with the provider's ids of whoever saw it first.

        Instrumentations wrap each other: a call's span stands inside another's of the same call, and only one of them
        may know the provider's id. What counted first keeps its id.
        """
        wrapper = self._wrapper(above)
        linked = [span] if wrapper is None else [span, wrapper]
        linked += [below for below in self._nearest(span, Observer.LEAF) if self._direct(below, span)]
        if len(linked) == 1 or _differ(linked):
            return _id(span, call), call
        first_kept = min(one.kept for one in linked)
        first = [one for one in linked if one.kept == first_kept]
        for one in (span, *first):
            named = one.facts.call
            if one.kept == first_kept and named is not None and (named.response_id or named.request_id):
                ids = msgspec.structs.replace(call, response_id=named.response_id, request_id=named.request_id)
                return _id(one, named), ids
        # The outermost, whose parent is not among them.
        ids_of = {one.span_id for one in first}
        outermost = next((one for one in first if one.parent_id not in ids_of), first[0])
        return _own_id(outermost), msgspec.structs.replace(call, response_id=None, request_id=None)

    def _direct(self, below: Known, span: Known) -> bool:
        """Whether no agent and no tool stands between."""
        for ancestor in self._above(below):
            if ancestor.span_id == span.span_id:
                return True
            if ancestor.facts.claim.kind in {AGENT, TOOL}:
                return False
        return False


def _is_leaf(span: Known) -> bool:
    call = span.facts.call
    return call is not None and call.by is not Observer.AGGREGATE


def _differ(linked: list[Known]) -> bool:
    """Whether the provider's ids show that these are different calls."""
    ids = {one.facts.call.response_id for one in linked if one.facts.call is not None and one.facts.call.response_id}
    return len(ids) > 1


def _id(span: Known, call: Call) -> str:
    return call.response_id or call.request_id or _own_id(span)


def _own_id(span: Known) -> str:
    return f"{span.trace_id.hex()}:{span.span_id.hex()}"


def _less(call: Call, part: Call) -> Call:
    names = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning")
    rest = {name: max(getattr(call, name) - getattr(part, name), 0) for name in names}
    cached = rest["cache_read"] + rest["cache_write_5m"] + rest["cache_write_1h"]
    rest["input"] = max(rest["input"], cached)
    rest["output"] = max(rest["output"], rest["reasoning"])
    return msgspec.structs.replace(call, **rest)


def _agent(span: Known, above: list[Known]) -> str:
    for one in (span, *above):
        if one.facts.claim.path is not None:
            return one.facts.claim.path
    segments: list[str] = []
    apart = False
    for one in (*reversed(above), span):
        claim = one.facts.claim
        if claim.whole:
            if len(claim.names) >= len(segments):
                segments = list(claim.names)
            continue
        apart = apart or claim.kind == TOOL
        for name in claim.names:
            last = segments[-1].partition("#")[0] if segments else None
            if name == last and not (apart and claim.spawns):
                continue
            spawned = claim.spawns and name == claim.names[-1] and segments and "#" not in name
            segments.append(f"{name}#{one.span_id.hex()[:_INSTANCE_HEX]}" if spawned else name)
            apart = False
    if not segments and span.facts.service is not None:
        segments.append(span.facts.service)
    return joined(segments)


def _run(span: Known, above: list[Known]) -> str:
    for one in (span, *above):
        if one.facts.claim.run is not None:
            return one.facts.claim.run
    for one in (*reversed(above), span):
        if one.facts.claim.conversation is not None:
            return one.facts.claim.conversation
    return span.trace_id.hex()
