"""`tollbook budget`."""

import getpass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tollbook.app.wiring import World
from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer, rows
from tollbook.cli.server import complete_tenant
from tollbook.cli.stores import Data, run, tenant_named
from tollbook.domain.budget import DEFAULT_DAILY, EACH, Action, Budget, Mode
from tollbook.domain.errors import ConfigError
from tollbook.domain.limits import LIMIT_NANOS_MAX
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.domain.money import nanos_from_usd, usd_text
from tollbook.domain.terms import Terms, terms_of
from tollbook.enforcement.declared import Owned, Step, budget_text, declared, steps
from tollbook.ports.config import BudgetChange, BudgetListing, BudgetRevision, BudgetsChanged

app = typer.Typer(help="What each tenant may spend.", no_args_is_help=True)

EVERYONE = "default"
_PAGE = 1_000

Who = Annotated[
    str,
    typer.Argument(
        metavar="TENANT",
        help="A tenant, or `default` for everyone without an own limit.",
        autocompletion=lambda incomplete: [
            name for name in (EVERYONE, *complete_tenant(incomplete)) if name.startswith(incomplete)
        ],
    ),
]
Which = Annotated[str, typer.Argument(metavar="ID", help="The budget's id.")]


@app.command(
    "set",
    epilog=examples(
        "tollbook budget set acme 120",
        "tollbook budget set default 25",
        "tollbook budget set acme 400 --per month --scope agent --match planner --action block",
        "tollbook budget set acme 60 --unit calls --per minute --scope model --match gpt-4o",
    ),
)
def set_budget(  # noqa: PLR0913 - a budget has so many terms
    tenant: Who,
    amount: Annotated[str, typer.Argument(help="Dollars, such as 120 or 0.50; tokens or calls with --unit.")],
    *,
    per: Annotated[WindowKind, typer.Option(help="Window of the limit.")] = WindowKind.DAY,
    scope: Annotated[ScopeKind, typer.Option(help="What the limit is for.")] = ScopeKind.TENANT,
    match: Annotated[str, typer.Option(help="One value of the scope, or * for each by itself.")] = EACH,
    unit: Annotated[Unit, typer.Option(help="What is counted.")] = Unit.USD,
    action: Annotated[Action, typer.Option(help="What happens at the limit.")] = Action.THROTTLE,
    degrade_to: Annotated[str | None, typer.Option(help="The cheaper model to degrade to.")] = None,
    mode: Annotated[Mode | None, typer.Option(help="How calls are held.", show_default="as they ask")] = None,
    expires_at: Annotated[datetime | None, typer.Option(help="When the budget ends, in UTC.")] = None,
    budget_id: Annotated[str | None, typer.Option("--id", help="The budget's id.", show_default="made of it")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Set a budget; it is in force everywhere before this returns, and the throttle flag follows it."""
    owner = _owner(tenant)
    if (per, scope, unit) == (WindowKind.DAY, ScopeKind.TENANT, Unit.USD) and budget_id in (None, DEFAULT_DAILY):
        plain = action is Action.THROTTLE and not any((degrade_to, mode, expires_at))
        if plain:
            nanos = _daily_nanos(amount)
            kept = run(data, lambda world: _limit(world, owner, nanos))
            answer(as_json, _document(kept), f"{tenant} may spend ${usd_text(nanos)} a day")
            return
    limits: dict[str, object] = {f"limit_{unit}": amount if unit is Unit.USD else _whole(amount)}
    fields: dict[str, object] = {"scope": scope, "match": match, "window": per, "action": action, **limits}
    fields |= {name: value for name, value in {"degrade_to": degrade_to, "mode": mode}.items() if value is not None}
    if expires_at is not None:
        fields["expires_at"] = f"{expires_at.isoformat()}Z"
    name = budget_id or _name_of(scope, match, per, unit)
    try:
        budget = msgspec.convert(fields, Terms).budget(name, owner)
    except (ValueError, msgspec.ValidationError) as error:
        raise ConfigError(str(error)) from error
    made = run(data, lambda world: _made(world, owner, name, budget))
    answer(as_json, _document(made), f"{tenant} {name}: {budget_text(budget)}")


@app.command(epilog=examples("tollbook budget remove acme", "tollbook budget remove acme run-cap"))
def remove(
    tenant: Who,
    budget_id: Annotated[str, typer.Argument(metavar="ID", help="The budget's id.")] = DEFAULT_DAILY,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Remove a budget; without its id a tenant's own daily limit, so that the default holds again."""
    owner = _owner(tenant)
    if budget_id == DEFAULT_DAILY:
        if owner is None:
            raise ConfigError("the default cannot be removed; set another")
        kept = run(data, lambda world: _limit(world, owner, None))
        answer(as_json, _document(kept), f"{tenant} is under the default again")
        return

    async def removed(world: World) -> None:
        await _found(world, owner, budget_id)
        await _make(world, [BudgetChange(owner, budget_id, None)])

    run(data, removed)
    document = {"tenant": owner, "id": budget_id, "state": "removed"}
    answer(as_json, document, f"{tenant} {budget_id} is removed")


@app.command("list", epilog=examples("tollbook budget list", "tollbook budget list --tenant acme --json"))
def list_budgets(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's, and everyone's.", show_default="all")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List every budget in force."""
    owners = None if tenant is None else [None, tenant_named(tenant)]
    found = run(data, lambda world: _all(world, owners))
    answer(as_json, rows(map(_document, found)), map(_line, found))


@app.command(epilog=examples("tollbook budget show acme", "tollbook budget show acme run-cap --json"))
def show(tenant: Who, budget_id: Which = DEFAULT_DAILY, as_json: AsJson = False, data: Data = None) -> None:
    """Show a budget and what became of it, newest first."""
    owner = _owner(tenant)

    found = run(data, lambda world: world.config.budget_revisions(owner, budget_id))
    if not found:
        raise ConfigError(f"there never was a budget {budget_id} of {tenant}")
    answer(as_json, rows(map(_revision_document, found)), map(_revision_line, found))


@app.command(
    epilog=examples("tollbook budget apply budgets.toml --dry-run", "tollbook budget apply budgets.toml --prune")
)
def apply(
    file: Annotated[Path, typer.Argument(help="A file of budgets in TOML.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Remove budgets that the file does not name.")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Make the budgets in force those of a file, in one change; what it does not name stays, unless told otherwise."""
    try:
        wanted = declared(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    for owner, _ in wanted:
        if owner is not None:
            tenant_named(owner)
    found = run(data, lambda world: _apply(world, wanted, prune=prune, dry_run=dry_run))
    lines = [*map(str, found), f"{len(found)} {'to change' if dry_run else 'changed'}"]
    answer(as_json, {**rows(map(_step_document, found)), "dry_run": dry_run}, lines)


async def _apply(world: World, wanted: dict[Owned, Budget], *, prune: bool, dry_run: bool) -> list[Step]:
    found = steps(wanted, [row.budget for row in await _all(world, None)], prune=prune)
    if found and not dry_run:
        await _make(world, [step.change for step in found])
    return found


def _daily_nanos(usd: str) -> int:
    try:
        nanos = int(nanos_from_usd(usd))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not 0 <= nanos <= LIMIT_NANOS_MAX:
        raise ConfigError(f"a limit is between $0 and ${usd_text(LIMIT_NANOS_MAX)}")
    return nanos


async def _limit(world: World, owner: str | None, nanos: int | None) -> BudgetListing:
    """The daily limit as it then is: the owner's, or everyone's where that holds again."""
    version = await world.config.set_limit(owner, nanos, getpass.getuser())
    await world.limits.enforce(BudgetsChanged(version, frozenset()))
    return await _found(world, None if nanos is None else owner, DEFAULT_DAILY)


async def _made(world: World, owner: str | None, name: str, budget: Budget) -> BudgetListing:
    await _make(world, [BudgetChange(owner, name, budget)])
    return await _found(world, owner, name)


async def _make(world: World, changes: list[BudgetChange]) -> None:
    await world.limits.enforce(await world.config.change_budgets(changes, getpass.getuser(), world.clock.now()))


async def _all(world: World, owners: list[str | None] | None) -> list[BudgetListing]:
    found: list[BudgetListing] = []
    after = ("", "")
    while True:
        page = await world.config.budgets(owners, after, _PAGE)
        found += page
        if len(page) < _PAGE:
            return found
        after = (page[-1].budget.tenant or "", page[-1].budget.id)


async def _found(world: World, owner: str | None, budget_id: str) -> BudgetListing:
    row = await world.config.budget(owner, budget_id)
    if row is None:
        raise ConfigError(f"there is no budget {budget_id}; `tollbook budget list` shows them all")
    return row


def _document(row: BudgetListing) -> dict[str, object]:
    """A budget as the API shows it."""
    budget = row.budget
    return {
        "id": budget.id,
        "tenant": budget.tenant,
        **_terms(budget),
        "version": row.version,
        "updated_at": row.updated_at,
        "updated_by": row.updated_by,
    }


def _terms(budget: Budget) -> dict[str, object]:
    terms = msgspec.structs.asdict(terms_of(budget))
    return {**terms, "limit_usd": None if terms["limit_usd"] is None else str(terms["limit_usd"])}


def _line(row: BudgetListing) -> str:
    owner = row.budget.tenant or EVERYONE
    return f"{owner:30}  {row.budget.id:30}  {budget_text(row.budget)}  set by {row.updated_by}"


def _revision_document(row: BudgetRevision) -> dict[str, object]:
    budget = None if row.budget is None else _terms(row.budget)
    return {"version": row.version, "changed_at": row.changed_at, "changed_by": row.changed_by, "budget": budget}


def _revision_line(row: BudgetRevision) -> str:
    what = "removed" if row.budget is None else budget_text(row.budget)
    return f"{row.changed_at:%Y-%m-%d %H:%M:%S}Z  {row.changed_by:24}  {what}"


def _step_document(step: Step) -> dict[str, object]:
    change = step.change
    return {
        "tenant": change.tenant,
        "id": change.id,
        "before": None if step.before is None else _terms(step.before),
        "after": None if change.budget is None else _terms(change.budget),
    }


def _owner(tenant: str) -> str | None:
    # The empty name is the ledger's row for everyone: an unset variable of a script must not move that one.
    return None if tenant == EVERYONE else tenant_named(tenant)


def _whole(amount: str) -> int:
    try:
        return int(amount)
    except ValueError as error:
        raise ConfigError(f"not a whole number: {amount!r}") from error


def _name_of(scope: ScopeKind, match: str, per: WindowKind, unit: Unit) -> str:
    if (per, scope, unit) == (WindowKind.DAY, ScopeKind.TENANT, Unit.USD):
        return DEFAULT_DAILY
    what = f"{scope}" if match == EACH else f"{scope}:{match}"
    return f"{what}:{unit}:{per}"
