"""Files cut into pages of events."""

import os
from collections.abc import Callable, Iterator
from enum import Enum
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tollbook.domain.errors import ConfigError
from tollbook.domain.event import Event
from tollbook.imports.streams import Piece, Stream, bare_runs, csv_rows, json_document, json_lines, parquet_rows
from tollbook.ingest.exports.found import EventMaker, Export, Found, Refused, Row
from tollbook.ingest.exports.mapping import Native
from tollbook.ingest.refusal import ItemRefused
from tollbook.pipeline.importing import PAGE_EVENTS, Page
from tollbook.ports.imports import Place

_DIGEST_BYTES = 16
_HASHED_BYTES = 1 << 20
_ROW_BYTES = 8


class Form(Enum):
    """How a file is written."""

    LINES = "jsonl"
    DOCUMENT = "json"
    CSV = "csv"
    PARQUET = "parquet"


_SUFFIXES = {
    ".jsonl": Form.LINES,
    ".ndjson": Form.LINES,
    ".json": Form.DOCUMENT,
    ".csv": Form.CSV,
    ".parquet": Form.PARQUET,
}
_READERS: dict[Form, Callable[[Stream], Iterator[Piece]]] = {
    Form.LINES: json_lines,
    Form.DOCUMENT: json_document,
    Form.CSV: csv_rows,
}


class Input(NamedTuple):
    """A file to import. `name` is what its place is remembered by; `whole`: it can only be begun at its beginning."""

    name: str
    path: Path
    form: Form
    whole: bool

    @property
    def bytes(self) -> int:
        """Its size now."""
        return self.path.stat().st_size


def form_of(path: Path) -> Form:
    """How a file is written, by its name; raises `ConfigError`."""
    suffix = path.suffixes[-2] if path.suffix == ".gz" and len(path.suffixes) > 1 else path.suffix
    form = _SUFFIXES.get(suffix.lower())
    if form is None:
        raise ConfigError(f"{path.name}: the name does not tell the form; there are {', '.join(_SUFFIXES)}")
    return form


def files_below(folder: Path, suffix: str) -> list[Path]:
    """Every file of a kind below a folder, in an order that stays; raises `ConfigError` where there is no folder."""
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder")
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        found += [Path(place, name) for name in sorted(names) if name.endswith(suffix)]
    return found


def open_parquet(path: Path) -> Any:
    """A Parquet file, read by pyarrow; raises `ConfigError` where that is not installed or cannot read it."""
    try:
        import pyarrow.parquet  # noqa: PLC0415 - of an extra that nothing else needs
    except ModuleNotFoundError as missing:
        raise ConfigError("Parquet needs pyarrow: pip install 'tollbook[imports]'") from missing
    try:
        return pyarrow.parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise ConfigError(f"{path} is no Parquet file: {error}") from error


