"""The pages that are looked at in both widths and themes. A new page is one more row."""

from typing import NamedTuple


class BrowserPage(NamedTuple):
    """A page; `path` may hold `{tenant}`, `name` names its screenshots."""

    name: str
    path: str


PAGES = (
    BrowserPage("fleet", "/"),
    BrowserPage("tenants", "/tenants"),
    BrowserPage("tenant", "/tenants/{tenant}"),
    BrowserPage("tenant-days-by-model", "/tenants/{tenant}?step=day&by=model"),
)
WIDTHS = (1440, 390)
THEMES = ("light", "dark")
