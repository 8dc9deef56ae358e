"""Any JSON or table by a mapping: an expression or a column for each field of an event. No code of a user's runs.

Source: the JMESPath specification, by the library of its authors. An expression can make its own input larger
(`[@, @][]`, piped), so its evaluation has a bound.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError, JMESPathTypeError
from jmespath.parser import ParsedResult
from jmespath.visitor import Options, TreeInterpreter

from tollbook.domain.errors import ConfigError, RejectCode
from tollbook.domain.event import Event, Observer
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.usage import Usage
from tollbook.ingest.decoded import Decoded
from tollbook.ingest.foreign import Fields, collect, items_of, whole_or_items
from tollbook.ingest.observed import Maker, Observed, moment
from tollbook.ingest.origin import Origin
from tollbook.ingest.refusal import ItemRefused
from tollbook.ingest.wire import KINDS, Kind
from tollbook.usage import UsageRead, read
from tollbook.usage.fields import count, decimal, decimal_text

EXPRESSION_CHARS_MAX = 1_000
STEPS_MAX = 100_000
"""Of one item, over all expressions: nodes of expressions visited and elements of lists made. Some 50 ms."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_COUNTS = tuple(Usage.__struct_fields__)
_FIELDS = frozenset(
    {"tenant", "agent", "model", "id", "source", "ts", "run", "provider", "service_tier", "call_id", "cost_usd", "hold"}
) | set(_COUNTS)


class Reading(Enum):
    """What a mapping is read on.

    Of a payload that somebody posts, a time that is none is left out: it comes now. Of a row that a file has had for
    long, it refuses the row. A table's expressions are names of columns.
    """

    PAYLOAD = "payload"
    ROW = "row"
    TABLE = "table"


class MappingFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping as written. Every text but those of `name`, `source` and `constants` is a JMESPath expression.

    `items` finds the calls in a payload, `when` says which of them count, `usage` finds a provider's usage object or
    answer, which is read by its shape; `fields` win over it. `constants` stand where nothing else was found.
    """

    name: str | None = None
    source: str | None = None
    items: str | None = None
    when: str | None = None
    usage: str | None = None
    fields: dict[str, str] = {}
    constants: dict[str, str | int] = {}
    tags: dict[str, str] = {}
    units: dict[str, str] = {}


class Mapping:
    """A compiled mapping. Holds nothing of a payload."""

    def __init__(self, written: MappingFile, name: str, reading: Reading = Reading.PAYLOAD) -> None:
        unknown = sorted((written.fields.keys() | written.constants.keys()) - _FIELDS)
        if unknown:
            raise ConfigError(f"mapping {name}: `{unknown[0]}` is no field of an event")
        if not written.usage and not {"input", "output"} <= written.fields.keys() | written.constants.keys():
            raise ConfigError(f"mapping {name}: it gives neither `usage` nor `input` and `output`")
        self.name = name
        self.source = written.source
        self._reading = reading
        table = reading is Reading.TABLE
        self._items, self._when, self._usage = (
            None if text is None else _finding(text, name, table=table)
            for text in (written.items, written.when, written.usage)
        )
        self._fields, self._tags, self._units = (
            {key: _finding(text, name, table=table) for key, text in written_of.items()}
            for written_of in (written.fields, written.tags, written.units)
        )
        self._constants = written.constants

    def decode(self, body: bytes, media_type: str | None, limits: IntakeLimits, *, origin: Origin) -> Decoded:
        """The events of a body: one object, an array or lines. Raises `RequestError`."""
        found = items_of(body, media_type, limits)
        alone = len(found) == 1

        def events(item: Fields, index: int) -> list[Event]:
            return self.events(item, limits, origin, index=index, alone=alone)

        return whole_or_items(collect(found, events))

    def events(
        self, item: Fields, limits: IntakeLimits, origin: Origin, *, index: int, alone: bool = True
    ) -> list[Event]:
        """The events of one payload; none where `when` says that nothing of it counts. Raises `ItemRefused`."""
        calls = self.observed(item, limits)
        maker = Maker(limits, origin, alone=alone and len(calls) == 1)
        return [event for call in calls for event in maker.events(call, index)]

    def observed(self, item: Fields, limits: IntakeLimits) -> list[Observed]:
        """The calls of one payload or row, as they are read. Raises `ItemRefused`."""
        bounded = _Bounded()
        calls = self._calls(item, bounded, limits)
        return [
            self._observed(call, bounded) for call in calls if self._when is None or _is_true(self._when(bounded, call))
        ]

    def _calls(self, item: Fields, bounded: "_Bounded", limits: IntakeLimits) -> Sequence[Any]:
        if self._items is None:
            return [item]
        calls = self._items(bounded, item)
        if calls is None:
            return []
        calls = calls if isinstance(calls, list) else [calls]
        if len(calls) > limits.batch_events_max:
            raise ItemRefused(RejectCode.FIELD_OUT_OF_RANGE, f"`items` finds more than {limits.batch_events_max} calls")
        return calls

    def _observed(self, call: Any, bounded: "_Bounded") -> Observed:
        said: dict[str, Any] = dict(self._constants)
        for field, find in self._fields.items():
            value = _fitting(field, find(bounded, call), self._reading)
            if value is not None:
                said[field] = value
        found = self._found(call, bounded, said)
        text = {name: value if value is None else str(value) for name, value in said.items() if name not in _COUNTS}
        return Observed(
            found=found,
            by=Observer.LEAF,
            tags={tag: str(value) for tag, value in self._tagged(call, bounded) if value is not None},
            ts=said.get("ts"),
            is_named=text.get("call_id") is None or found.call_id == text["call_id"],
            **{name: text.get(name) for name in _FIELDS - set(_COUNTS) - {"ts"}},
        )

    def _tagged(self, call: Any, bounded: "_Bounded") -> Iterator[tuple[str, Any]]:
        for tag, find in self._tags.items():
            value = find(bounded, call)
            yield tag, value if not isinstance(value, (dict, list)) else None

    def _found(self, call: Any, bounded: "_Bounded", said: Fields) -> UsageRead:
        found = None if self._usage is None else read(self._usage(bounded, call))
        counts = {} if found is None else msgspec.structs.asdict(found.usage)
        counts |= {name: said[name] for name in _COUNTS if name in said}
        missing = [f"`{name}`" for name in ("input", "output") if counts.get(name) is None]
        if missing:
            raise ItemRefused(RejectCode.USAGE_MISSING, f"the mapping finds no {' and no '.join(missing)}")
        for name, value in counts.items():
            if isinstance(value, bool) or not isinstance(value, int):
                raise ItemRefused(RejectCode.FIELD_INVALID, f"`{name}` must be a whole number of tokens")
        units = {unit: count({"n": _number(find(bounded, call))}, "n") for unit, find in self._units.items()}
        units = {unit: amount for unit, amount in units.items() if amount} | ((found and found.units) or {})
        used = Usage(**counts)
        if found is None:
            return UsageRead(usage=used, units=units or None)
        return msgspec.structs.replace(found, usage=used, units=units or None)


def _is_true(value: Any) -> bool:
    """Whether JMESPath takes it for true."""
    return not (value is None or value is False or value in ("", [], {}))


def _fitting(field: str, value: Any, reading: Reading) -> Any:
    """What was found, in the form of the field. Empty text is nothing, and so is what tables write for a gap."""
    if value is None or value == "" or value != value:  # noqa: PLR0124 - not a number
        return None
    match KINDS[field]:
        case Kind.COUNT:
            return _number(value)
        case Kind.COST:
            amount = None if isinstance(value, bool) else decimal({"n": value}, "n")
            if amount is None:
                raise ItemRefused(RejectCode.FIELD_INVALID, "`cost_usd` must be an amount of dollars")
            return decimal_text(amount)
        case Kind.MOMENT:
            at = _moment(value)
            if at is None and reading is not Reading.PAYLOAD:
                raise ItemRefused(RejectCode.FIELD_INVALID, f"`{field}` is no time")
            return at
        case _:
            if isinstance(value, (dict, list, bool)):
                raise ItemRefused(RejectCode.FIELD_INVALID, f"`{field}` must be text")
            return str(value)


def _number(value: Any) -> Any:
    """A count that may be written as text or with a point, as webhooks and tables do."""
    if isinstance(value, str) and _COUNT.fullmatch(value):
        return int(value.partition(".")[0])
    if isinstance(value, (float, Decimal)):
        whole = count({"n": value}, "n")
        return whole if whole == value else value
    return value


_COUNT = re.compile(r"[0-9]{1,18}(?:\.0*)?", re.ASCII)


def _moment(value: Any) -> Any:
    """A time in a form that every reader of times takes; None where it is none. Without an offset it is UTC."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, str):
        try:
            return _moment(datetime.fromisoformat(value))
        except ValueError:
            pass
        try:
            number = Decimal(value)
        except ArithmeticError:
            return moment(value)
        return moment(number) if number.is_finite() else None
    return moment(value)


