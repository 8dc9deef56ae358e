"""Every code that a caller can meet is in docs/errors.md, and nothing else is."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import tollbook.api
import tollbook.views
import tollbook.web
from tests.docs.tables import table_under
from tollbook.domain.errors import RejectCode, StoreError, TollbookError
from tollbook.pipeline.accept import Overloaded
from tollbook.pipeline.commits import CommitTimeout

REFUSALS = table_under("errors.md", "Refusals")
FAILURES = table_under("errors.md", "Failures")
ANSWERS = table_under("errors.md", "Answers of the API")

_PROBLEM = re.compile(
    r'(?:Problem|Refusal)\(\s*\d{3},\s*"(\w+)"|unavailable\([^()]*,\s*"(\w+)"\)|^    \d{3}: "(\w+)",$', re.MULTILINE
)


def _tree(kind: type[TollbookError]) -> Iterator[type[TollbookError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


# Only the tree drawn in domain/errors.py: a test elsewhere may derive a failure of its own.
KINDS = {kind.code: kind for kind in _tree(TollbookError) if kind.__module__ == TollbookError.__module__}


def test_every_refusal_is_documented() -> None:
    assert REFUSALS.keys() == set(RejectCode)


def test_every_failure_is_documented() -> None:
    assert FAILURES.keys() == KINDS.keys() - {TollbookError.code}


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_a_refusal_says_its_status_meaning_and_remedy(code: str) -> None:
    status, meaning, remedy = REFUSALS[code]
    assert int(status) in {400, 403, 413, 415, 422}
    assert meaning.endswith(".")
    assert remedy.endswith(".")


@pytest.mark.parametrize("code", sorted(FAILURES))
def test_a_failure_says_if_the_same_try_may_succeed_later(code: str) -> None:
    retry, meaning, remedy = FAILURES[code]
    assert retry == ("yes" if KINDS[code].retryable else "no")
    assert meaning.endswith(".")
    assert remedy.endswith(".")


def test_every_answer_of_the_api_is_documented() -> None:
    rooms = (tollbook.api, tollbook.views, tollbook.web)
    sources = [file.read_text() for room in rooms for file in Path(next(iter(room.__path__))).rglob("*.py")]
    written = {code for source in sources for found in _PROBLEM.findall(source) for code in found if code}
    of_stores = {kind.code for kind in (Overloaded, CommitTimeout) if issubclass(kind, StoreError)}
    assert (written | of_stores) - set(RejectCode) - FAILURES.keys() | {"request_invalid"} == ANSWERS.keys()


@pytest.mark.parametrize("code", sorted(ANSWERS))
def test_an_answer_says_its_status_meaning_and_remedy(code: str) -> None:
    status, meaning, remedy = ANSWERS[code]
    assert 400 <= int(status) < 600
    assert meaning.endswith(".")
    assert remedy.endswith(".")
