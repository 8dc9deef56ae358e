"""`tollbook mcp`: the ledger as tools for language models."""

import sys
from typing import Annotated

import typer

import tollbook
from tollbook.app.clock import SystemClock
from tollbook.app.door import Door
from tollbook.app.observe import configure_logs
from tollbook.cli.examples import examples
from tollbook.client.settings import ClientSettings
from tollbook.domain.errors import ConfigError

EXAMPLES = examples(
    "TOLLBOOK_URL=http://127.0.0.1:8787 TOLLBOOK_API_KEY=tb_... tollbook mcp",
    "TOLLBOOK_URL=http://127.0.0.1:8787 tollbook mcp --http 127.0.0.1:8788",
)

_EXTRA = "`tollbook mcp` needs the MCP SDK: pip install 'tollbook[server,mcp]'"


def mcp(
    http: Annotated[
        str,
        typer.Option("--http", metavar="HOST:PORT", help="Serve HTTP at /mcp there, each caller under its own key."),
    ] = "",
) -> None:
    """Serve language models with tools: over standard input and output under TOLLBOOK_API_KEY, or over HTTP."""
    settings = ClientSettings.chosen({})
    url = settings.require_url()
    host, port = _address(http)
    configure_logs("warning", "text")
    try:
        from tollbook.mcp.serving import serve_http, serve_stdio  # noqa: PLC0415 - an extra: the import is what tells
    except ModuleNotFoundError as missing:
        raise ConfigError(f"{_EXTRA} (missing: {missing.name})") from missing
    if http:
        print(f"serving http://{http}/mcp", file=sys.stderr)
        serve_http(url, host, port, SystemClock(), version=tollbook.__version__, protocol=Door)
        return
    if not settings.api_key:
        raise ConfigError("the server knows no key: TOLLBOOK_API_KEY")
    serve_stdio(url, settings.api_key, SystemClock(), version=tollbook.__version__)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not text:
        return "", 0
    if not host or not port.isdigit() or int(port) > 65_535:
        raise ConfigError(f"--http is an address like 127.0.0.1:8788, not {text[:64]!r}")
    return host.strip("[]"), int(port)
