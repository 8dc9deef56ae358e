"""A file as rows that each know where they end, begun at a place it had before."""

import csv
import gzip
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import msgspec

from tollbook.domain.errors import ConfigError, RejectCode
from tollbook.ingest.exports.found import Row
from tollbook.ports.imports import Place

_DIGEST_BYTES = 16
_READ_BYTES = 1 << 20
_CELL_BYTES_MAX = 64 << 20
_LINE_BYTES_MAX = 64 << 20


class Piece(NamedTuple):
    """One row, or why it is none, and how many bytes of the file lie before its end."""

    number: int
    row: Row | None
    fault: str
    end: int
    raw: bytes


class Stream:
    """The bytes of a file from a place on, with the digest of all that lies before the reader."""

    def __init__(self, path: Path, place: Place | None) -> None:
        self.path = path
        self._digest = blake2b(digest_size=_DIGEST_BYTES)
        self._held = b""
        self._file = _opened(path)
        self.start = self._taken_up(place) if place is not None else 0
        self._end = self.start

    def _taken_up(self, place: Place) -> int:
        left = place.done
        while left:
            found = self._file.read(min(_READ_BYTES, left))
            if not found:
                break
            self._digest.update(found)
            left -= len(found)
        if not left and self._digest.digest() == place.digest:
            return place.done
        self._digest = blake2b(digest_size=_DIGEST_BYTES)
        self._file.seek(0)
        return 0

    def lines(self) -> Iterator[tuple[bytes, int]]:
        """Lines with where they end."""
        for line in self._file:
            self._require_line(line)
            self._held = line
            self._end += len(line)
            yield line, self._end
            self._digest.update(self._held)
            self._held = b""

    def runs(self, lines_max: int) -> Iterator[list[bytes]]:
        """Lines, many at once; `place` is behind the last of them."""
        lines: list[bytes] = []
        size = 0
        for line in self._file:
            self._require_line(line)
            lines.append(line)
            size += len(line)
            if len(lines) >= lines_max or size >= _READ_BYTES:
                yield from self._given(lines)
                lines, size = [], 0
        if lines:
            yield from self._given(lines)

    def _given(self, lines: list[bytes]) -> Iterator[list[bytes]]:
        self._held = b"".join(lines)
        self._end += len(self._held)
        yield lines
        self._digest.update(self._held)
        self._held = b""

    def _require_line(self, line: bytes) -> None:
        if len(line) > _LINE_BYTES_MAX:
            raise ConfigError(f"{self.path} has a line of more than {_LINE_BYTES_MAX >> 20} MiB: it is no lines")

    @property
    def end(self) -> int:
        """Bytes before the end of what was given."""
        return self._end

    def give_back(self, line: bytes) -> None:
        """Leave the last line for another time."""
        self._end -= len(line)
        self._held = self._held[: -len(line)]

    def place(self) -> Place:
        """Behind the last line that was given."""
        digest = self._digest.copy()
        digest.update(self._held)
        return Place(self._end, digest.digest())

    def close(self) -> None:
        """Let the file go."""
        self._file.close()


def json_lines(stream: Stream) -> Iterator[Piece]:
    """JSON lines; a last one without its end is left out where it is no JSON yet."""
    for number, (line, end) in enumerate(stream.lines(), 1):
        text = line.strip()
        if not text:
            continue
        try:
            found = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            if not line.endswith(b"\n"):
                stream.give_back(line)
                return
            yield Piece(number, None, RejectCode.JSON_INVALID.value, end, text)
            continue
        if isinstance(found, dict):
            yield Piece(number, Row(number, found), "", end, text)
        else:
            yield Piece(number, None, RejectCode.ITEM_NOT_OBJECT.value, end, text)


class Run(NamedTuple):
    """Lines as they are, for who decodes them: `numbers` and `ends` are those of `texts`, which are stripped."""

    numbers: Sequence[int]
    texts: list[bytes]
    ends: Sequence[int]


def bare_runs(stream: Stream, lines_max: int) -> Iterator[Run]:
    """Lines that are not blank; a last one without its end is left out where it is no JSON yet."""
    before = 0
    at = stream.start
    for lines in stream.runs(lines_max):
        last = lines[-1]
        if not last.endswith(b"\n") and last.strip() and not _is_json(last.strip()):
            stream.give_back(lines.pop())
        texts = [line.strip() for line in lines]
        numbers: Sequence[int] = range(before + 1, before + len(lines) + 1)
        ends: Sequence[int] = list(accumulate(map(len, lines), initial=at))[1:]
        before += len(lines)
        at = stream.end
        if not all(texts):
            kept = [place for place, text in enumerate(texts) if text]
            texts, numbers, ends = (
                [texts[place] for place in kept],
                [numbers[place] for place in kept],
                [ends[place] for place in kept],
            )
        yield Run(numbers, texts, ends)


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def json_document(stream: Stream) -> Iterator[Piece]:
    """One JSON document: an array of rows, or an object with one under `data`, `items` or `events`."""
    body, end = b"", 0
    for line, after in stream.lines():
        body, end = body + line, after
    if not body.strip():
        return
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ConfigError(f"{stream.path} is no JSON document: {error}") from error
    if isinstance(found, dict):
        found = next(
            (found[name] for name in ("data", "items", "events") if isinstance(found.get(name), list)), [found]
        )
    for number, fields in enumerate(found, 1):
        raw = msgspec.json.encode(fields)
        if isinstance(fields, dict):
            yield Piece(number, Row(number, fields), "", end, raw)
        else:
            yield Piece(number, None, RejectCode.ITEM_NOT_OBJECT.value, end, raw)


def csv_rows(stream: Stream) -> Iterator[Piece]:
    """CSV with a header; a cell may hold line ends."""
    # The module's bound of 128 KiB is less than a prompt that LiteLLM kept.
    csv.field_size_limit(_CELL_BYTES_MAX)
    header = _header(stream.path)
    seen = _Seen()
    rows = csv.reader(seen.texts(stream.lines()))
    if stream.start == 0:
        next(rows, None)
    for number, cells in enumerate(rows, 1):
        if not cells:
            continue
        fields = dict(zip(header, cells, strict=False))
        raw = "\x1f".join(cells).encode()
        if len(cells) != len(header):
            yield Piece(number, None, RejectCode.FIELD_INVALID.value, seen.end, raw)
        else:
            yield Piece(number, Row(number, fields), "", seen.end, raw)


class _Seen:
    """How far a reader has read that takes lines as it needs them."""

    def __init__(self) -> None:
        self.end = 0

    def texts(self, lines: Iterator[tuple[bytes, int]]) -> Iterator[str]:
        for line, end in lines:
            self.end = end
            yield line.decode("utf-8-sig" if end == len(line) else "utf-8", "replace")


def _header(path: Path) -> list[str]:
    with _opened(path) as file:
        rows = csv.reader(line.decode("utf-8-sig", "replace") for line in islice(file, 1_000))
        return next(rows, [])


def _opened(path: Path) -> BinaryIO:
    try:
        return cast(BinaryIO, gzip.GzipFile(path, "rb")) if path.suffix == ".gz" else path.open("rb")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error


def parquet_rows(parquet: Any, start: int, page_rows: int) -> Iterator[Piece]:
    """Rows of a Parquet file behind the first `start`; `end` counts rows."""
    number = 0
    for batch in parquet.iter_batches(batch_size=page_rows):
        if number + batch.num_rows <= start:
            number += batch.num_rows
            continue
        for fields in batch.to_pylist():
            number += 1
            if number > start:
                yield Piece(number, Row(number, fields), "", number, repr(fields).encode())
