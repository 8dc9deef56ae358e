"""No stored text can act on a terminal."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tollbook.terminal.names import fitted, json_text, padded, safe

HOSTILE = {
    "an escape sequence": ("a\x1b[2J\x1b]0;title\x07b", "a\\x1b[2J\\x1b]0;title\\x07b"),
    "the one-byte form of one": ("a\x9b2Jb", "a\\x9b2Jb"),
    "a line of its own": ("a\r\nb", "a\\x0d\\x0ab"),
    "right to left": ("acme\u202etxt.exe\u202c", "acme\\u202etxt.exe\\u202c"),
    "isolates": ("a\u2067b\u2069", "a\\u2067b\\u2069"),
    "nothing to see": ("a\u200b\u200d\ufeff\u00adb", "a\\u200b\\u200d\\ufeff\\xadb"),
    "tags": ("a\U000e0041", "a\\U000e0041"),
    "other line ends": ("a\u2028\u2029\x85b", "a\\u2028\\u2029\\x85b"),
    "a lone surrogate": ("a\ud800b", "a\\ud800b"),
    "a tower of marks": ("a" + "\u0301" * 40 + "b", "a\u0301\u0301\u0301b"),
}


def acts(character: str) -> bool:
    """Whether a character can do something to a terminal, or cannot be seen."""
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_cannot_be_seen_is_shown_by_its_number(what: str) -> None:
    stored, shown = HOSTILE[what]
    assert safe(stored) == shown


@pytest.mark.parametrize("name", ["acme", "org/team", "Ünïcode ☃", "שלום", "日本電気", "💸", "a\u00a0b", "e\u0301"])
def test_letters_of_every_script_stay(name: str) -> None:
    assert safe(name) == name


@given(st.text(st.characters(codec=None)))
def test_no_text_acts(text: str) -> None:
    assert not any(map(acts, safe(text)))


@given(st.text(st.characters(codec=None)), st.integers(0, 40))
def test_a_cell_has_the_width_it_is_given(text: str, width: int) -> None:
    assert cell_len(padded(text, width)) == width
    assert cell_len(fitted(text, width)) <= width


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_json_says_the_same_and_does_not_act(document: dict[str, object]) -> None:
    line = json_text(document)
    assert json.loads(line) == document
    assert not any(map(acts, line))


def test_what_is_cut_says_so() -> None:
    assert fitted("日本電気株式会社", 7) == "日本電…"
    assert fitted("researcher", 10) == "researcher"
