"""One observed call on its way to events: what it used, who made it, which ids name it.

Every dialect ends here. The native reader judges what is made, so that all dialects have one set of rules and codes.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from tollbook.domain.agent import SEGMENTS_MAX
from tollbook.domain.errors import RejectCode
from tollbook.domain.event import Event, Observer, Seen
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.observation import UNKNOWN_AGENT, is_telling
from tollbook.ingest.item import reader_for
from tollbook.ingest.origin import Origin
from tollbook.ingest.refusal import ItemRefused
from tollbook.usage.fields import decimal, decimal_text
from tollbook.usage.outcome import UsageRead, fitting

_SECONDS_FROM = 1_000_000_000
"""Moments before September 2001 are no times of a call: servers that keep none write 0."""


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """One call as a dialect read it. None is unsaid: what the request says around it counts then.

    `id` is the source's own id of the event, `call_id` its name of the call; the answer's id in `found` names the call
    for all sources. `derived_tenant` and `derived_agent` count where nobody named any.
    """

    found: UsageRead
    by: Observer
    tenant: str | None = None
    agent: str | None = None
    run: str | None = None
    id: str | None = None
    source: str | None = None
    call_id: str | None = None
    ts: object = None
    model: str | None = None
    provider: str | None = None
    service_tier: str | None = None
    cost_usd: object = None
    hold: str | None = None
    tags: Mapping[str, str] = {}
    group: str | None = None
    request_id: str | None = None
    derived_tenant: str | None = None
    derived_agent: str | None = None
    is_named: bool = True
    """Whether the id in `found` is the answer's own, so that it names the call for all sources."""


class Maker:
    """Makes events under one request's limits and origin."""

    def __init__(self, limits: IntakeLimits, origin: Origin, *, alone: bool = True) -> None:
        self.limits = limits
        self.origin = origin
        self._alone = alone
        self._reader = reader_for(limits, False)

    def events(self, call: Observed, index: int) -> list[Event]:
        """The call's own event, and one for each part of it that another model made. Raises `ItemRefused`."""
        own = self._event(call, call.found, index, "")
        parts = [self._event(call, part, index, f"#{place}") for place, part in enumerate(call.found.others, 1)]
        return [own, *parts]

    def _event(self, call: Observed, found: UsageRead, index: int, suffix: str) -> Event:
        origin = self.origin
        response_id = self._response_id(call.found) if call.is_named else None
        main = not suffix
        given = call.id or self._given_id(index)
        event_id = given or (response_id if response_id is not None and is_telling(response_id) else None)
        cost = call.cost_usd if main and call.cost_usd is not None else found.cost_usd
        draft: dict[str, Any] = {
            "tenant": call.tenant or origin.tenant or call.derived_tenant,
            "agent": call.agent or origin.agent or call.derived_agent or UNKNOWN_AGENT,
            "run": call.run or origin.run,
            "model": (call.model if main else None) or found.model or call.model or origin.model,
            "provider": call.provider or origin.provider or found.provider,
            "id": None if event_id is None else event_id + suffix,
            "source": call.source or origin.source,
            "call_id": call.call_id or call.found.call_id,
            "ts": moment(call.ts) or _stated(origin.ts),
            "service_tier": call.service_tier or found.service_tier or call.found.service_tier,
            "hold": (call.hold or origin.hold) if main else None,
            "cost_usd": None if cost is None else str(cost),
            "tags": tags_of(call.tags, self.limits) or None,
            **{name: getattr(found.usage, name) for name in found.usage.__struct_fields__},
        }
        event = self._reader.element(msgspec.Raw(msgspec.json.encode(draft)))
        request_id = call.request_id or call.found.request_id
        seen = Seen(
            by=call.by,
            response_id=None if response_id is None else _bounded(response_id + suffix, self.limits),
            request_id=None if request_id is None else _bounded(request_id + suffix, self.limits),
            group=_group(event) if call.group is None else call.group,
            estimated=found.estimated,
        )
        return msgspec.structs.replace(
            event,
            units=self._units(found),
            seen=seen,
            context=fitting(found.context or call.found.context, self.limits.name_chars_max),
        )

    def _response_id(self, found: UsageRead) -> str | None:
        return _bounded(found.call_id, self.limits) if found.call_id else None

    def _given_id(self, index: int) -> str | None:
        call = self.origin.call
        return call if call is None or self._alone else f"{call}#{index}"

    def _units(self, found: UsageRead) -> dict[str, int] | None:
        units = found.units
        if units and max(units.values()) > self.limits.tokens_max:
            raise ItemRefused(RejectCode.FIELD_OUT_OF_RANGE, f"a unit counts more than {self.limits.tokens_max}")
        return units


def agent_of(name: object) -> str | None:
    """A foreign name as an agent's path: white space and empty segments go, what lies too deep counts above.

    >>> agent_of(" planner//web search "), agent_of("#7"), agent_of("")
    ('planner/web search', 'agent#7', None)
    """
    if not isinstance(name, str):
        return None
    printable = "".join(one if one.isprintable() else " " for one in name)
    segments = []
    for segment in printable.split("/"):
        role, mark, instance = segment.strip().partition("#")
        if not role and not instance:
            continue
        segments.append((role or "agent") + (f"#{instance}" if mark and instance else ""))
    return "/".join(segments[:SEGMENTS_MAX]) or None


def tags_of(tags: Mapping[str, object], limits: IntakeLimits) -> dict[str, str]:
    """Tags that fit: a long value is cut, what no tag may hold is left out. They only describe a call."""
    kept: dict[str, str] = {}
    for key, value in tags.items():
        text = value if isinstance(value, str) else None if isinstance(value, (dict, list)) else str(value)
        if value is None or not text or not key or len(key) > limits.tag_key_chars_max or len(kept) >= limits.tags_max:
            continue
        if key.isprintable() and text.isprintable() and not key.isspace() and not text.isspace():
            kept[key] = text[: limits.tag_value_chars_max]
    return kept


def moment(value: object) -> str | float | None:
    """A payload's own time in a form that events take; None where it is none.

    >>> moment(1_700_000_000), moment("2024-08-04T08:52:19.385406455-07:00"), moment(0), moment("soon")
    (1700000000, '2024-08-04T08:52:19.385406-07:00', None, None)
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, Decimal, float)):
        return _number_of(value)
    if not isinstance(value, str):
        return None
    try:
        found = msgspec.convert(value, datetime)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return None
    # Several libraries write UTC without saying so.
    return found.isoformat() if found.tzinfo is not None else f"{found.isoformat()}Z"


def _number_of(value: int | float | Decimal) -> int | float | None:
    if not value >= _SECONDS_FROM or value > _NUMBER_MAX:
        return None
    return value if isinstance(value, int) else float(value)


_NUMBER_MAX = 9_000_000_000_000


def _stated(ts: str | None) -> str | float | None:
    """A time that a sender stated outright: judged as a native event's, so that a wrong one is told."""
    if ts is None:
        return None
    return int(ts) if ts.isascii() and ts.isdigit() and len(ts) <= len(str(_NUMBER_MAX)) else ts


def cost_of(source: object, *names: str) -> str | None:
    """The first of the named amounts of dollars as decimal text."""
    return decimal_text(decimal(source, *names))


def _group(event: Event) -> str | None:
    """What a sum over an agent's run adds up: the calls of that run say the same, and nothing counts twice."""
    return None if event.run is None else f"{event.run} {event.agent}"


def _bounded(name: str, limits: IntakeLimits) -> str | None:
    return name if len(name) <= limits.id_chars_max and name.isprintable() else None
