"""The page of the MCP server names its tools, and `/llms.txt` names routes that exist."""

import asyncio
import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.docs.tables import DOCS, table_under
from tests.docs.test_commands import ROOT_COMMAND
from tollbook.app.clock import SystemClock
from tollbook.mcp.server import build

LLMS = (DOCS / "llms.txt").read_text(encoding="utf-8")


def test_every_tool_is_in_the_page_and_nothing_else_is() -> None:
    async def names() -> set[str]:
        async with httpx2.AsyncClient() as http:
            server = build(http, lambda _: "", SystemClock(), version="0")
            return {tool.name for tool in await server.list_tools()}

    assert table_under("mcp.md", "Tools").keys() == asyncio.run(names())


@pytest.mark.parametrize("route", sorted(set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /\S*)`", LLMS))))
def test_a_route_of_llms_txt_exists(route: str) -> None:
    assert route in table_under("api.md", "Routes")


def test_llms_txt_has_the_form_that_its_readers_expect() -> None:
    """A title, a summary in a quote, and sections; links that lead to this server."""
    lines = LLMS.splitlines()
    assert lines[0] == "# tollbook"
    assert lines[2].startswith("> ")
    assert re.findall(r"\]\(([^)]+)\)", LLMS) == ["/openapi.json", "/readyz"]
    named = set(re.findall(r"`tollbook (\w+)`", LLMS))
    assert named <= ROOT_COMMAND.commands.keys()


def _servers() -> Iterator[dict[str, Any]]:
    """What the page tells clients of a server, whatever they call it."""
    page = (DOCS / "mcp.md").read_text(encoding="utf-8")
    for language, text in re.findall(r"```(json|toml)\n(.*?)```", page, re.DOTALL):
        told = json.loads(text) if language == "json" else tomllib.loads(text)
        for name in ("mcpServers", "servers", "mcp_servers"):
            yield from told.get(name, {}).values()


def test_what_the_page_tells_clients_is_well_formed_and_starts_the_command() -> None:
    servers = list(_servers())
    assert len(servers) == 3
    for server in servers:
        if "url" in server:
            assert server["url"].endswith("/mcp")
            assert server["headers"]["Authorization"].startswith("Bearer ")
            continue
        assert server["command"] == "tollbook"
        command, *options = server["args"]
        ROOT_COMMAND.commands[command].make_context(command, options)
        assert server["env"].keys() == {"TOLLBOOK_URL", "TOLLBOOK_API_KEY"}
