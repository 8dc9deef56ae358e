"""`tollbook migrate`."""

from typing import Annotated

import typer
import uvloop

from tollbook.app.config import Settings
from tollbook.cli.examples import examples
from tollbook.cli.output import say
from tollbook.cli.stores import Data, settings_for
from tollbook.ledger.migrate import migrate as bring_up_to_date

EXAMPLES = examples("tollbook migrate", "tollbook migrate --partitions 16")


def migrate(
    data: Data = None,
    partitions: Annotated[
        int | None, typer.Option(help="Partitions of a new ledger.", show_default="4", min=1, max=1024)
    ] = None,
) -> None:
    """Bring the database to this version's schema; safe to repeat, and to run from several places at once."""
    # Postgres is all a migration needs, so it alone may be named.
    url = Settings.from_environment().postgres_url if data is None else ""
    uvloop.run(bring_up_to_date(url or settings_for(data).postgres_url, partitions=partitions))
    say("the schema is up to date")
