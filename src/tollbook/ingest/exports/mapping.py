"""Any file by a mapping: which column or which JMESPath expression each field of an event is read from."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError

from tollbook.domain.errors import ConfigError
from tollbook.ingest.exports.found import Bounds, Found, Row, moment, whole
from tollbook.ingest.wire import KINDS, Kind

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class MappingFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`fields` has an expression for each field of the native event, `constants` values that no row says."""

    fields: dict[str, str]
    constants: dict[str, str | int] = {}
    tags: dict[str, str] = {}


class Mapped:
    """Reads rows by a mapping."""

    def __init__(self, bounds: Bounds, mapping: MappingFile, *, columns: bool) -> None:
        self._bounds = bounds
        self._fields = [(name, KINDS[name], _reading(path, columns=columns)) for name, path in mapping.fields.items()]
        self._tags = [(name, _reading(path, columns=columns)) for name, path in mapping.tags.items()]
        self._constants = {"agent": bounds.agent, **mapping.constants, "source": bounds.source}

    def rows(self, row: Row) -> Iterator[Found]:
        """The event of a row."""
        native: dict[str, Any] = dict(self._constants)
        for name, kind, read in self._fields:
            value = read(row.fields)
            if value is None or value == "":
                continue
            match kind:
                case Kind.COUNT:
                    native[name] = whole(value)
                case Kind.MOMENT:
                    native[name] = moment(value)
                case Kind.COST | Kind.TAGS:
                    native[name] = value
                case Kind.NAME | Kind.ID | Kind.HOLD:
                    native[name] = value if isinstance(value, str) else str(value)
        if self._tags:
            tags = {name: value for name, read in self._tags if (value := read(row.fields)) not in (None, "")}
            native["tags"] = tags or None
        if self._bounds.tenant is not None:
            native["tenant"] = self._bounds.tenant
        yield Found(native)

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


def mapping_of(text: str) -> MappingFile:
    """A mapping from its TOML text; raises `ConfigError`.

    >>> mapping_of('[fields]\\ntenant = "team"\\nmodel = "request.model"').fields["model"]
    'request.model'
    """
    try:
        mapping = msgspec.convert(tomllib.loads(text), MappingFile)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"the mapping does not fit: {error}") from error
    unknown = sorted((mapping.fields.keys() | mapping.constants.keys()) - KINDS.keys())
    if unknown:
        raise ConfigError(f"the mapping names {unknown[0]!r}, which is no field of an event")
    return mapping


def _reading(path: str, *, columns: bool) -> Callable[[Mapping[str, Any]], Any]:
    """How a field is read: by the name of a column, or by an expression; a bare name needs no search."""
    if columns or _PLAIN.fullmatch(path):
        return lambda row: row.get(path)
    try:
        found = jmespath.compile(path)
    except JMESPathError as error:
        raise ConfigError(f"the mapping's {path!r} is no JMESPath expression: {error}") from error
    return found.search
