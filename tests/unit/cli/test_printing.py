"""How commands print: lines that cannot act, one JSON document, codes by kind of failure, bars only for eyes."""

import json

import pytest
from rich.progress import MofNCompleteColumn

from tollbook.cli.main import AWAY, MENDABLE, REFUSED, exit_code
from tollbook.cli.output import answer, rows, say
from tollbook.cli.progress import note, progress_bar, waiting
from tollbook.client.errors import GateRefused
from tollbook.domain.alert import AlertKind
from tollbook.domain.errors import ConfigError, JournalUnavailable, LedgerConfused, LedgerUnavailable, TollbookError
from tollbook.terminal.api import AskRefused, ServerAway, ServerRefused, ServerUnlike


def test_a_line_that_is_said_cannot_act(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[2Jb\nc\u202ed\re")
    assert capsys.readouterr().out == "a\\x1b[2Jb\nc\\u202ed\\x0de\n"


def test_an_answer_is_lines_or_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    document = rows([{"name": "a\u202eb", "kind": AlertKind.THRESHOLD}])
    answer(False, document, (line for line in ("one", "two")))
    answer(True, document, "never seen")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["one", "two"]
    assert lines[2:] == ['{"rows":[{"name":"a\\u202eb","kind":"budget.threshold"}]}']
    assert json.loads(lines[2])["rows"][0]["name"] == "a\u202eb"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), MENDABLE),
        (AskRefused("x", status=404, reason="not_found"), MENDABLE),
        (ServerUnlike("x"), MENDABLE),
        (LedgerConfused("x"), MENDABLE),
        (ServerAway("x"), AWAY),
        (JournalUnavailable("x"), AWAY),
        (LedgerUnavailable("x"), AWAY),
        (ServerRefused("x"), REFUSED),
        (GateRefused("x"), REFUSED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_ends_with_the_code_of_its_kind(error: TollbookError, code: int) -> None:
    assert exit_code(error) == code


def test_nothing_moves_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    """Only remarks are printed: a bar in a log is noise."""
    with progress_bar(MofNCompleteColumn()) as bar:
        for _ in bar.track(range(3), description="partitions"):
            note("row 7: \x1b[31mtext_invalid", above=bar)
    with waiting("comparing"):
        pass
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "row 7: \\x1b[31mtext_invalid\n" * 3)
