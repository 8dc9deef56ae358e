"""`tollbook alert`."""

import getpass
from datetime import timedelta
from typing import Annotated

import typer

from tollbook.alerting.hook import check_alert, mint_hook
from tollbook.app.wiring import World
from tollbook.cli.stores import Data, run, tenant_named
from tollbook.domain.alert import AlertKind
from tollbook.domain.errors import ConfigError, unreachable
from tollbook.ports.alerts import Answer, Hook

app = typer.Typer(help="Where alerts go: crossed budgets, throttles, unpriced models.", no_args_is_help=True)

_LEASE = timedelta(minutes=1)


@app.command()
def add(
    url: str,
    tenant: Annotated[str | None, typer.Option(help="Hear of this tenant only.", show_default="all")] = None,
    kind: Annotated[list[AlertKind] | None, typer.Option(help="Hear this kind only.", show_default="all")] = None,
    data: Data = None,
) -> None:
    """Send alerts to a URL; the secret they are signed with is shown once."""
    whose = None if tenant is None else tenant_named(tenant)
    hook, secret = run(data, lambda world: _added(world, url, whose, kind or []))
    print(f"{hook.hook_id}  {secret}")


@app.command("list")
def list_hooks(data: Data = None) -> None:
    """List every URL that hears of alerts, newest first."""
    for hook in run(data, lambda world: world.alerts.hooks()):
        state = "in use" if hook.disabled is None else f"disabled: {hook.disabled}"
        heard = " ".join(hook.kinds) or "all kinds"
        print(f"{hook.hook_id}  {hook.tenant or 'all tenants':20}  {heard}  {hook.url}  {state}")


@app.command("test")
def send_test(hook_id: str, data: Data = None) -> None:
    """Send a test alert to a hook, now and from here, and show what it answered."""
    answer = run(data, lambda world: _tested(world, hook_id))
    if answer.status is None or not 200 <= answer.status < 300:
        raise ConfigError(f"{hook_id} did not take it: {answer.detail}")
    print(f"{hook_id} answered {answer.detail}")


@app.command()
def remove(hook_id: str, data: Data = None) -> None:
    """Remove a hook by the id that `list` shows; what waits for it is not sent any more."""
    if not run(data, lambda world: world.alerts.remove_hook(hook_id, getpass.getuser())):
        raise ConfigError(f"there is no hook {hook_id}; `tollbook alert list` shows them all")
    print(f"{hook_id} is removed")


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
