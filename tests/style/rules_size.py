"""Sizes: of a file, of a function, of a parameter list; and the names of modules."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.style.rule import Rule
from tests.style.tree import FUNCTIONS, Finding, Source, each, words

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
POSITIONAL_MAX = 5

_VAGUE_WORDS = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"}
# Vague alone, clear with a second word: `data.py`, but `data_dir.py`.
_VAGUE_ALONE = {"data", "base", "core"}


def _file_length(source: Source) -> Iterator[Finding]:
    lines = len(source.lines)
    if lines > FILE_LINES_MAX:
        yield Finding(source.path, 1, f"{lines} lines, {FILE_LINES_MAX} at most", lines)


def _function_length(source: Source) -> Iterator[Finding]:
    for node in source.nodes(*FUNCTIONS):
        lines = node.end_lineno - node.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield source.finding(node, f"{lines} lines, {FUNCTION_LINES_MAX} at most", lines)


def _positional(source: Source) -> Iterator[Finding]:
    for node in source.nodes(*FUNCTIONS):
        names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
        count = len(names) - (names[:1] in (["self"], ["cls"]))
        if count > POSITIONAL_MAX:
            yield source.finding(node, f"{count} positional parameters, {POSITIONAL_MAX} at most", count)


def _module_names(source: Source) -> Iterator[Finding]:
    for part in PurePosixPath(source.path).with_suffix("").parts:
        if part in _VAGUE_ALONE or _VAGUE_WORDS.intersection(words(part)):
            yield Finding(source.path, 1, f"{part!r} does not say what is inside")


def _function_of(lines: int) -> str:
    return "async def f():\n" + "    x = 1\n" * (lines - 1)


RULES = (
    Rule(
        "file-length",
        "split it by what changes together; each file keeps one subject",
        each(r"(src|tests|bench)/.*\.(py|sql|lua)$", _file_length),
        bad=({"src/tollbook/a.py": "x = 1\n" * 501}, {"tests/unit/test_a.py": "x = 1\n" * 501}),
        good=({"src/tollbook/a.py": "x = 1\n" * 500},),
    ),
    Rule(
        "function-length",
        "name the steps and call them",
        each(r"(src|tests|bench)/.*\.py$", _function_length),
        bad=({"src/tollbook/a.py": _function_of(71)},),
        good=({"src/tollbook/a.py": _function_of(70)},),
    ),
    Rule(
        "positional-parameters",
        "make the rest keyword-only with `*`, or pass the struct they belong to",
        # A test takes its fixtures by position; pytest passes them by name.
        each(r"(src|bench)/.*\.py$", _positional),
        bad=(
            {"src/tollbook/a.py": "def f(a, b, c, d, e, g): ...\n"},
            {"src/tollbook/a.py": "class A:\n    def f(self, a, b, /, c, d, e, g): ...\n"},
        ),
        good=({"src/tollbook/a.py": "class A:\n    def f(self, a, b, c, d, e, *, g, h): ...\n"},),
    ),
    Rule(
        "module-name",
        "name the module after the one thing it owns, with a word of the glossary",
        each(r"(src|tests|bench)/.*\.py$", _module_names),
        bad=(
            {"src/tollbook/journal/utils.py": ""},
            {"src/tollbook/ledger/batch_helpers.py": ""},
            {"src/tollbook/common/money.py": ""},
            {"src/tollbook/pricing/data.py": ""},
        ),
        good=({"src/tollbook/app/data_dir.py": ""}, {"src/tollbook/pricing/book.py": ""}),
    ),
)
