"""`tollbook webhook`."""

import getpass
from typing import Annotated

import typer

from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer, rows
from tollbook.cli.stores import Data, run, source_named, tenant_named
from tollbook.domain.errors import ConfigError
from tollbook.pipeline.directory import mint_token
from tollbook.ports.config import TokenListing

app = typer.Typer(help="Webhook addresses: each is a secret that stands for one source.", no_args_is_help=True)


@app.command(epilog=examples("tollbook webhook create openrouter --tenant acme"))
def create(
    source: str,
    tenant: Annotated[str | None, typer.Option(help="Take events of this tenant only.", show_default="all")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Make a webhook address for a source; the address is the secret and is shown once."""
    stands_for, bound = source_named(source), None if tenant is None else tenant_named(tenant)
    by = getpass.getuser()
    token = run(data, lambda world: mint_token(world.config, stands_for, by=by, tenant=bound))
    path = f"/webhook/receive/{token}"
    answer(as_json, {"token": token, "source": stands_for, "tenant": bound, "receive_path": path}, path)


@app.command("list", epilog=examples("tollbook webhook list", "tollbook webhook list --json"))
def list_tokens(as_json: AsJson = False, data: Data = None) -> None:
    """List every webhook, newest first."""
    found = run(data, lambda world: world.config.list_tokens())
    answer(as_json, rows(token._asdict() for token in found), map(_line, found))


@app.command(epilog=examples("tollbook webhook revoke 9ae5e0f4bc84"))
def revoke(token_id: str, as_json: AsJson = False, data: Data = None) -> None:
    """Revoke a webhook by the id that `list` shows."""
    if not run(data, lambda world: world.config.revoke_token(token_id, getpass.getuser())):
        raise ConfigError(f"no webhook {token_id} is in force; `tollbook webhook list` shows them all")
    answer(as_json, {"token_id": token_id, "state": "revoked"}, f"{token_id} is revoked")


def _line(token: TokenListing) -> str:
    state = "revoked" if token.revoked_at else "in force"
    return f"{token.token_id}  {token.source:20}  {token.tenant or 'all tenants':20}  {state}"
