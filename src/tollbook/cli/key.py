"""`tollbook key`."""

import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer

from tollbook.app.wiring import World
from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer, rows
from tollbook.cli.stores import Data, run, tenant_named
from tollbook.domain.access import Role
from tollbook.domain.errors import ConfigError
from tollbook.pipeline.child_keys import Share, Wish, mint_child, principal_of
from tollbook.pipeline.directory import mint_key
from tollbook.ports.config import KeyListing

app = typer.Typer(help="Keys for the API: admin, ingest or read, for one tenant or for all.", no_args_is_help=True)


@app.command(
    epilog=examples(
        'tollbook key create ingest --tenant acme --note "agents of acme"',
        "tollbook key create read",
        "tollbook key create ingest --parent 5cad18726755 --agent planner/researcher --share-usd 2.50",
    )
)
def create(
    role: Role,
    *,
    tenant: Annotated[str | None, typer.Option(help="Bind the key to this tenant.", show_default="all")] = None,
    note: Annotated[str, typer.Option(help="What the key is for.")] = "",
    parent: Annotated[str | None, typer.Option(help="Make it below this key: narrower, and revoked with it.")] = None,
    agent: Annotated[str | None, typer.Option(help="With --parent: speak for this agent and what is below.")] = None,
    of_run: Annotated[str | None, typer.Option("--run", help="With --parent: speak for this run alone.")] = None,
    share_usd: Annotated[str | None, typer.Option(help="With --parent: dollars a day, or of the run.")] = None,
    calls_per_minute: Annotated[int | None, typer.Option(help="With --parent: calls a minute.", min=0)] = None,
    expires_at: Annotated[datetime | None, typer.Option(help="With --parent: when the key ends, in UTC.")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Make a key; it is shown once and kept as a hash."""
    bound = None if tenant is None else tenant_named(tenant)
    wish = Wish(
        role=role,
        tenant=bound,
        agent=agent,
        run=of_run,
        expires_at=None if expires_at is None else expires_at.replace(tzinfo=UTC),
        share=None if share_usd is None else Share(limit_usd=share_usd),
        calls_per_minute=calls_per_minute,
        note=note,
    )
    if parent is not None:
        _tell(as_json, run(data, lambda world: _child(world, parent, wish)), wish, parent)
        return
    if any((agent, of_run, share_usd, expires_at, calls_per_minute is not None)):
        raise ConfigError("only a key with a --parent is bound to agents, runs, ends or shares")
    made = run(data, lambda world: mint_key(world.config, role, by=getpass.getuser(), tenant=bound, note=note))
    _tell(as_json, made, wish, None)


@app.command("list", epilog=examples("tollbook key list", "tollbook key list --json"))
def list_keys(as_json: AsJson = False, data: Data = None) -> None:
    """List every key, newest first, each above those made below it."""
    found = run(data, lambda world: world.config.list_keys())
    answer(as_json, rows(key._asdict() for key in found), _tree_lines(found))


def _tree_lines(found: list[KeyListing]) -> list[str]:
    below: dict[str | None, list[KeyListing]] = {}
    for key in found:
        below.setdefault(key.parent, []).append(key)
    lines: list[str] = []
    waiting = [(key, 0) for key in reversed(below.get(None, []))]
    while waiting:
        key, depth = waiting.pop()
        lines.append(_line(key, depth))
        waiting += [(child, depth + 1) for child in reversed(below.get(key.key_id, []))]
    return lines


@app.command(epilog=examples("tollbook key revoke 5cad18726755"))
def revoke(key_id: str, as_json: AsJson = False, data: Data = None) -> None:
    """Revoke a key and every key below it; receivers refuse them within a second."""
    if not run(data, lambda world: _revoke(world, key_id)):
        raise ConfigError(f"no key {key_id} is in force; `tollbook key list` shows them all")
    answer(as_json, {"key_id": key_id, "state": "revoked"}, f"{key_id} is revoked")


def _tell(as_json: bool, key: str, wish: Wish, parent: str | None) -> None:
    """The key itself, which is shown this once."""
    document = {
        "key_id": key.split("_")[1],
        "key": key,
        "role": wish.role,
        "tenant": wish.tenant,
        "note": wish.note,
        "parent": parent,
        "agent": wish.agent,
        "run": wish.run,
        "expires_at": wish.expires_at,
    }
    answer(as_json, document, key)


async def _child(world: World, parent: str, wish: Wish) -> str:
    line = await world.config.key_line(parent)
    if not line:
        raise ConfigError(f"no key {parent} is in force; `tollbook key list` shows them all")
    try:
        minted = await mint_child(world.config, principal_of(line[0]), wish, world.clock.now(), by=getpass.getuser())
    except ValueError as error:
        raise ConfigError(str(error)) from error
    await world.limits.enforce(minted.made)
    return minted.text


async def _revoke(world: World, key_id: str) -> bool:
    made = await world.config.revoke_key(key_id, world.clock.now(), getpass.getuser())
    if made is not None:
        await world.limits.enforce(made)
    return made is not None


def _line(key: KeyListing, depth: int) -> str:
    state = "revoked" if key.revoked_at else "in force"
    bounds = [f"agent {key.agent}"] if key.agent else []
    bounds += [f"run {key.run}"] if key.run else []
    bounds += [f"until {key.expires_at:%Y-%m-%d %H:%M:%S}Z"] if key.expires_at else []
    parts = [f"{'  ' * depth}{key.key_id}", f"{key.role:6}", f"{key.tenant or 'all tenants':20}", f"{state:8}"]
    return "  ".join([*parts, *bounds, key.note]).rstrip()
