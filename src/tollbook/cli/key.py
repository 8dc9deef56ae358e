"""`tollbook key`."""

from typing import Annotated

import typer

from tollbook.cli.stores import Data, run, tenant_named
from tollbook.domain.access import Role
from tollbook.domain.errors import ConfigError
from tollbook.pipeline.directory import mint_key

app = typer.Typer(help="Keys for the API: admin, ingest or read, for one tenant or for all.", no_args_is_help=True)


@app.command()
def create(
    role: Role,
    tenant: Annotated[str | None, typer.Option(help="Bind the key to this tenant.", show_default="all")] = None,
    note: Annotated[str, typer.Option(help="What the key is for.")] = "",
    data: Data = None,
) -> None:
    """Make a key; it is shown once and kept as a hash."""
    bound = None if tenant is None else tenant_named(tenant)
    print(run(data, lambda world: mint_key(world.config, role, tenant=bound, note=note)))


@app.command("list")
def list_keys(data: Data = None) -> None:
    """List every key, newest first."""
    for key in run(data, lambda world: world.config.list_keys()):
        state = "revoked" if key.revoked_at else "in force"
        print(f"{key.key_id}  {key.role:6}  {key.tenant or 'all tenants':20}  {state:8}  {key.note}")


@app.command()
def revoke(key_id: str, data: Data = None) -> None:
    """Revoke a key; receivers refuse it within a second."""
    if not run(data, lambda world: world.config.revoke_key(key_id)):
        raise ConfigError(f"no key {key_id} is in force; `tollbook key list` shows them all")
    print(f"{key_id} is revoked")
