"""`tollbook up`."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tollbook.app.config import Settings
from tollbook.app.up import Access, Up
from tollbook.cli.examples import examples

EXAMPLES = examples("tollbook up", "tollbook up --data ./ledger --port 8800")


def up(
    data: Annotated[Path | None, typer.Option(help="Where to keep everything.", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="Port of the API.", show_default="8787")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON once ready.")] = False,
    provision: Annotated[bool, typer.Option(help="Serve /webhook/new, /cache/new and /db/new to this machine.")] = True,
) -> None:
    """Run the whole ledger on this machine: PostgreSQL, Valkey, the API and the drain. Ctrl-C stops it."""
    settings = Settings.from_environment()
    if data is not None:
        settings = msgspec.structs.replace(settings, data_dir=str(data))
    if port is not None:
        settings = msgspec.structs.replace(settings, port=port)
    everything = Up(settings.data_path().absolute(), settings, provisions=provision)
    everything.stop_on_signals()
    with everything.running() as access:
        if not everything.stopping:
            print(msgspec.json.encode(access).decode() if as_json else describe(access), flush=True)
        everything.wait()


def describe(access: Access) -> str:
    """What a person wants to know once it runs."""
    return f"""\
tollbook is up.

  API        {access.api}
  webhook    {access.webhook}
  admin key  {access.admin_key}
  Postgres   {access.postgres_url}
  Valkey     {access.valkey_url}

Try it:
  curl {access.webhook} -d '{{"tenant":"acme","agent":"planner","input":1200,"output":340,"model":"claude-opus-4-7"}}'
  curl -H 'Authorization: Bearer {access.admin_key}' {access.api}/v1/tenants/acme/status

Ctrl-C stops everything; the data stays."""
