"""`tollbook rebuild`."""

from typing import Annotated

import typer

from tollbook.app.wiring import World
from tollbook.cli.stores import Data, run


def rebuild(
    data: Data = None,
    restored: Annotated[
        bool, typer.Option("--restored", help="Postgres was restored from a backup: numbers may go down.")
    ] = False,
) -> None:
    """Restore Valkey's counters from Postgres; the journal is left alone."""
    days = run(data, lambda world: _rebuild(world, restored))
    print(f"rebuilt {days} partitions")


async def _rebuild(world: World, restored: bool) -> int:
    if restored:
        await world.config.mint_ledger_epoch()
    partitions = world.directory.tenancy.partitions
    for partition in range(partitions):
        await world.journal.forget(partition)
        await world.rebuild().run(partition)
    return partitions
