"""Real MCP clients of `tollbook mcp`: over a pipe, and over HTTP."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests.integration.e2e.running import COMMAND, PATIENCE_S, Ledger, end, environment
from tollbook.embedded.home import choose_port
from tollbook.embedded.process import wait_until


def over_pipe(url: str, key: str, mode: str = "auto") -> Client:
    """A client that starts `tollbook mcp` itself, as desktop clients do."""
    env = environment(TOLLBOOK_URL=url, TOLLBOOK_API_KEY=key)
    return Client(StdioServerParameters(command=sys.executable, args=[*COMMAND[1:], "mcp"], env=env), mode=mode)


@asynccontextmanager
async def over_http(address: str, key: str, mode: str = "auto") -> AsyncIterator[Client]:
    """A client of a running `tollbook mcp --http`."""
    headers = {"authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=PATIENCE_S, trust_env=False) as http,
        Client(streamable_http_client(address, http_client=http), mode=mode) as client,
    ):
        yield client


@contextmanager
def serving(ledger: Ledger) -> Iterator[str]:
    """`tollbook mcp --http` beside a ledger; its address. It knows no key of its own."""
    port = choose_port(None)
    address = f"http://127.0.0.1:{port}/mcp"
    process = subprocess.Popen(
        [*COMMAND, "mcp", "--http", f"127.0.0.1:{port}"],
        env=environment(TOLLBOOK_URL=ledger.api),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )

    def answers() -> bool:
        assert process.poll() is None
        try:
            return httpx2.get(address, trust_env=False).status_code == 401
        except httpx2.TransportError:
            return False

    try:
        assert wait_until(answers, deadline_seconds=PATIENCE_S, every_seconds=0.05)
        yield address
    finally:
        end(process)


async def told(client: Client, tool: str, **arguments: Any) -> Any:
    """What a tool answers, which must succeed: its structured content, which its text repeats."""
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    assert answer.structured_content is not None
    return answer.structured_content


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    """What a tool that fails says."""
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error, answer
    return "".join(part.text for part in answer.content if part.type == "text")


def shown(value: object) -> str:
    """A value as one text, to look for what must not be in it."""
    return json.dumps(value)
