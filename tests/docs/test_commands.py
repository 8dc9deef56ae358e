"""Every `tollbook` command line that a page shows is one that the command line takes."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from tests.docs.pages import Found, shell_lines, spans
from tests.docs.tables import DOCS
from tollbook.cli.app import build
from tollbook.cli.main import AWAY, MENDABLE, REFUSED
from tollbook.cli.tail import INTERRUPTED
from tollbook.cli.verify import BUSY

COMMAND = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S* )*tollbook(?= |$)")

ROOT_COMMAND: Any = typer.main.get_command(build())
OF_THE_ROOT = {option for parameter in ROOT_COMMAND.params for option in parameter.opts}

WITHOUT_JSON = {
    "serve": "runs until it is stopped",
    "drain": "runs until it is stopped",
    "migrate": "its exit code is its answer",
    "demo": "is a show for people",
    "mcp": "speaks a protocol of its own until its client hangs up",
    "period open": "refuses, whatever is asked",
    "source test": "prints events, one document a line, whatever is asked",
}


def _words(line: str) -> list[str]:
    """The words behind `tollbook`, up to where the shell takes over."""
    words = shlex.split(COMMAND.sub("", line), comments=True)
    ends = [position for position, word in enumerate(words) if word in {"|", "&", "&&", ">", ";"}]
    return words[: ends[0]] if ends else words


def _resolve(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words name, and what is left of them."""
    command = ROOT_COMMAND
    rest = list(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    return command, rest


def _parse(words: list[str]) -> None:
    """Fails where the command line would not take the words."""
    command, rest = _resolve(words)
    if command is ROOT_COMMAND and rest and all(word in OF_THE_ROOT for word in rest):
        return
    assert not getattr(command, "commands", None), f"no such command: {rest}"
    if "--help" not in rest:
        command.make_context(command.name, rest)


def _lines() -> list[Found]:
    return sorted({line for line in shell_lines() if COMMAND.match(line.text)})


def _mentions() -> list[Found]:
    return sorted({span for span in spans() if re.match(r"tollbook [a-z]", span.text)})


def _all_commands(command: Any = ROOT_COMMAND, path: str = "") -> Iterator[str]:
    if not getattr(command, "commands", None):
        yield path.strip()
    for name, child in getattr(command, "commands", {}).items():
        yield from _all_commands(child, f"{path} {name}")


@pytest.mark.parametrize("line", _lines(), ids=lambda line: f"{line.page}:{line.text}")
def test_a_line_of_an_example_parses(line: Found) -> None:
    _parse(_words(line.text))


@pytest.mark.parametrize("mention", _mentions(), ids=lambda mention: f"{mention.page}:{mention.text}")
def test_a_command_in_a_sentence_exists_with_its_options(mention: Found) -> None:
    command, rest = _resolve(mention.text.split()[1:])
    assert command is not ROOT_COMMAND, f"no such command: {rest}"
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    assert {word for word in rest if word.startswith("--")} <= known


def test_every_command_has_a_heading_in_its_page() -> None:
    headings = set(re.findall(r"^### `tollbook ([a-z -]+)`$", (DOCS / "cli.md").read_text(), re.MULTILINE))
    assert headings == set(_all_commands())


def test_every_option_is_in_the_page() -> None:
    page = (DOCS / "cli.md").read_text()
    for path in _all_commands():
        command, _ = _resolve(path.split())
        section = page.partition(f"\n### `tollbook {path}`\n")[2].partition("\n##")[0]
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--"):
                    assert f"`{option}" in section, f"{path}: {option}"


@pytest.mark.parametrize("path", list(_all_commands()))
def test_every_command_shows_examples_that_parse(path: str) -> None:
    command, _ = _resolve(path.split())
    heading, _, lines = (command.epilog or "").partition("Examples:\n")
    assert heading == "\b\n", f"{path}: give it epilog=examples(...)"
    for line in lines.splitlines():
        words = _words(line.strip())
        assert _resolve(words)[0] is command, line
        _parse(words)


@pytest.mark.parametrize("path", list(_all_commands()))
def test_every_command_that_answers_answers_in_json_too(path: str) -> None:
    command, _ = _resolve(path.split())
    has_json = any("--json" in parameter.opts for parameter in command.params)
    assert has_json != (path in WITHOUT_JSON), f"{path}: take `as_json: AsJson`, or say in WITHOUT_JSON why not"


def test_every_exit_code_is_documented() -> None:
    page = (DOCS / "cli.md").read_text().partition("\n## Exit codes\n")[2].partition("\n## ")[0]
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert listed == {0, 1, MENDABLE, BUSY, AWAY, REFUSED, INTERRUPTED}
