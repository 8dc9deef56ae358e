"""`tollbook migrate`."""

from typing import Annotated

import typer
import uvloop

from tollbook.cli.stores import Data, settings_for
from tollbook.ledger.migrate import migrate as bring_up_to_date


def migrate(
    data: Data = None,
    partitions: Annotated[
        int | None, typer.Option(help="Partitions of a new ledger.", show_default="4", min=1, max=1024)
    ] = None,
) -> None:
    """Bring the database to this version's schema; safe to repeat, and to run from several places at once."""
    uvloop.run(bring_up_to_date(settings_for(data).postgres_url, partitions=partitions))
    print("the schema is up to date")
