"""`tollbook serve` and `tollbook drain`: the roles, against stores of your own."""

from tollbook.app import roles
from tollbook.app.config import Settings


def serve() -> None:
    """Serve the API against TOLLBOOK_POSTGRES_URL and TOLLBOOK_VALKEY_URL; run as many as you like."""
    roles.serve(Settings.from_environment())


def drain() -> None:
    """Drain the journal into the ledger; run as many as you like, each partition has one at a time."""
    roles.drain(Settings.from_environment())
