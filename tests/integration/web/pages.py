"""The pages by which every rule of the dashboard is tested. A new page is one more row."""

from typing import NamedTuple


class PageRow(NamedTuple):
    """A page. `path` may hold `{tenant}`; `of_one`: it is about that tenant alone."""

    path: str
    of_one: bool = False


PAGES = (
    PageRow("/"),
    PageRow("/tenants"),
    PageRow("/tenants?order=name"),
    PageRow("/tenants/{tenant}", of_one=True),
    PageRow("/tenants/{tenant}?step=day&by=model", of_one=True),
    PageRow("/tenants/{tenant}?step=month", of_one=True),
)
FORMATS = ("html", "json", "csv")


def with_format(path: str, form: str) -> str:
    """The address of a page in one of its forms."""
    return f"{path}{'&' if '?' in path else '?'}format={form}"