Find = Callable[["_Bounded", Any], Any]
"""Finds something in a call."""


class _Bounded(TreeInterpreter):
    """Evaluates expressions on one item and stops where they cost too much."""

    def __init__(self) -> None:
        super().__init__(Options())
        self._steps = STEPS_MAX

    def value(self, expression: ParsedResult, call: Any) -> Any:
        """What an expression finds. Raises `ItemRefused` where it costs too much or does not fit the payload."""
        try:
            try:
                return self.visit(expression.parsed, call)
            except JMESPathTypeError:
                # The library's functions know no Decimal; amounts that are only looked up keep their digits.
                return self.visit(expression.parsed, _with_floats(call))
        except (JMESPathError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise ItemRefused(
                RejectCode.FIELD_INVALID, f"an expression of the mapping does not fit: {_short(error)}"
            ) from error

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """Visit a node and pay for it."""
        self._pay(1)
        result = super().visit(node, *args, **kwargs)
        if isinstance(result, (list, dict)):
            self._pay(len(result))
        elif isinstance(result, str):
            self._pay(len(result) // 64)
        return result

    def _pay(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise ItemRefused(RejectCode.FIELD_OUT_OF_RANGE, "the mapping's expressions cost too much on this item")


def _with_floats(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_with_floats(one) for one in value]
    if isinstance(value, dict):
        return {name: _with_floats(one) for name, one in value.items()}
    return value


def _short(error: Exception) -> str:
    """What the library says, without the payload's own values."""
    return type(error).__name__


def _finding(text: str, name: str, *, table: bool) -> Find:
    """How something is found: by the name of a column, or by an expression; a bare name needs no search."""
    if len(text) > EXPRESSION_CHARS_MAX:
        raise ConfigError(f"mapping {name}: an expression is longer than {EXPRESSION_CHARS_MAX} characters")
    if table or _NAME.fullmatch(text):
        return lambda _, call: call.get(text) if isinstance(call, dict) else None
    expression = _compiled(text, name)
    return lambda bounded, call: bounded.value(expression, call)


def _compiled(text: str, name: str) -> ParsedResult:
    try:
        return jmespath.compile(text)
    except (JMESPathError, RecursionError) as error:
        raise ConfigError(f"mapping {name}: {text!r} is no JMESPath expression: {error}") from error


def mapping_of(text: bytes, name: str, *, is_json: bool, reading: Reading = Reading.PAYLOAD) -> Mapping:
    """The mapping that a file's text describes, as TOML or JSON. Raises `ConfigError`."""
    try:
        plain = msgspec.json.decode(text) if is_json else tomllib.loads(text.decode())
        written = msgspec.convert(plain, MappingFile)
    except (msgspec.MsgspecError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"mapping {name}: {error}") from error
    return Mapping(written, written.name or name, reading)


class MappingBook(msgspec.Struct, frozen=True):
    """The mappings in force, by name and by the source of a webhook that they are bound to."""

    named: dict[str, Mapping] = {}
    bound: dict[str, Mapping] = {}

    @classmethod
    def of(cls, mappings: Sequence[Mapping]) -> "MappingBook":
        """A book of these. Raises `ConfigError` where two have one name or one source."""
        named: dict[str, Mapping] = {}
        bound: dict[str, Mapping] = {}
        for mapping in mappings:
            if mapping.name in named:
                raise ConfigError(f"two mappings are named {mapping.name}")
            if mapping.source in bound:
                raise ConfigError(f"two mappings are bound to the source {mapping.source}")
            named[mapping.name] = mapping
            if mapping.source is not None:
                bound[mapping.source] = mapping
        return cls(named, bound)
