"""`tollbook tenant`."""

import getpass
from typing import Annotated

import typer

from tollbook.app.wiring import World
from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer
from tollbook.cli.server import complete_tenant
from tollbook.cli.stores import Data, run, tenant_named
from tollbook.domain.errors import ConfigError
from tollbook.domain.window import ZoneSpan
from tollbook.pipeline.directory import change_zone

app = typer.Typer(help="What is particular to a tenant.", no_args_is_help=True)


@app.command("time-zone", epilog=examples("tollbook tenant time-zone acme Asia/Kolkata"))
def time_zone(
    tenant: Annotated[str, typer.Argument(autocompletion=complete_tenant)],
    zone: Annotated[str, typer.Argument(help="An IANA name, such as Asia/Kolkata.")],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Set the zone in which a tenant's days begin; in force from its next local midnight."""
    name = tenant_named(tenant)
    span = run(data, lambda world: _move(world, name, zone))
    document = {"tenant": name, "time_zone": span.zone, "from": span.first_day}
    answer(as_json, document, f"from {span.first_day} on, days of {name} end at midnight of {span.zone}")


async def _move(world: World, tenant: str, zone: str) -> ZoneSpan:
    calendar = world.directory.tenancy.calendar_of(tenant)
    try:
        moved = await change_zone(world.config, tenant, calendar, zone, world.clock.now(), by=getpass.getuser())
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return moved.spans[-1]
