"""`tollbook rebuild`."""

import getpass
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
    partitions = run(data, lambda world: _rebuild(world, restored))
    print(f"rebuilt {partitions} partition{'s' if partitions > 1 else ''}")


async def _rebuild(world: World, restored: bool) -> int:
    if restored:
        await world.config.mint_ledger_epoch(getpass.getuser())
    partitions = world.directory.tenancy.partitions
    for partition in range(partitions):
        if restored:
            await world.journal.forget_limits(partition)
        await world.journal.forget(partition)
        await world.rebuild().run(partition)
    return partitions
