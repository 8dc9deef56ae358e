"""`tollbook verify`."""

import sys
from datetime import datetime
from typing import Annotated

import msgspec
import typer

from tollbook.app.wiring import World
from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer, rows
from tollbook.cli.progress import waiting
from tollbook.cli.stores import Data, run
from tollbook.pipeline.equations import Equation, Outcome
from tollbook.pipeline.verify import render_equations

BUSY = 3

EXAMPLES = examples("tollbook verify", "tollbook verify --since 2026-11-01 --json")


def verify(
    data: Data = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Leave out entries of earlier days.", show_default="all"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute every sum and print both sides of each equation.

    Exits 0 where all hold, 1 where one differs, 3 where traffic left one undecided: run it again.
    """
    with waiting("comparing every sum"):
        equations = run(data, lambda world: _equations(world, since))
    documents = ({**msgspec.structs.asdict(each), "outcome": each.outcome} for each in equations)
    answer(as_json, rows(documents), render_equations(equations))
    outcomes = {equation.outcome for equation in equations}
    if Outcome.DIFFERS in outcomes:
        sys.exit(1)
    sys.exit(BUSY if Outcome.BUSY in outcomes else 0)


async def _equations(world: World, since: datetime | None) -> list[Equation]:
    partitions = range(world.directory.tenancy.partitions)
    return await world.verify().run(partitions, since.date() if since else None)
