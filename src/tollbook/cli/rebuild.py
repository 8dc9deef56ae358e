"""`tollbook rebuild`."""

import getpass
from typing import Annotated

import typer
from rich.progress import MofNCompleteColumn

from tollbook.app.wiring import World
from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer
from tollbook.cli.progress import progress_bar
from tollbook.cli.stores import Data, run

EXAMPLES = examples("tollbook rebuild", "tollbook rebuild --restored")


def rebuild(
    data: Data = None,
    restored: Annotated[
        bool, typer.Option("--restored", help="Postgres was restored from a backup: numbers may go down.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Restore Valkey's counters from Postgres; the journal is left alone."""
    partitions = run(data, lambda world: _rebuild(world, restored))
    answer(as_json, {"partitions": partitions}, f"rebuilt {partitions} partition{'s' if partitions > 1 else ''}")


async def _rebuild(world: World, restored: bool) -> int:
    if restored:
        await world.config.mint_ledger_epoch(getpass.getuser())
    partitions = world.directory.tenancy.partitions
    with progress_bar(MofNCompleteColumn()) as progress:
        for partition in progress.track(range(partitions), description="partitions"):
            if restored:
                await world.journal.forget_limits(partition)
            await world.journal.forget(partition)
            await world.rebuild().run(partition)
    return partitions
