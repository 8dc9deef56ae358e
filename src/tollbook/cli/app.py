"""Puts the commands together."""

import typer

from tollbook.cli import (
    alert,
    budget,
    doctor,
    imports,
    key,
    migrate,
    outbox,
    period,
    price,
    provision,
    rebuild,
    reconcile,
    reprice,
    serve,
    source,
    source_test,
    statement,
    tenant,
    up,
    verify,
    webhook,
)
from tollbook.cli import demo as demo_command


def build() -> typer.Typer:
    """The command line as an object."""
    app = typer.Typer(
        name="tollbook",
        help="The ledger of what a fleet of LLM agents spends.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.command()(up.up)
    app.command()(serve.serve)
    app.command()(serve.drain)
    app.command()(migrate.migrate)
    app.command()(demo_command.demo)
    app.command()(verify.verify)
    app.command()(rebuild.rebuild)
    app.command()(reprice.reprice)
    app.command()(reconcile.reconcile)
    app.command()(statement.statement)
    app.add_typer(period.app, name="period")
    app.command()(doctor.doctor)
    app.add_typer(key.app, name="key")
    app.add_typer(webhook.app, name="webhook")
    app.add_typer(alert.app, name="alert")
    app.add_typer(budget.app, name="budget")
    app.add_typer(tenant.app, name="tenant")
    app.add_typer(price.app, name="price")
    app.add_typer(outbox.app, name="outbox")
    source.app.command("test")(source_test.show)
    app.add_typer(imports.app, name="import")
    app.add_typer(source.app, name="source")
    app.add_typer(provision.app, name="provision")
    return app
