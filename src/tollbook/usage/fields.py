"""Reads fields of what providers answer, be it an object of their SDK or the JSON as a dict. Nothing here raises."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

_DIGITS_MAX = 18
_EXPONENT_MAX = 32


def is_model(source: object) -> bool:
    """Whether it is an object of pydantic, as the SDKs' answers are."""
    return hasattr(type(source), "__pydantic_fields__")


def part(source: object, *names: str) -> Any:
    """The first of the named fields that is there and not None.

    >>> part({"a": None, "b": 2}, "a", "b"), part(None, "a")
    (2, None)
    """
    if source is None:
        return None
    if type(source) is dict:
        return _first(source, names)
    if is_model(source):
        # Asking a model for a field that it does not have costs it two microseconds; its dict answers in none.
        found = _first(vars(source), names)
        if found is None:
            extra = getattr(source, "__pydantic_extra__", None)
            found = _first(extra, names) if extra else None
        return found
    if isinstance(source, Mapping):
        return _first(source, names)
    for name in names:
        value = getattr(source, name, None)
        if value is not None:
            return value
    return None


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        value = fields.get(name)
        if value is not None:
            return value
    return None


def has(source: object, *names: str) -> bool:
    """Whether one of the named fields is declared, were it with None."""
    if is_model(source):
        fields, extra = vars(source), getattr(source, "__pydantic_extra__", None)
        return any(name in fields or bool(extra and name in extra) for name in names)
    if isinstance(source, Mapping):
        return any(name in source for name in names)
    return any(hasattr(source, name) for name in names)


def count(source: object, *names: str) -> int:
    """The first of the named fields as a count of tokens; 0 where none is one.

    Whole floats count (Cohere sends them), negative numbers, booleans and text do not.

    >>> count({"tokens": 3.0}, "tokens"), count({"tokens": -1}, "tokens"), count({"tokens": True}, "tokens")
    (3, 0, 0)
    """
    for name in names:
        value = part(source, name)
        if isinstance(value, bool):
            continue
        if isinstance(value, int):
            return max(value, 0)
        if isinstance(value, float) and value.is_integer():
            return max(int(value), 0)
        if isinstance(value, Decimal) and value.adjusted() < _DIGITS_MAX and value == value.to_integral_value():
            return max(int(value), 0)
    return 0


def text(source: object, *names: str) -> str | None:
    """The first of the named fields that holds a non-empty text; an enumeration's value counts as its text."""
    for name in names:
        value = part(source, name)
        value = getattr(value, "value", value)
        if isinstance(value, str) and value:
            return value
    return None


def items(source: object, *names: str) -> Sequence[Any]:
    """The first of the named fields that is a list; empty where none is."""
    for name in names:
        value = part(source, name)
        if isinstance(value, (list, tuple)):
            return value
    return ()


def decimal(source: object, *names: str) -> Decimal | None:
    """The first of the named fields as an exact number, None where it is none or is negative.

    A float stands for the shortest text that denotes it, which is what the provider wrote.
    """
    value = part(source, *names)
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    # No amount of dollars or seconds has more digits; one with an exponent of a million would be written out whole.
    return amount if amount.is_finite() and amount >= 0 and abs(amount.adjusted()) < _EXPONENT_MAX else None


def decimal_text(amount: Decimal | None) -> str | None:
    """The amount without an exponent, as `cost_usd` is written."""
    return None if amount is None else format(amount, "f")
