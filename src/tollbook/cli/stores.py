"""Which stores a command works on: those of the settings, else those of the last `tollbook up`."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer
import uvloop

from tollbook.app.config import Settings
from tollbook.app.observe import configure_logs
from tollbook.app.up import Access
from tollbook.app.wiring import World
from tollbook.domain.errors import ConfigError
from tollbook.ingest.fields import check_tenant, check_text
from tollbook.ingest.refusal import ItemRefused

Result = TypeVar("Result")

Data = Annotated[
    Path | None, typer.Option("--data", help="Data directory of the `tollbook up` to talk to.", show_default=False)
]


def tenant_named(text: str) -> str:
    """The text as a tenant's name; raises `ConfigError` where no event could bear it."""
    try:
        check_tenant(text)
    except ItemRefused as refused:
        raise ConfigError(refused.detail) from refused
    return text


def source_named(text: str) -> str:
    """The text as a source's name; raises `ConfigError` where no event could bear it."""
    try:
        check_text(text, "source")
    except ItemRefused as refused:
        raise ConfigError(refused.detail) from refused
    return text


def settings_for(data: Path | None) -> Settings:
    """Settings with both stores named; raises `ConfigError` where none are known."""
    settings = Settings.from_environment()
    if (settings.postgres_url or settings.valkey_url) and data is None:
        settings.require_stores()
        return settings
    if data is not None:
        settings = msgspec.structs.replace(settings, data_dir=str(data))
    access = Access.read(settings.data_path())
    if access is None:
        raise ConfigError(
            f"no stores known: set TOLLBOOK_POSTGRES_URL and TOLLBOOK_VALKEY_URL, "
            f"or name the data directory of `tollbook up` with --data (looked in {settings.data_path()})"
        )
    return msgspec.structs.replace(settings, postgres_url=access.postgres_url, valkey_url=access.valkey_url)


def run(data: Path | None, work: Callable[[World], Awaitable[Result]], *, books: bool = False) -> Result:
    """Do some work on the stores; with `books` the world can write to the ledger."""

    settings = settings_for(data)
    # What a command prints is its answer, which scripts read; what its parts report goes to standard error.
    configure_logs(settings.log_level, "text")

    async def opened() -> Result:
        world = await World.open(settings, books=books)
        try:
            await world.directory.refresh()
            return await work(world)
        finally:
            await world.close()

    return uvloop.run(opened())