class Pages:
    """Cuts files into pages, one after the other, with one reader for all of them."""

    def __init__(self, export: Export, maker: EventMaker, *, page_events: int = PAGE_EVENTS) -> None:
        self._export = export
        self._maker = maker
        self._page_events = page_events

    def of(self, file: Input, place: Place | None, parquet: Any = None) -> Iterator[Page]:
        """The pages of a file from a place on; none where nothing lies behind it."""
        if file.form is Form.PARQUET:
            yield from self._of_parquet(file, place, parquet)
            return
        if file.whole and place is not None and not _grew(file, place):
            return
        stream = Stream(file.path, None if file.whole else place)
        try:
            if file.form is Form.LINES and isinstance(self._export, Native) and self._export.bare:
                yield from self._bare(file, stream)
            else:
                yield from self._cut(file, stream, _READERS[file.form](stream))
        finally:
            stream.close()

    def _of_parquet(self, file: Input, place: Place | None, parquet: Any) -> Iterator[Page]:
        digest = _digest_of(file.path)
        start = place.done if place is not None and place.digest == digest else 0
        cut = _Cut(file, self._page_events)
        for piece in parquet_rows(parquet, start, self._page_events):
            self._add(cut, piece)
            if cut.full:
                yield cut.page(Place(piece.end, digest))
            cut.end = piece.end
        yield cut.page(Place(cut.end or start, digest))

    def _cut(self, file: Input, stream: Stream, pieces: Iterator[Piece]) -> Iterator[Page]:
        cut = _Cut(file, self._page_events)
        cut.end = stream.start
        for piece in pieces:
            self._add(cut, piece)
            cut.end = piece.end
            if cut.full:
                yield cut.page(None if file.whole else stream.place())
        for place, found in enumerate(self._export.end()):
            self._make(cut, found, 0, _named_after(b"", cut.end, place))
        yield cut.page(stream.place())

    def _bare(self, file: Input, stream: Stream) -> Iterator[Page]:
        """Pages of lines that are events as they stand, a page's at once."""
        cut = _Cut(file, self._page_events)
        cut.end = stream.start
        for run in bare_runs(stream, self._page_events):
            cut.rows = len(run.texts)
            for at, event in enumerate(self._maker.natives(run.texts)):
                if isinstance(event, ItemRefused):
                    cut.refused.append(Refused(run.numbers[at], event.code.value, event.detail))
                else:
                    cut.events.append(
                        event if event.id is not None else _named(event, row_name(run.texts[at], run.ends[at]))
                    )
            cut.end = stream.end
            yield cut.page(stream.place())
        if cut.end == stream.start:
            yield cut.page(stream.place())

    def _add(self, cut: "_Cut", piece: Piece) -> None:
        cut.rows += 1
        if piece.row is None:
            cut.refused.append(Refused(piece.number, piece.fault, "the row is no object"))
        else:
            self._take(cut, piece, piece.row)

    def _take(self, cut: "_Cut", piece: Piece, row: Row) -> None:
        try:
            for place, found in enumerate(self._export.rows(row)):
                self._make(cut, found, piece.number, _named_after(piece.raw, piece.end, place))
        except ItemRefused as refused:
            cut.refused.append(Refused(piece.number, refused.code.value, refused.detail))

    def _make(self, cut: "_Cut", found: Found, number: int, name: Callable[[], str]) -> None:
        try:
            events = self._maker.events(found)
        except ItemRefused as refused:
            cut.refused.append(Refused(number, refused.code.value, refused.detail))
            return
        cut.events.extend(
            _named(event, name() + (f"#{place}" if place else "")) if event.id is None else event
            for place, event in enumerate(events)
        )


class _Cut:
    """The page that fills."""

    def __init__(self, file: Input, page_events: int) -> None:
        self._name = file.name
        self._page_events = page_events
        self._from = 0
        self.end = 0
        self.rows = 0
        self.events: list[Event] = []
        self.refused: list[Refused] = []

    @property
    def full(self) -> bool:
        return len(self.events) + len(self.refused) >= self._page_events

    def page(self, place: Place | None) -> Page:
        page = Page(self._name, self.events, self.refused, self.rows, place, max(self.end - self._from, 0))
        self.events, self.refused, self.rows, self._from = [], [], 0, self.end
        return page


def _named(event: Event, name: str) -> Event:
    return msgspec.structs.replace(event, id=name)


def _named_after(raw: bytes, end: int, place: int) -> Callable[[], str]:
    """The name of a row's call, for those without an id; the second call of a row is another one."""
    return lambda: row_name(raw, end) + (f"/{place}" if place else "")


def row_name(raw: bytes, end: int) -> str:
    """The id of a row that has none: where it ends and what it holds, the same each time the file is read."""
    return f"row-{end}-{blake2b(raw, digest_size=_ROW_BYTES).hexdigest()}"


def _grew(file: Input, place: Place) -> bool:
    """Whether there is more in a file than was imported, or something else."""
    if file.bytes != place.done:
        return True
    return _digest_of(file.path) != place.digest


def _digest_of(path: Path) -> bytes:
    digest = blake2b(digest_size=_DIGEST_BYTES)
    with path.open("rb") as file:
        while found := file.read(_HASHED_BYTES):
            digest.update(found)
    return digest.digest()
