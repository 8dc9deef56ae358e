"""`tollbook period ...`."""

import getpass
from typing import Annotated

import typer

from tollbook.app.wiring import World
from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer, rows
from tollbook.cli.progress import waiting
from tollbook.cli.server import complete_tenant
from tollbook.cli.statement import period_named
from tollbook.cli.stores import Data, run, tenant_named
from tollbook.domain.errors import ConfigError
from tollbook.domain.money import usd_text
from tollbook.domain.period import Period
from tollbook.ports.statements import Close, CloseListing
from tollbook.statements.wire import instant_text

app = typer.Typer(help="Months that are invoiced: close one, list what is closed.", no_args_is_help=True)

_Tenant = Annotated[
    str | None,
    typer.Option(
        "--tenant", help="One tenant; everyone when left out.", show_default=False, autocompletion=complete_tenant
    ),
]
_Month = Annotated[str, typer.Argument(help="A month of the tenants' days, such as 2026-11.")]


@app.command(
    "close",
    epilog=examples("tollbook period close 2026-11", "tollbook period close 2026-11 --tenant acme"),
)
def close(period: _Month, *, data: Data = None, tenant: _Tenant = None, as_json: AsJson = False) -> None:
    """Close a month that is over, and every earlier one. What comes later for it is corrected in the next; there is no
    opening again.

    Run again it finishes what was cut short and changes nothing else.
    """
    which, whose = period_named(period), None if tenant is None else tenant_named(tenant)
    made, is_new, kept = run(data, lambda world: _close(world, whose, which))
    state = "closed" if is_new else "was closed already"
    document = {**_facts(made), "is_new": is_new, "kept": kept}
    answer(as_json, document, f"{which.text} {state}: {_text(made)}. {kept} statements kept.")


@app.command("list", epilog=examples("tollbook period list --tenant acme"))
def list_periods(*, data: Data = None, tenant: _Tenant = None, as_json: AsJson = False) -> None:
    """List closed months with who closed them, when, and the sum of their statements."""
    whose = None if tenant is None else tenant_named(tenant)
    found = run(data, lambda world: _closes(world, whose))
    documents = (
        {**_facts(one.close), "statements": one.statements, "cost_usd": usd_text(one.cost_nanos)} for one in found
    )
    lines = [
        f"{one.close.period.text}  {_text(one.close)}  {one.statements} statements, {usd_text(one.cost_nanos)} USD"
        for one in found
    ]
    answer(as_json, rows(documents), lines or "no month is closed")


@app.command("open", epilog=examples("tollbook period open 2026-11"))
def reopen(period: _Month) -> None:
    """Refused: a closed month stays closed. What has to be put right is corrected in the next statement."""
    raise ConfigError(
        f"{period_named(period).text} cannot be opened again: a statement that went out never changes. "
        "Send what is missing, or re-price what is wrong; it becomes a correction in the next open month"
    )


async def _close(world: World, tenant: str | None, period: Period) -> tuple[Close, bool, int]:
    closing = world.closing()
    made, is_new = await closing.close(tenant, period, getpass.getuser())
    with waiting("keeping statements"):
        kept = sum([count async for count in closing.seal(made, period)])
    return made, is_new, kept


async def _closes(world: World, tenant: str | None) -> list[CloseListing]:
    return await world.closing().closes(tenant)


def _text(close: Close) -> str:
    whom = "everyone" if close.tenant is None else close.tenant
    return f"for {whom} at {instant_text(close.closed_at)} by {close.closed_by}, through {close.period.text}"


def _facts(close: Close) -> dict[str, object]:
    return {
        "period": close.period.text,
        "tenant": close.tenant,
        "closed_at": instant_text(close.closed_at),
        "closed_by": close.closed_by,
    }
