"""One item alone: decoded, or refused with the field and the bound it breaks."""

from datetime import datetime
from functools import lru_cache

import msgspec

from tollbook.domain.errors import RejectCode
from tollbook.domain.event import Event, Observer
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.fields import Judge
from tollbook.ingest.refusal import ItemRefused
from tollbook.ingest.text import is_deeper, openings, readable
from tollbook.ingest.wire import COUNTS, KINDS, Kind, Wire, codec_for


class ItemReader:
    """Reads single items: a body of one, a line, an element of a batch that holds a bad one.

    `plain` says that no string of the request can break a rule about characters (see `text.is_plain`).
    """

    __slots__ = ("codec", "judge", "limits", "plain")

    def __init__(self, limits: IntakeLimits, *, plain: bool) -> None:
        self.limits = limits
        self.plain = plain
        self.codec = codec_for(limits)
        self.judge = Judge(limits, plain=plain)

    def text(self, text: bytes) -> Event:
        """The event of one JSON text. Raises `ItemRefused`."""
        if not self.plain:
            text = readable(text)
        wire = None
        try:
            try:
                return self.judge.direct(self.codec.direct_one.decode(text))
            except msgspec.ValidationError:
                pass
            try:
                return self.judge.observed(self.codec.observed_one.decode(text))
            except msgspec.ValidationError:
                pass
            try:
                wire = self.codec.one.decode(text)
            except msgspec.ValidationError:
                # Tells a wrong value from a broken or endless text, which counts before any value does.
                msgspec.json.decode(text, type=msgspec.Raw)
        except RecursionError as error:
            raise too_deep(self.limits) from error
        except msgspec.DecodeError as error:
            raise ItemRefused(RejectCode.JSON_INVALID, str(error)) from error
        if openings(text) > self.limits.nesting_max and is_deeper(text, self.limits.nesting_max):
            raise too_deep(self.limits)
        return self.judge.built(self._loose(text) if wire is None else wire)

    def element(self, raw: msgspec.Raw) -> Event:
        """The event of one valid JSON value that is not too deep. Raises `ItemRefused`."""
        try:
            wire = self.codec.one.decode(raw)
        except msgspec.ValidationError:
            wire = self._loose(raw)
        return self.judge.built(wire)

    def _loose(self, raw: bytes | msgspec.Raw) -> Wire:
        try:
            wire = self.codec.loose.decode(raw)
        except msgspec.ValidationError as error:
            raise self._why(raw, error) from error
        for field in COUNTS:
            value: int | float | None = getattr(wire, field)
            if isinstance(value, float):
                if not value.is_integer():
                    raise ItemRefused(RejectCode.FIELD_INVALID, f"`{field}` must be a whole number of tokens")
                setattr(wire, field, int(value))
        return wire

    def _why(self, raw: bytes | msgspec.Raw, error: msgspec.ValidationError) -> ItemRefused:
        try:
            tokens = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        except msgspec.ValidationError:
            return ItemRefused(RejectCode.ITEM_NOT_OBJECT, "an event is a JSON object")
        for field, kind in KINDS.items():
            token = tokens.get(field)
            if token is None:
                continue
            try:
                self.codec.kinds[kind].decode(token)
            except msgspec.ValidationError:
                code, rule = self._rule_broken(kind, bytes(token))
                return ItemRefused(code, f"`{field}` {rule}")
        # A repeated field: the decoder judged an occurrence that a later one of the same name covers.
        return ItemRefused(RejectCode.FIELD_INVALID, str(error))

    def _rule_broken(self, kind: Kind, token: bytes) -> tuple[RejectCode, str]:
        limits = self.limits
        match kind:
            case Kind.NAME | Kind.ID:
                chars_max = limits.name_chars_max if kind is Kind.NAME else limits.id_chars_max
                if token == b'""':
                    return RejectCode.TEXT_INVALID, "is blank"
                code = RejectCode.FIELD_OUT_OF_RANGE if token[:1] == b'"' else RejectCode.FIELD_INVALID
                return code, f"must be text of 1 to {chars_max} characters"
            case Kind.COUNT:
                is_number = token[:1].isdigit() or token[:1] == b"-"
                code = RejectCode.FIELD_OUT_OF_RANGE if is_number else RejectCode.FIELD_INVALID
                return code, f"must be a whole number of tokens from 0 to {limits.tokens_max}"
            case Kind.MOMENT:
                if _is_naive(token):
                    return RejectCode.FIELD_INVALID, "has no offset: end it with Z or one like +02:00"
                return (
                    RejectCode.FIELD_INVALID,
                    "must be RFC 3339 text with an offset, or Unix seconds (milliseconds from 1e11)",
                )
            case Kind.TAGS:
                code = RejectCode.FIELD_OUT_OF_RANGE if _are_tags(token) else RejectCode.FIELD_INVALID
                return code, (
                    f"must be an object of at most {limits.tags_max} tags, keys of 1 to "
                    f"{limits.tag_key_chars_max} characters, values text of at most "
                    f"{limits.tag_value_chars_max} characters, numbers or booleans"
                )
            case Kind.COST:
                return RejectCode.FIELD_INVALID, "must be an amount of dollars"
            case Kind.UNITS:
                return RejectCode.FIELD_INVALID, (
                    f"must be an object of at most {limits.units_max} units by the price data's names, each a whole "
                    f"number from 0 to {limits.tokens_max}"
                )
            case Kind.CONTEXT:
                return RejectCode.FIELD_INVALID, (
                    f"must be an object of at most {limits.units_max} texts by the price data's names, such as "
                    f"inference_geo, each of 1 to {limits.name_chars_max} characters"
                )
            case Kind.OBSERVER:
                named = ", ".join(observer.value for observer in Observer)
                return RejectCode.FIELD_INVALID, f"must be one of {named}"
            case Kind.FLAG:
                return RejectCode.FIELD_INVALID, "must be true or false"
            case Kind.HOLD:
                return RejectCode.FIELD_INVALID, "must be the id of a hold, or of a lease with the number of a part"


@lru_cache(maxsize=16)
def reader_for(limits: IntakeLimits, plain: bool) -> ItemReader:
    """The reader of such requests. It holds nothing of any of them, hence one serves all."""
    return ItemReader(limits, plain=plain)


def too_deep(limits: IntakeLimits) -> ItemRefused:
    """The refusal of a text that nests deeper than `limits.nesting_max`."""
    return ItemRefused(RejectCode.TOO_DEEP, f"nested deeper than {limits.nesting_max} levels")


def _is_naive(token: bytes) -> bool:
    try:
        return msgspec.json.decode(token, type=datetime).tzinfo is None
    except msgspec.ValidationError:
        return False


def _are_tags(token: bytes) -> bool:
    try:
        msgspec.json.decode(token, type=dict[str, str | bool | int | float | None])
    except msgspec.ValidationError:
        return False
    return True
