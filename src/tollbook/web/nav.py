"""The pages that every page leads to."""

from typing import NamedTuple


class Place(NamedTuple):
    """An entry of the navigation; `admin`: shown to admin keys alone."""

    title: str
    path: str
    admin: bool = False


PLACES = (
    Place("Fleet", "/"),
    Place("Tenants", "/tenants"),
)
