"""The pages that every page leads to."""

from typing import NamedTuple


class Place(NamedTuple):
    """An entry of the navigation; `admin`: shown to admin keys alone, `whole`: to those bound to no tenant."""

    title: str
    path: str
    admin: bool = False
    whole: bool = False


PLACES = (
    Place("Fleet", "/"),
    Place("Tenants", "/tenants"),
    Place("Runs", "/runs"),
    Place("Entries", "/entries"),
    Place("Budgets", "/budgets"),
    Place("Prices", "/prices"),
    Place("Sources", "/sources", admin=True),
    Place("Keys", "/keys", admin=True),
    Place("Changes", "/changes", admin=True),
    Place("Health", "/health", whole=True),
)
