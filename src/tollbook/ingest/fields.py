"""The rules of an event's fields that the decoder cannot carry: characters, time, money, aliases, sums."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache

import msgspec

from tollbook.domain.agent import fault
from tollbook.domain.errors import RejectCode
from tollbook.domain.event import Event, Observer, Seen
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.money import usd_text
from tollbook.ingest.refusal import ItemRefused
from tollbook.ingest.wire import ABSENT, ALIASES, COST_CHARS_MAX, EXCLUSIVE, Direct, Moment, Observed, TagValue, Wire

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 1e11 seconds is the year 5138, 1e11 milliseconds is 1973: no sender means the other one.
_MILLISECONDS_FROM = 100_000_000_000

# A fleet's events repeat few names; what was found good is not looked at again. Refusals are not kept.
_NAMES_KEPT = 4096

_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_COST = re.compile(rb"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)


def check_text(text: str, field: str) -> None:
    """Refuse blank text, control characters (category Cc) and lone surrogates: TEXT_INVALID."""
    if not text.isprintable() and _FORBIDDEN.search(text):
        raise ItemRefused(RejectCode.TEXT_INVALID, f"`{field}` holds a control character or a lone surrogate")
    if text.isspace() or not text:
        raise ItemRefused(RejectCode.TEXT_INVALID, f"`{field}` is blank")


@lru_cache(maxsize=_NAMES_KEPT)
def check_tenant(tenant: str) -> None:
    """Refuse what is no tenant name: TEXT_INVALID.

    A tenant's name stands inside store keys such as `spend:<tenant>:<day>`: a `:` could make two tenants'
    keys equal, `{` and `}` would move a key to another slot of a cluster.
    """
    _check_name(tenant, "tenant")
    if ":" in tenant or "{" in tenant or "}" in tenant:
        raise ItemRefused(RejectCode.TEXT_INVALID, "`tenant` must not hold ':', '{' or '}'")


@lru_cache(maxsize=_NAMES_KEPT)
def check_agent(agent: str) -> None:
    """Refuse what is no slash path of roles: TEXT_INVALID."""
    _check_name(agent, "agent")
    why = fault(agent)
    if why is not None:
        raise ItemRefused(RejectCode.TEXT_INVALID, f"`agent` is no path like planner/researcher#7: {why}")


def _check_name(text: str, field: str) -> None:
    check_text(text, field)
    if text != text.strip():
        raise ItemRefused(RejectCode.TEXT_INVALID, f"`{field}` begins or ends with white space")


def instant(moment: Moment, field: str) -> datetime:
    """The moment in UTC. Numbers are Unix seconds, from 1e11 on milliseconds.

    >>> instant(1_767_225_600_000, "ts") == instant(1_767_225_600, "ts")
    True
    """
    try:
        if isinstance(moment, datetime):
            return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
        if abs(moment) >= _MILLISECONDS_FROM:
            return _EPOCH + timedelta(milliseconds=moment)
        return _EPOCH + timedelta(seconds=moment)
    except OverflowError as error:
        raise ItemRefused(
            RejectCode.FIELD_OUT_OF_RANGE,
            f"`{field}` lies outside the years 1 to 9999; numbers are Unix seconds, milliseconds from 1e11",
        ) from error


def cost_text(token: bytes, limits: IntakeLimits) -> str | None:
    """The exact decimal text of a `cost_usd` token, a JSON number or the same in quotes; None for null.

    >>> cost_text(b'"1.50e-3"', IntakeLimits()), cost_text(b"0.1", IntakeLimits())
    ('0.00150', '0.1')
    """
    if token == b"null":
        return None
    digits = token[1:-1] if token[:1] == b'"' else token
    usd_max = usd_text(limits.cost_nanos_max)
    range_ = f"`cost_usd` must lie between 0 and {usd_max} dollars, in at most {COST_CHARS_MAX} characters"
    if len(digits) > COST_CHARS_MAX:
        raise ItemRefused(RejectCode.FIELD_OUT_OF_RANGE, range_)
    if not _COST.fullmatch(digits):
        is_number = token[:1].isdigit() or token[:1] == b"-"
        raise ItemRefused(RejectCode.FIELD_OUT_OF_RANGE if is_number else RejectCode.FIELD_INVALID, range_)
    try:
        amount = Decimal(digits.decode("ascii"))
    except InvalidOperation as error:
        raise ItemRefused(RejectCode.FIELD_INVALID, range_) from error
    # Compared, not multiplied: a product would be rounded to the context's digits first.
    if amount > Decimal(limits.cost_nanos_max).scaleb(-9):
        raise ItemRefused(RejectCode.FIELD_OUT_OF_RANGE, range_)
    return format(amount, "f")


def tag_texts(tags: dict[str, TagValue], limits: IntakeLimits) -> dict[str, str]:
    """The tags with every value as text: booleans as JSON writes them, null left out.

    >>> tag_texts({"batch": 7, "eval": True, "team": None}, IntakeLimits())
    {'batch': '7', 'eval': 'true'}
    """
    texts: dict[str, str] = {}
    for key, value in tags.items():
        if isinstance(value, str):
            texts[key] = value
        elif isinstance(value, bool):
            texts[key] = "true" if value else "false"
        elif value is not None:
            text = str(value)
            if len(text) > limits.tag_value_chars_max:
                raise ItemRefused(
                    RejectCode.FIELD_OUT_OF_RANGE,
                    f"a value in `tags` is longer than {limits.tag_value_chars_max} characters",
                )
            texts[key] = text
    return texts


def _check_tags(tags: dict[str, str]) -> None:
    for key, value in tags.items():
        check_text(key, "tags")
        if value and not value.isspace():
            check_text(value, "tags")
        elif _FORBIDDEN.search(value):
            raise ItemRefused(RejectCode.TEXT_INVALID, "`tags` holds a control character")


def fold_aliases(wire: Wire) -> None:
    """Move what came under another name to the field's own name.

    Raises `ItemRefused` FIELD_INVALID for names that mean something else, ALIAS_CONFLICT where two names of one
    field hold different values.
    """
    for name in EXCLUSIVE:
        if getattr(wire, name) is not None:
            raise ItemRefused(
                RejectCode.FIELD_INVALID,
                f"`{name}` is of a source whose input leaves cached tokens out: send `input` with them, and "
                "`cache_read`, `cache_write_5m`, `cache_write_1h`",
            )
    for field, aliases in ALIASES.items():
        value = getattr(wire, field)
        for alias in aliases:
            other = getattr(wire, alias)
            if other is None:
                continue
            if field == "ts":
                other = instant(other, alias)
                value = None if value is None else instant(value, field)
            if value is None:
                setattr(wire, field, other)
                value = other
            elif value != other:
                raise ItemRefused(RejectCode.ALIAS_CONFLICT, f"`{alias}` is another name of `{field}`, and they differ")


class Judge:
    """Applies the rules to items. Holds nothing of a request.

    `plain` says that no string of the request can break a rule about characters (see `text.is_plain`).
    """

    __slots__ = ("_limits", "_plain")

    def __init__(self, limits: IntakeLimits, *, plain: bool) -> None:
        self._limits = limits
        self._plain = plain

    def direct(self, event: Direct) -> Event:
        """The event, decoded as one and now judged. Raises `ItemRefused`."""
        check_tenant(event.tenant)
        check_agent(event.agent)
        if not self._plain:
            _check_texts(event)
            if event.tags is not None:
                _check_tags(event.tags)
        if (
            event.cache_read + event.cache_write_5m + event.cache_write_1h > event.input
            or event.reasoning > event.output
        ):
            raise _inconsistent(event.reasoning > event.output)
        if event.ts is not None and event.ts.tzinfo is not UTC:
            return msgspec.structs.replace(event, ts=instant(event.ts, "ts"))
        return event

    def observed(self, event: Observed) -> Event:
        """As `direct`, for an event that may say who saw the call. Raises `ItemRefused`."""
        if not self._plain:
            _check_observed(event)
        seen = seen_of(event)
        return self.direct(event if seen is None else msgspec.structs.replace(event, seen=seen))

    def built(self, wire: Wire) -> Event:
        """The event of a decoded item. Raises `ItemRefused`."""
        if _is_aliased(wire):
            fold_aliases(wire)
        tenant, model, tokens_in, tokens_out = wire.tenant, wire.model, wire.input, wire.output
        agent = wire.agent if wire.agent is not None else wire.agent_id
        if tenant is None or agent is None or model is None or tokens_in is None or tokens_out is None:
            raise _missing(wire)
        check_tenant(tenant)
        check_agent(agent)
        if not self._plain:
            _check_texts(wire)
            _check_observed(wire)
        cache_read = wire.cache_read or 0
        cache_write_5m = wire.cache_write_5m or 0
        cache_write_1h = wire.cache_write_1h or 0
        reasoning = wire.reasoning or 0
        if cache_read + cache_write_5m + cache_write_1h > tokens_in or reasoning > tokens_out:
            raise _inconsistent(reasoning > tokens_out)
        tags = None if wire.tags is None else tag_texts(wire.tags, self._limits)
        if tags is not None and not self._plain:
            _check_tags(tags)
        cost = wire.cost_usd
        return Event(
            tenant=tenant,
            agent=agent,
            model=model,
            input=tokens_in,
            output=tokens_out,
            id=wire.id,
            source=wire.source,
            ts=None if wire.ts is None else instant(wire.ts, "ts"),
            run=wire.run,
            provider=wire.provider,
            cache_read=cache_read,
            cache_write_5m=cache_write_5m,
            cache_write_1h=cache_write_1h,
            reasoning=reasoning,
            service_tier=wire.service_tier,
            tags=tags,
            call_id=wire.call_id,
            cost_usd=None if cost is ABSENT else cost_text(bytes(cost), self._limits),
            hold=wire.hold,
            units=wire.units,
            context=wire.context,
            seen=seen_of(wire),
        )


def seen_of(item: Wire | Observed) -> Seen | None:
    """What the item says of its observation; a sender that names no observer was handed the answer, as an SDK is."""
    if not (item.observed or item.response_id or item.request_id or item.group or item.estimated):
        return None
    return Seen(
        by=item.observed or Observer.SDK,
        response_id=item.response_id,
        request_id=item.request_id,
        group=item.group,
        estimated=item.estimated or False,
    )


def _is_aliased(wire: Wire) -> bool:
    # Spelled out: a loop over the names costs a microsecond an event, this a fifth of one.
    return not (
        wire.tenant_id is None
        and wire.model_name is None
        and wire.input_tokens is None
        and wire.prompt_tokens is None
        and wire.output_tokens is None
        and wire.completion_tokens is None
        and wire.event_id is None
        and wire.timestamp is None
        and wire.run_id is None
        and wire.cache_read_tokens is None
        and wire.cache_read_input_tokens is None
        and wire.cache_creation_input_tokens is None
        and wire.cache_write_5m_tokens is None
        and wire.cache_write_1h_tokens is None
        and wire.reasoning_tokens is None
    )


def _check_texts(item: Wire | Direct) -> None:
    # tenant and agent have rules of their own.
    optional: Iterable[tuple[str | None, str]] = (
        (item.model, "model"),
        (item.id, "id"),
        (item.source, "source"),
        (item.run, "run"),
        (item.provider, "provider"),
        (item.service_tier, "service_tier"),
        (item.call_id, "call_id"),
    )
    for text, field in optional:
        if text is not None:
            check_text(text, field)
    if item.context is not None:
        for text in item.context.values():
            check_text(text, "context")


def _check_observed(item: Wire | Observed) -> None:
    for text, field in (
        (item.response_id, "response_id"),
        (item.request_id, "request_id"),
        (item.group, "group"),
    ):
        if text is not None:
            check_text(text, field)


def _missing(wire: Wire) -> ItemRefused:
    names = [
        f"`{name}`"
        for name in ("tenant", "agent", "input", "output", "model")
        if getattr(wire, name) is None and not (name == "agent" and wire.agent_id is not None)
    ]
    return ItemRefused(RejectCode.FIELD_MISSING, f"missing: {', '.join(names)}")


def _inconsistent(reasoning: bool) -> ItemRefused:
    if reasoning:
        detail = "`reasoning` is more than `output`: `output` holds all generated tokens, reasoning included"
    else:
        detail = (
            "`cache_read` + `cache_write_5m` + `cache_write_1h` are more than `input`: "
            "`input` holds all prompt tokens, cached ones included"
        )
    return ItemRefused(RejectCode.TOKENS_INCONSISTENT, detail)
