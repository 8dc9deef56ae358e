"""Files of native events, cut into pages: rows, places and what is left for another time."""

import json
from pathlib import Path

from tollbook.domain.limits import IntakeLimits
from tollbook.imports.pages import Form, Input, Pages, row_name
from tollbook.ingest.exports.found import Bounds, EventMaker
from tollbook.ingest.exports.mapping import Native
from tollbook.pipeline.importing import Page
from tollbook.ports.imports import Place


def line(number: int, **more: object) -> bytes:
    row = {"tenant": "acme", "agent": "a", "input": number, "output": 1, "model": "m"} | more
    return json.dumps(row).encode() + b"\n"


def pages(path: Path, place: Place | None = None, page_events: int = 3) -> list[Page]:
    export = Native(Bounds(tenant=None, source="file", agent="file"))
    cut = Pages(export, EventMaker(IntakeLimits()), page_events=page_events)
    return list(cut.of(Input("f", path, Form.LINES, whole=False), place))


def inputs(found: list[Page]) -> list[int]:
    return [event.input for page in found for event in page.events]


def test_pages_hold_every_row_once_and_end_where_a_file_can_be_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(line(number) for number in range(8)))
    found = pages(path)
    assert inputs(found) == list(range(8))
    assert [page.rows for page in found] == [3, 3, 2]
    assert sum(page.bytes for page in found) == path.stat().st_size
    for behind in range(3):
        assert inputs(pages(path, found[behind].place)) == inputs(found[behind + 1 :])


def test_a_broken_row_is_refused_by_its_number_and_a_blank_one_is_none(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(line(0) + b"\n" + b"{broken\n" + b"  \n" + line(4) + line(-1))
    found = pages(path)
    assert inputs(found) == [0, 4]
    assert [refused.number for page in found for refused in page.refused] == [3, 6]
    assert sum(page.rows for page in found) == 4


def test_a_row_without_an_id_is_named_by_where_it_ends_and_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [line(0), line(1, id="own"), line(2)]
    path.write_bytes(b"".join(rows))
    ends = [sum(map(len, rows[: place + 1])) for place in range(3)]
    ids = [event.id for page in pages(path, page_events=2) for event in page.events]
    assert ids == [row_name(rows[0].strip(), ends[0]), "own", row_name(rows[2].strip(), ends[2])]


def test_a_last_line_without_its_end_waits_where_it_is_no_json_yet(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    whole, begun = line(0) + line(1), line(2)[:-20]
    path.write_bytes(whole + begun)
    found = pages(path)
    assert inputs(found) == [0, 1]
    place = found[-1].place
    assert place is not None
    assert place.done == len(whole)
    path.write_bytes(whole + line(2).rstrip())
    assert inputs(pages(path, place)) == [2]


def test_a_file_without_rows_has_a_place(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"")
    assert [page.rows for page in pages(path)] == [0]


def test_a_changed_beginning_is_read_from_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(line(0) + line(1))
    place = pages(path)[-1].place
    path.write_bytes(line(5) + line(6) + line(7))
    assert inputs(pages(path, place)) == [5, 6, 7]
