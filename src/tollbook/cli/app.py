"""Puts the commands together."""

import typer

from tollbook.cli import (
    alert,
    budget,
    doctor,
    imports,
    key,
    mcp,
    migrate,
    outbox,
    period,
    price,
    provision,
    rebuild,
    reconcile,
    report,
    reprice,
    run,
    serve,
    source,
    source_test,
    statement,
    tail,
    tenant,
    top,
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
    app.command(epilog=up.EXAMPLES)(up.up)
    app.command(epilog=serve.SERVE_EXAMPLES)(serve.serve)
    app.command(epilog=serve.DRAIN_EXAMPLES)(serve.drain)
    app.command(epilog=migrate.EXAMPLES)(migrate.migrate)
    app.command(epilog=demo_command.EXAMPLES)(demo_command.demo)
    app.command(epilog=verify.EXAMPLES)(verify.verify)
    app.command(epilog=rebuild.EXAMPLES)(rebuild.rebuild)
    app.command(epilog=reprice.EXAMPLES)(reprice.reprice)
    app.command(epilog=reconcile.EXAMPLES)(reconcile.reconcile)
    app.command(epilog=statement.EXAMPLES)(statement.statement)
    app.add_typer(period.app, name="period")
    app.command(epilog=doctor.EXAMPLES)(doctor.doctor)
    app.command(epilog=top.EXAMPLES)(top.top)
    app.command(epilog=report.EXAMPLES)(report.report)
    app.command(epilog=tail.EXAMPLES)(tail.tail)
    app.command(epilog=run.EXAMPLES)(run.run)
    app.command(epilog=mcp.EXAMPLES)(mcp.mcp)
    app.add_typer(key.app, name="key")
    app.add_typer(webhook.app, name="webhook")
    app.add_typer(alert.app, name="alert")
    app.add_typer(budget.app, name="budget")
    app.add_typer(tenant.app, name="tenant")
    app.add_typer(price.app, name="price")
    app.add_typer(outbox.app, name="outbox")
    source.app.command("test", epilog=source_test.EXAMPLES)(source_test.show)
    app.add_typer(imports.app, name="import")
    app.add_typer(source.app, name="source")
    app.add_typer(provision.app, name="provision")
    return app
