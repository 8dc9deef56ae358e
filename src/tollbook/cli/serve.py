"""`tollbook serve` and `tollbook drain`: the roles, against stores of your own."""

from tollbook.app import roles
from tollbook.app.config import Settings
from tollbook.cli.examples import examples

SERVE_EXAMPLES = examples(
    "tollbook serve",
    "TOLLBOOK_PORT=8800 TOLLBOOK_WORKERS=2 tollbook serve",
)
DRAIN_EXAMPLES = examples("tollbook drain")


def serve() -> None:
    """Serve the API against TOLLBOOK_POSTGRES_URL and TOLLBOOK_VALKEY_URL; run as many as you like."""
    roles.serve(Settings.from_environment())


def drain() -> None:
    """Drain the journal into the ledger; run as many as you like, each partition has one at a time."""
    roles.drain(Settings.from_environment())
