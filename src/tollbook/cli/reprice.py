"""`tollbook reprice`."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import MofNCompleteColumn

from tollbook.app.prices import book_in_force
from tollbook.app.wiring import World, ceiling_of
from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer, rows
from tollbook.cli.progress import progress_bar
from tollbook.cli.stores import Data, run, tenant_named
from tollbook.domain.errors import ConfigError
from tollbook.domain.money import usd_text
from tollbook.pipeline.reprice import Change, Windows
from tollbook.ports.reprice import Range

EXAMPLES = examples(
    "tollbook reprice --from 2026-11-01 --to 2026-12-01 --dry-run",
    "tollbook reprice --from 2026-11-01 --to 2026-12-01 --model gpt-5.6-sol --tenant acme",
)

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


def reprice(
    since: Annotated[datetime, typer.Option("--from", formats=_FORMATS, help="First day or instant, UTC.")],
    until: Annotated[datetime, typer.Option("--to", formats=_FORMATS, help="Instant behind the last, UTC.")],
    *,
    data: Data = None,
    model: Annotated[str | None, typer.Option("--model", help="Calls of this model alone.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Calls of this tenant alone.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would change, and write nothing.")] = False,
    windows: Annotated[
        Windows, typer.Option("--windows", help="Whether entries that count in open windows are re-priced too.")
    ] = Windows.ADJUST,
    as_json: AsJson = False,
) -> None:
    """Price entries anew with the price book in force, unpriced ones included, by correcting entries.

    A run that was cut short is finished by another one; where nothing differs nothing is written.
    """
    within = Range(
        since.replace(tzinfo=UTC), until.replace(tzinfo=UTC), None if tenant is None else tenant_named(tenant), model
    )
    if within.since >= within.until:
        raise ConfigError("--from must lie before --to")
    changes, written, kept = run(data, lambda world: _reprice(world, within, windows, dry=dry_run), books=True)
    total = sum(change.entries for change in changes.values())
    lines = [
        f"{whose}  {which}  {change.entries} entries  "
        f"{usd_text(change.before_nanos)} -> {usd_text(change.after_nanos)} USD"
        for (whose, which), change in sorted(changes.items())
    ]
    lines.append(f"{total} entries differ, {written} re-priced, {kept} left alone in open windows")
    documents = (
        {
            "tenant": whose,
            "model": which,
            "entries": change.entries,
            "before_usd": usd_text(change.before_nanos),
            "after_usd": usd_text(change.after_nanos),
        }
        for (whose, which), change in sorted(changes.items())
    )
    counts = {"differ": total, "repriced": written, "left_alone": kept, "dry_run": dry_run}
    answer(as_json, {**rows(documents), **counts}, lines)


async def _reprice(
    world: World, within: Range, windows: Windows, *, dry: bool
) -> tuple[dict[tuple[str, str], Change], int, int]:
    book = await book_in_force(world.prices, ceiling_of(world.settings))
    if book is None:
        raise ConfigError("no price book is in force yet: start a receiver first")
    use, partitions = world.reprice(book), range(world.directory.tenancy.partitions)
    changes: dict[tuple[str, str], Change] = {}
    written = left = 0
    with progress_bar(MofNCompleteColumn()) as progress:
        task = progress.add_task(
            "re-pricing", total=sum([await use.count(partition, within) for partition in partitions])
        )
        for partition in partitions:
            async for page in use.run(partition, within, windows=windows, dry=dry):
                progress.advance(task, page.seen)
                written += page.written
                left += page.kept
                for key, change in page.changes.items():
                    changes[key] = changes[key].plus(change) if key in changes else change
        progress.update(task, completed=progress.tasks[task].total)
    return changes, written, left
