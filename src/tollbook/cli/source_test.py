"""`tollbook source test`."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tollbook.app.mappings import load_mapping
from tollbook.cli.examples import examples
from tollbook.domain.errors import ConfigError
from tollbook.domain.event import Event
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.origin import Origin
from tollbook.terminal.names import json_text, safe

_LINES = frozenset({".ndjson", ".jsonl"})

EXAMPLES = examples("tollbook source test bot.toml payload.json --tenant acme")


def show(
    mapping: Annotated[Path, typer.Argument(metavar="MAPPING", help="The mapping, as TOML or JSON.")],
    file: Annotated[Path, typer.Argument(help="A payload, an array of them, or one a line.")],
    tenant: Annotated[str | None, typer.Option(help="The tenant that the key or address would stand for.")] = None,
    agent: Annotated[str | None, typer.Option(help="The agent that a header would name.")] = None,
) -> None:
    """Show the events that a mapping makes of a file, one a line, and what it refuses; nothing is sent or kept.

    Exit code 1 where an item is refused.
    """
    loaded = load_mapping(mapping)
    try:
        body = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    media_type = "application/x-ndjson" if file.suffix in _LINES else None
    decoded = loaded.decode(body, media_type, IntakeLimits(), origin=Origin(tenant=tenant, agent=agent))
    for event in decoded.events:
        print(json_text(_shown(event)))
    for rejection in decoded.rejections:
        print(safe(f"item {rejection.index}: {rejection.code}: {rejection.detail}"), file=sys.stderr)
    events, refused = len(decoded.events), len(decoded.rejections)
    print(f"{decoded.items} items: {events} events, {decoded.ignored} ignored, {refused} refused", file=sys.stderr)
    if decoded.rejections:
        raise typer.Exit(1)


def _shown(event: Event) -> dict[str, object]:
    """The fields that say something."""
    return {
        name: value
        for name, value in msgspec.structs.asdict(event).items()
        if value not in (None, 0) and name != "seen"
    }
