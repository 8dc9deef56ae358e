"""`tollbook outbox`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer, rows
from tollbook.client.client import Client
from tollbook.client.errors import SpoolUnusable
from tollbook.client.settings import ClientSettings
from tollbook.client.spool import Spool

app = typer.Typer(help="Events of this machine's agents that wait to be sent.", no_args_is_help=True)

At = Annotated[
    Path | None, typer.Option("--spool", help="The outbox's file; default: that of the settings.", show_default=False)
]


@app.command(epilog=examples("tollbook outbox status", "tollbook outbox status --json"))
def status(spool: At = None, as_json: AsJson = False) -> None:
    """Show how many events wait, since when, and which were refused for good."""
    settings = _settings(spool)
    opened = Spool(settings.spool_file(), bytes_max=settings.spool_bytes_max)
    try:
        found = opened.status()
        dead = opened.dead()
    finally:
        opened.close()
    oldest_s = None if found.oldest_ms is None else int(time.time() - found.oldest_ms / 1000)
    lines = [
        f"file     {settings.spool_file()}",
        f"size     {found.file_bytes} of {settings.spool_bytes_max} bytes",
        f"waiting  {found.waiting}{'' if oldest_s is None else f', the oldest for {oldest_s} s'}",
        f"dead     {found.dead}",
        *(f"  {event_id}  {code}: {detail}" for event_id, code, detail, _, _ in dead),
    ]
    document = {
        "file": str(settings.spool_file()),
        "bytes": found.file_bytes,
        "bytes_max": settings.spool_bytes_max,
        "waiting": found.waiting,
        "oldest_s": oldest_s,
        "dead": found.dead,
        **rows({"id": event_id, "code": code, "detail": detail} for event_id, code, detail, _, _ in dead),
    }
    answer(as_json, document, lines)


@app.command(epilog=examples("tollbook outbox flush --timeout 10"))
def flush(
    spool: At = None,
    timeout: Annotated[float, typer.Option(help="Seconds to go on for.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Send what waits to TOLLBOOK_URL; exits 1 where some of it could not be sent."""
    settings = _settings(spool)
    settings.require_url()
    with Client(spool_path=str(settings.spool_file()), outbox_flush_s=0.0) as client:
        waiting = client.flush(timeout)
        failure = client.outbox_status().failure
    line = f"{waiting} events still wait" + (f": {failure}" if failure else "") if waiting else "everything is sent"
    answer(as_json, {"waiting": waiting, "failure": failure if waiting else None}, line)
    raise typer.Exit(1 if waiting else 0)


def _settings(spool: Path | None) -> ClientSettings:
    settings = ClientSettings.chosen({"spool_path": None if spool is None else str(spool)})
    if not settings.spool_file().exists():
        raise SpoolUnusable(f"no outbox lies at {settings.spool_file()}: nothing was ever recorded into it")
    return settings
