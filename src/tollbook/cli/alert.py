"""`tollbook alert`."""

import getpass
from datetime import timedelta
from typing import Annotated

import typer

from tollbook.alerting.hook import check_alert, mint_hook
from tollbook.app.wiring import World
from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer, rows
from tollbook.cli.stores import Data, run, tenant_named
from tollbook.domain.alert import AlertKind
from tollbook.domain.errors import ConfigError, unreachable
from tollbook.ports.alerts import Answer, Hook

app = typer.Typer(help="Where alerts go: crossed budgets, throttles, unpriced models.", no_args_is_help=True)

_LEASE = timedelta(minutes=1)


@app.command(
    epilog=examples(
        "tollbook alert add https://hooks.example/tollbook",
        "tollbook alert add https://hooks.example/acme --tenant acme --kind budget.threshold --kind throttle.set",
    )
)
def add(
    url: str,
    tenant: Annotated[str | None, typer.Option(help="Hear of this tenant only.", show_default="all")] = None,
    kind: Annotated[list[AlertKind] | None, typer.Option(help="Hear this kind only.", show_default="all")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Send alerts to a URL; the secret they are signed with is shown once."""
    whose = None if tenant is None else tenant_named(tenant)
    hook, secret = run(data, lambda world: _added(world, url, whose, kind or []))
    answer(as_json, {**_document(hook), "secret": secret}, f"{hook.hook_id}  {secret}")


@app.command("list", epilog=examples("tollbook alert list", "tollbook alert list --json"))
def list_hooks(as_json: AsJson = False, data: Data = None) -> None:
    """List every URL that hears of alerts, newest first."""
    found = run(data, lambda world: world.alerts.hooks())
    answer(as_json, rows(map(_document, found)), map(_line, found))


@app.command("test", epilog=examples("tollbook alert test 5cad18726755"))
def send_test(hook_id: str, as_json: AsJson = False, data: Data = None) -> None:
    """Send a test alert to a hook, now and from here, and show what it answered."""
    said = run(data, lambda world: _tested(world, hook_id))
    if said.status is None or not 200 <= said.status < 300:
        raise ConfigError(f"{hook_id} did not take it: {said.detail}")
    document = {"hook_id": hook_id, "status": said.status, "detail": said.detail}
    answer(as_json, document, f"{hook_id} answered {said.detail}")


@app.command(epilog=examples("tollbook alert remove 5cad18726755"))
def remove(hook_id: str, as_json: AsJson = False, data: Data = None) -> None:
    """Remove a hook by the id that `list` shows; what waits for it is not sent any more."""
    if not run(data, lambda world: world.alerts.remove_hook(hook_id, getpass.getuser())):
        raise ConfigError(f"there is no hook {hook_id}; `tollbook alert list` shows them all")
    answer(as_json, {"hook_id": hook_id, "state": "removed"}, f"{hook_id} is removed")


def _document(hook: Hook) -> dict[str, object]:
    named = ("hook_id", "url", "tenant", "kinds", "created_at", "created_by", "disabled")
    return {name: getattr(hook, name) for name in named}


def _line(hook: Hook) -> str:
    state = "in use" if hook.disabled is None else f"disabled: {hook.disabled}"
    heard = " ".join(hook.kinds) or "all kinds"
    return f"{hook.hook_id}  {hook.tenant or 'all tenants':20}  {heard}  {hook.url}  {state}"


async def _added(world: World, url: str, tenant: str | None, kinds: list[AlertKind]) -> tuple[Hook, str]:
    by, now = getpass.getuser(), world.clock.now()
    try:
        return await mint_hook(world.alerts, url, tenant=tenant, kinds=kinds, by=by, now=now)
    except ValueError as error:
        raise ConfigError(str(error)) from error


async def _tested(world: World, hook_id: str) -> Answer:
    now = world.clock.now()
    alert_id = await world.alerts.insert_test(hook_id, check_alert(hook_id), now, due_at=now + _LEASE)
    if alert_id is None:
        raise ConfigError(f"there is no hook {hook_id} in use; `tollbook alert list` shows them all")
    # Not due for a minute: no drain takes it from this command, and one finishes it where this command cannot.
    claimed = await world.alerts.claim_one(alert_id, hook_id, now + _LEASE)
    if claimed is None:
        unreachable("nobody else claims what is not due")
    return await world.deliverer().carry(claimed)
