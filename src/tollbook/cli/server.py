"""Which server a command asks: that of the settings, else that of the last `tollbook up`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tollbook.app.config import Settings
from tollbook.app.up import Access
from tollbook.cli.stores import tenant_named
from tollbook.client.settings import ClientSettings
from tollbook.domain.errors import ConfigError, TollbookError
from tollbook.terminal.answers import Spend
from tollbook.terminal.api import Reader

_COMPLETION_TIMEOUT_S = 1.0
_COMPLETIONS_MAX = 200
_HARMLESS = re.compile(r"[\w.@+/-]+")

Url = Annotated[
    str | None, typer.Option("--url", help="The server's address; its key is TOLLBOOK_API_KEY.", show_default=False)
]
AccessData = Annotated[
    Path | None,
    typer.Option("--data", help="Data directory of the `tollbook up` to ask, with its key.", show_default=False),
]


@contextmanager
def asking(url: str | None, data: Path | None) -> Iterator[Reader]:
    """A reader of the server meant, closed afterwards; raises `ConfigError` where none is known."""
    reader = reader_of(url, data)
    try:
        yield reader
    finally:
        reader.close()


def reader_of(url: str | None, data: Path | None, *, timeout_s: float = 30.0) -> Reader:
    """The server of `--url`, of `--data`, of `TOLLBOOK_URL`, or of the last `up`, in this order."""
    settings = ClientSettings.chosen({"url": url})
    if url is not None and data is not None:
        raise ConfigError("name a server by --url or by --data, not by both")
    if settings.url and data is None:
        if not settings.api_key:
            raise ConfigError(f"set TOLLBOOK_API_KEY to a key of {settings.url}")
        return Reader(settings.require_url(), settings.api_key, hint="is it running?", timeout_s=timeout_s)
    path = data or Settings.from_environment().data_path()
    access = Access.read(path)
    if access is None:
        raise ConfigError(
            "no server known: set TOLLBOOK_URL and TOLLBOOK_API_KEY, "
            f"or name the data directory of `tollbook up` with --data (looked in {path})"
        )
    hint = f"start it with `tollbook up --data {path}`"
    return Reader(access.api, access.admin_key, hint=hint, timeout_s=timeout_s)


def complete_tenant(incomplete: str) -> list[str]:
    """Tenants that spent something today, for a shell's completion; none where the server does not answer at once."""
    try:
        reader = reader_of(None, None, timeout_s=_COMPLETION_TIMEOUT_S)
        try:
            found = reader.get("/v1/spend", Spend, {"by": "tenant"})
        finally:
            reader.close()
    except (TollbookError, OSError):
        return []
    names = sorted(row.tenant for row in found.rows if row.tenant.startswith(incomplete))
    # Shells evaluate what completes: a name of any other form is typed by hand.
    return [name for name in names if _HARMLESS.fullmatch(name)][:_COMPLETIONS_MAX]


TenantOption = Annotated[
    str | None,
    typer.Option("--tenant", help="This tenant alone.", show_default="all", autocompletion=complete_tenant),
]


def own(tenant: str | None) -> str | None:
    """The tenant named, or None; raises `ConfigError` where no event could bear the name."""
    return None if tenant is None else tenant_named(tenant)
