"""`tollbook webhook`."""

import getpass
from typing import Annotated

import typer

from tollbook.cli.stores import Data, run, source_named, tenant_named
from tollbook.domain.errors import ConfigError
from tollbook.pipeline.directory import mint_token

app = typer.Typer(help="Webhook addresses: each is a secret that stands for one source.", no_args_is_help=True)


@app.command()
def create(
    source: str,
    tenant: Annotated[str | None, typer.Option(help="Take events of this tenant only.", show_default="all")] = None,
    data: Data = None,
) -> None:
    """Make a webhook address for a source; the address is the secret and is shown once."""
    stands_for, bound = source_named(source), None if tenant is None else tenant_named(tenant)
    by = getpass.getuser()
    token = run(data, lambda world: mint_token(world.config, stands_for, by=by, tenant=bound))
    print(f"/webhook/receive/{token}")


@app.command("list")
def list_tokens(data: Data = None) -> None:
    """List every webhook, newest first."""
    for token in run(data, lambda world: world.config.list_tokens()):
        state = "revoked" if token.revoked_at else "in force"
        print(f"{token.token_id}  {token.source:20}  {token.tenant or 'all tenants':20}  {state}")


@app.command()
def revoke(token_id: str, data: Data = None) -> None:
    """Revoke a webhook by the id that `list` shows."""
    if not run(data, lambda world: world.config.revoke_token(token_id, getpass.getuser())):
        raise ConfigError(f"no webhook {token_id} is in force; `tollbook webhook list` shows them all")
    print(f"{token_id} is revoked")
