"""`tollbook source`."""

import getpass
import secrets
from enum import StrEnum
from typing import Annotated

import typer

from tollbook.app.wiring import World
from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer, rows
from tollbook.cli.stores import Data, run, source_named, tenant_named
from tollbook.domain.errors import ConfigError
from tollbook.domain.source import Source, SourceKind, SourceStanding
from tollbook.ledger.sources import PostgresSources
from tollbook.sources.instanode import BASE, STORED_MAX

app = typer.Typer(help="Sources that have to be fetched: webhook inboxes elsewhere.", no_args_is_help=True)


class Kind(StrEnum):
    """Whose inbox it is."""

    INSTANODE = "instanode"


@app.command(
    epilog=examples(
        "tollbook source add instanode --webhook-token 0c8f6a1e-4b7d-4c2a-9f10-6f2f0a9e7b11",
        "tollbook source add instanode --webhook-token 0c8f6a1e --name agents --tenant acme",
    )
)
def add(
    kind: Kind,
    webhook_token: Annotated[str, typer.Option(help="The last part of the webhook's receive_url; a secret.")],
    name: Annotated[str | None, typer.Option(help="The source of the events.", show_default="the kind")] = None,
    base: Annotated[str, typer.Option(help="Where the API is.")] = BASE,
    bearer: Annotated[
        str | None, typer.Option(help="The team's token, needed once the webhook is claimed.", show_default=False)
    ] = None,
    *,
    stored: Annotated[int, typer.Option(help="How many requests the inbox keeps.", min=1)] = STORED_MAX,
    tenant: Annotated[str | None, typer.Option(help="Take events of this tenant only.", show_default="all")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Poll a webhook inbox from now on; the token and the bearer are not shown again."""
    if not base.startswith(("https://", "http://")) or not webhook_token.isascii() or "/" in webhook_token:
        raise ConfigError("--base is the address of an API, and --webhook-token the last part of its receive_url")
    named = source_named(name or kind.value)
    whose = None if tenant is None else tenant_named(tenant)

    async def added(world: World) -> bool:
        source = Source(
            source_id=secrets.token_hex(6),
            kind=SourceKind(kind.value),
            name=named,
            base=base.rstrip("/"),
            token=webhook_token,
            bearer=bearer,
            tenant=whose,
            stored_max=stored,
            created_at=world.clock.now(),
        )
        return await PostgresSources(world.pool, world.queries).add(source, getpass.getuser())

    if not run(data, added):
        raise ConfigError(f"there is a source {named} already; `tollbook source remove` it first, or give a --name")
    document = {"name": named, "kind": kind.value, "tenant": whose, "base": base.rstrip("/")}
    answer(as_json, document, f"{named} is polled by the drains")


@app.command("list", epilog=examples("tollbook source list", "tollbook source list --json"))
def list_sources(as_json: AsJson = False, data: Data = None) -> None:
    """List every source by name, without its secrets."""
    found = run(data, _standings)
    answer(as_json, rows(found), map(_line, found))


@app.command(epilog=examples("tollbook source status", "tollbook source status --json"))
def status(as_json: AsJson = False, data: Data = None) -> None:
    """Show how polling goes: the state, what was taken, and gaps."""
    found = run(data, _standings)
    answer(as_json, rows(found), map(_status_line, found))


@app.command(epilog=examples("tollbook source remove instanode"))
def remove(name: str, as_json: AsJson = False, data: Data = None) -> None:
    """Stop polling a source and forget which of its requests were taken."""
    if not run(data, lambda world: PostgresSources(world.pool, world.queries).remove(name, getpass.getuser())):
        raise ConfigError(f"there is no source {name}; `tollbook source list` shows them all")
    answer(as_json, {"name": name, "state": "removed"}, f"{name} is removed")


def _line(source: SourceStanding) -> str:
    bearer = "bearer" if source.has_bearer else "no bearer"
    return f"{source.name:20}  {source.kind}  {source.tenant or 'all tenants':20}  {bearer:9}  {source.base}"


def _status_line(source: SourceStanding) -> str:
    polled = "never" if source.polled_at is None else f"{source.polled_at:%Y-%m-%dT%H:%M:%SZ}"
    gap = "" if source.gap_at is None else f" (last {source.gap_at:%Y-%m-%dT%H:%M:%SZ})"
    return (
        f"{source.name:20}  {source.state}  polled {polled}  {source.requests} requests  {source.events} events  "
        f"{source.refused} refused  {source.gaps} gaps{gap}  {source.detail}".rstrip()
    )


async def _standings(world: World) -> list[SourceStanding]:
    return await PostgresSources(world.pool, world.queries).standings()
