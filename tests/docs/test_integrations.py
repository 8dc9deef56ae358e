"""docs/integrations: every example runs, against a provider and a gate on the loopback."""

import asyncio
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.tables import DOCS
from tests.integration.client.gate_double import Gate, serving
from tests.integration.client.providers.server import Provider, running_provider

PAGES = {
    "openai.md": ("openai", ["main", "planner/researcher"]),
    "anthropic.md": ("anthropic", ["writer"]),
    "google-genai.md": ("google.genai", ["researcher"]),
    "langchain.md": ("langchain_openai", ["planner"]),
    "openai-agents.md": ("agents", ["planner"]),
    "claude-agent-sdk.md": ("claude_agent_sdk", ["coder", "coder/researcher"]),
    "litellm.md": ("litellm", ["planner/researcher"]),
}


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Gate]:
    """A gate that the examples find in the environment."""
    with serving() as (url, found):
        for name, value in {
            "TOLLBOOK_URL": url,
            "TOLLBOOK_API_KEY": "tb_key",
            "TOLLBOOK_TENANT": "acme",
            "TOLLBOOK_SPOOL_PATH": str(tmp_path / "outbox.db"),
        }.items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """A provider that the examples' clients find in the environment."""
    with running_provider() as found:
        for name, value in {
            "OPENAI_BASE_URL": f"{found.url}/v1",
            "ANTHROPIC_BASE_URL": found.url,
            "GOOGLE_GEMINI_BASE_URL": found.url,
            "OPENAI_API_KEY": "k",
            "ANTHROPIC_API_KEY": "k",
            "GEMINI_API_KEY": "k",
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
            "ANTHROPIC_OPEN_TELEMETRY": "false",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LANGSMITH_TRACING": "false",
        }.items():
            monkeypatch.setenv(name, value)
        yield found


def examples(page: str) -> list[str]:
    """The Python of a page."""
    return re.findall(r"```python\n(.*?)```", (DOCS / "integrations" / page).read_text(encoding="utf-8"), re.DOTALL)


def test_every_page_is_run() -> None:
    assert {page.name for page in (DOCS / "integrations").glob("*.md")} - {"README.md"} == PAGES.keys()


# Whatever the packages warn of is theirs.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("page", PAGES)
def test_every_example_runs(page: str, gate: Gate, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    package, agents = PAGES[page]
    pytest.importorskip(package)
    if package == "claude_agent_sdk":
        _replay(monkeypatch)
    names: dict[str, Any] = {}
    for example in examples(page):
        exec(compile(example, f"docs/integrations/{page}", "exec"), names)
    if package == "litellm":
        # What its loop did not get to LiteLLM tells when the interpreter ends.
        importlib.import_module("litellm.litellm_core_utils.logging_worker").GLOBAL_LOGGING_WORKER._flush_on_exit()
        names["litellm"].logging_callback_manager._reset_all_callbacks()
    for client in [value for value in names.values() if type(value).__module__ == "tollbook.client.client"]:
        client.flush(30) if type(client).__name__ == "Client" else asyncio.run(client.flush(30))
    gate.await_events(len(provider.book.served) or 2)
    assert sorted({event["agent"] for event in gate.events.values()}) == agents
    assert gate.holds == {}
    if provider.book.served:
        totals = [(event["input"], event["output"]) for event in gate.events.values()]
        assert (sum(one for one, _ in totals), sum(one for _, one in totals)) == provider.book.total()


def _replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claude Code's messages instead of Claude Code."""
    tests = importlib.import_module("tests.integration.client.integrations.test_claude_agent")
    ours = importlib.import_module("tollbook.client.integrations.claude_agent")
    real = ours.sdk_query
    monkeypatch.setattr(ours, "sdk_query", lambda **given: real(**given, transport=tests.Replay(tests.RUN)))
