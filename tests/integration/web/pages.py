"""The pages by which every rule of the dashboard is tested. A new page is one more row."""

from typing import NamedTuple


class PageRow(NamedTuple):
    """A page. `path` may hold `{tenant}`; `of_one`: it is about that tenant alone; `role`: the least that opens it.

    `whole`: it is not for keys that are bound to a tenant.
    """

    path: str
    of_one: bool = False
    role: str = "read"
    whole: bool = False


PAGES = (
    PageRow("/"),
    PageRow("/tenants"),
    PageRow("/tenants?order=name"),
    PageRow("/tenants/{tenant}", of_one=True),
    PageRow("/tenants/{tenant}?step=day&by=model", of_one=True),
    PageRow("/tenants/{tenant}?step=month", of_one=True),
    PageRow("/runs?tenant={tenant}", of_one=True),
    PageRow("/entries?tenant={tenant}", of_one=True),
    PageRow("/budgets?tenant={tenant}", of_one=True),
    PageRow("/budgets/edit?tenant={tenant}", of_one=True),
    PageRow("/changes?tenant={tenant}", of_one=True, role="admin"),
    PageRow("/prices?model=m-1&tenant={tenant}", of_one=True),
    PageRow("/keys", role="admin"),
    PageRow("/sources", role="admin"),
    PageRow("/health", whole=True),
)
FORMATS = ("html", "json", "csv")


def with_format(path: str, form: str) -> str:
    """The address of a page in one of its forms."""
    return f"{path}{'&' if '?' in path else '?'}format={form}"
