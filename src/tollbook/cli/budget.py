"""`tollbook budget`."""

import getpass
from typing import Annotated, Literal

import typer

from tollbook.app.wiring import World
from tollbook.cli.stores import Data, run, tenant_named
from tollbook.domain.errors import ConfigError
from tollbook.domain.limits import LIMIT_NANOS_MAX
from tollbook.domain.money import nanos_from_usd, usd_text

app = typer.Typer(help="What each tenant may spend.", no_args_is_help=True)

EVERYONE = "default"
Who = Annotated[str, typer.Argument(metavar="TENANT", help="A tenant, or `default` for everyone without an own limit.")]


@app.command("set")
def set_limit(
    tenant: Who,
    usd: Annotated[str, typer.Argument(help="Dollars, such as 120 or 0.50.")],
    per: Annotated[Literal["day"], typer.Option(help="Window of the limit.")] = "day",
    data: Data = None,
) -> None:
    """Set a limit; it is in force everywhere within a second, and clears or sets the throttle flag."""
    try:
        nanos = int(nanos_from_usd(usd))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not 0 <= nanos <= LIMIT_NANOS_MAX:
        raise ConfigError(f"a limit is between $0 and ${usd_text(LIMIT_NANOS_MAX)}")
    run(data, lambda world: _change(world, tenant, nanos))
    print(f"{tenant} may spend ${usd_text(nanos)} a {per}")


@app.command()
def remove(tenant: str, data: Data = None) -> None:
    """Remove a tenant's own limit, so that the default holds again."""
    run(data, lambda world: _change(world, tenant, None))
    print(f"{tenant} is under the default again")


@app.command("list")
def list_limits(data: Data = None) -> None:
    """List every limit in force."""
    for row in run(data, lambda world: world.config.budgets()):
        budget = row.budget
        print(f"{budget.tenant or EVERYONE:30}  ${usd_text(budget.limit):>16} a day  set by {row.updated_by}")


async def _change(world: World, tenant: str, nanos: int | None) -> None:
    # The empty name is the ledger's row for everyone: an unset variable of a script must not move that one.
    name = None if tenant == EVERYONE else tenant_named(tenant)
    if name is None and nanos is None:
        raise ConfigError("the default cannot be removed; set another")
    await world.config.set_limit(name, nanos, getpass.getuser())
    # The drain would bring it along; pushing it here makes it hold before this command returns.
    await world.limits.follow()
