"""What a dialect reads of an attribute, and what it makes of a whole item: a call."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from tollbook.domain.errors import RejectCode
from tollbook.domain.event import Observer
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.otel.signals import Attributes
from tollbook.ingest.refusal import ItemRefused

_DIGITS_MAX = 20
_COUNT_MAX = 2**53
"""Far above any call, and so small that sums of counts stay within what can be packed; `IntakeLimits` is narrower."""
_COST_CHARS_MAX = 40
_USD_MAX = Decimal(IntakeLimits().cost_nanos_max).scaleb(-9)


class Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What one span, log record or point says of one call, or of several added up; counts with inclusive parents.

    `dialect` is whose attributes they are, `rule` how the counts became inclusive. `group` is None where it is the
    item's trace. `aggregate` and `metric` observations repeat what leaves report. `rank` is added to the revision: of
    two leaves that saw one call the one that knows more of it stands, whichever came first.
    """

    dialect: str
    model: str
    input: int
    output: int
    provider: str | None = None
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    units: dict[str, int] | None = None
    by: Observer = Observer.LEAF
    response_id: str | None = None
    request_id: str | None = None
    group: str | None = None
    service_tier: str | None = None
    cost_usd: str | None = None
    rule: str = "inclusive"
    rank: int = 0


def text(attributes: Attributes, *names: str) -> str | None:
    """The first of these attributes that is text and not blank."""
    for name in names:
        value = attributes.get(name)
        if isinstance(value, str) and value and not value.isspace():
            return value
    return None


def count(attributes: Attributes, *names: str) -> int | None:
    """The first of these attributes that is there, as a count; a whole number as int, float or text.

    Raises `ItemRefused` where it is none: a call with a broken count is not counted in part.

    >>> count({"a": "12", "b": 7}, "a", "b"), count({}, "a")
    (12, None)
    """
    for name in names:
        value = attributes.get(name)
        if value is not None:
            return value if type(value) is int and 0 <= value <= _COUNT_MAX else _whole(value, name)
    return None


def total(attributes: Attributes, *names: str) -> int:
    """The first of these counts that is there, or 0."""
    # `count` once more: a call has a dozen of them, and passing the names on costs as much as looking.
    for name in names:
        value = attributes.get(name)
        if value is not None:
            return value if type(value) is int and 0 <= value <= _COUNT_MAX else _whole(value, name)
    return 0


def _whole(value: object, name: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX:
        return _bounded(int(value), name)
    if isinstance(value, float) and value.is_integer():
        return _bounded(int(value), name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ItemRefused(RejectCode.FIELD_INVALID, f"`{name[:64]}` is no whole number of tokens")
    return _bounded(value, name)


def _bounded(value: int, name: str) -> int:
    if not 0 <= value <= _COUNT_MAX:
        raise ItemRefused(RejectCode.FIELD_OUT_OF_RANGE, f"`{name[:64]}` is below zero or above {_COUNT_MAX}")
    return value


def usd(attributes: Attributes, *names: str) -> str | None:
    """The first of these attributes that is an amount of dollars, as decimal text: kept, never trusted.

    A float's shortest digits are what its sender wrote. Nonsense is no amount: the call counts without it.

    >>> usd({"cost": 0.0038}, "cost"), usd({"cost": float("nan")}, "cost")
    ('0.0038', None)
    """
    for name in names:
        value = attributes.get(name)
        if value is not None and not isinstance(value, bool):
            return usd_text(value)
    return None


def usd_text(value: object, *, scale: int = 0) -> str | None:
    """An amount as decimal text, moved by `scale` decimal places; None for what is no amount of zero to a million."""
    if not isinstance(value, str | int | float) or len(str(value)) > _COST_CHARS_MAX:
        return None
    try:
        amount = Decimal(str(value)).scaleb(scale)
    except InvalidOperation:
        return None
    if not amount.is_finite() or not 0 <= amount <= _USD_MAX:
        return None
    shown = format(amount, "f")
    return shown if len(shown) <= _COST_CHARS_MAX else None


def units(pairs: Iterable[tuple[str, int]]) -> dict[str, int] | None:
    """Extra units that are not zero, or None."""
    found = {name: amount for name, amount in pairs if amount}
    return found or None


def has_any(attributes: Attributes, names: Iterable[str]) -> bool:
    """Whether one of the attributes is there with a value."""
    # A generator would cost more than the looking.
    for name in names:  # noqa: SIM110
        if attributes.get(name) is not None:
            return True
    return False


def plain(value: Any) -> str:
    """A value as text where it is one, else nothing."""
    return value if isinstance(value, str) else ""
