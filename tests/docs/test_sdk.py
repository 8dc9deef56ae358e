"""docs/sdk.md: its examples run, its settings and errors are those of the code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tollbook
from tests.docs.tables import DOCS, table_under
from tests.integration.client.gate_double import Gate, serving
from tollbook.client.settings import ClientSettings
from tollbook.domain.errors import TollbookError

SETTINGS = table_under("sdk.md", "Settings")
ERRORS = table_under("sdk.md", "Errors")
FIELDS = {field.name: field for field in msgspec.structs.fields(ClientSettings)}
EXAMPLES = re.findall(r"```python\n(.*?)```", (DOCS / "sdk.md").read_text(encoding="utf-8"), re.DOTALL)


class Provider:
    """A model's SDK that answers at once."""

    def complete(self, **asked: Any) -> dict[str, object]:
        return {"input": 1_200, "output": 340, "model": asked["model"]}

    async def complete_async(self, **asked: Any) -> dict[str, object]:
        return self.complete(**asked)

    def stream(self, **_: Any) -> Iterator[tuple[int, str]]:
        yield from ((tokens, "text") for tokens in range(100, 1_500, 200))

    def usage_of_stream(self) -> dict[str, object]:
        return {"input": 1_200, "output": 1_300}


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[str, Gate]]:
    monkeypatch.setenv("TOLLBOOK_SPOOL_PATH", str(tmp_path / "outbox.db"))
    with serving() as found:
        yield found


def test_every_example_runs(gate: tuple[str, Gate]) -> None:
    url, booked = gate
    names: dict[str, object] = {"provider": Provider()}
    for example in EXAMPLES:
        there = example.replace("http://127.0.0.1:8787", url).replace("tb_…", "tb_key")
        exec(compile(there, "docs/sdk.md", "exec"), names)
    agents = {event["agent"].partition("#")[0] for event in booked.events.values()}
    assert {"main", "planner/researcher", "fetcher"} <= agents
    assert len(booked.events) == 16


def test_every_setting_is_documented_with_its_default() -> None:
    assert SETTINGS.keys() == FIELDS.keys()
    for name, (default, meaning) in SETTINGS.items():
        assert default == (f"`{FIELDS[name].default}`" if FIELDS[name].default != "" else "unset"), name
        assert meaning.endswith(".")


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_an_error_has_the_code_it_is_said_to_have(name: str) -> None:
    code, retryable, meaning = ERRORS[name]
    kind = getattr(tollbook, name)
    assert code == f"`{kind.code}`"
    assert retryable == ("yes" if kind.retryable else "no")
    assert meaning.endswith(".")


def test_every_exported_error_is_documented() -> None:
    exported = {name for name in tollbook.__all__ if isinstance(getattr(tollbook, name), type)}
    kinds = {name for name in exported if issubclass(getattr(tollbook, name), TollbookError)}
    assert kinds - {"TollbookError"} == ERRORS.keys()
