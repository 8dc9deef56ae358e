"""`tollbook demo`."""

import sys
from typing import Annotated

import typer

from tollbook.app.demo import run_demo
from tollbook.cli.examples import examples

EXAMPLES = examples("tollbook demo", "tollbook demo --live", "tollbook demo --keep --seed 7")


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Let the fleet go on calling, to watch it, until Ctrl-C.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Draws another fleet.")] = 1,
) -> None:
    """Run a fleet of agents on real stores, kill the drain midway, and prove the sums equal. Under a minute."""
    sys.exit(run_demo(keep=keep, live=live, seed=seed))
