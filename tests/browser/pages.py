"""The pages that are looked at in both widths and themes. A new page is one more row."""

from typing import NamedTuple


class BrowserPage(NamedTuple):
    """A page; `path` may hold `{tenant}`, `{run}` and `{entry}` (`{ts}` its instant), `name` names its screenshots.

    `live`: it follows what happens. `called`: it is about a call, so there is none in an empty ledger.
    """

    name: str
    path: str
    live: bool = True
    called: bool = False


PAGES = (
    BrowserPage("fleet", "/"),
    BrowserPage("tenants", "/tenants"),
    BrowserPage("tenant", "/tenants/{tenant}"),
    BrowserPage("tenant-days-by-model", "/tenants/{tenant}?step=day&by=model"),
    BrowserPage("runs", "/runs"),
    BrowserPage("run", "/runs/{run}?tenant={tenant}", called=True),
    BrowserPage("entries", "/entries"),
    BrowserPage("entries-none", "/entries?model=nothing"),
    BrowserPage("entry", "/entries/{entry}?ts={ts}", live=False, called=True),
    BrowserPage("budgets", "/budgets", live=False),
    BrowserPage("budget", "/budgets/edit?id=daily", live=False),
    BrowserPage("budget-new", "/budgets/edit", live=False),
    BrowserPage("prices", "/prices", live=False),
    BrowserPage("prices-model", "/prices?model=claude-opus-4-7", live=False),
    BrowserPage("sources", "/sources", live=False),
    BrowserPage("keys", "/keys", live=False),
    BrowserPage("changes", "/changes", live=False),
    BrowserPage("health", "/health"),
)
WIDTHS = (1440, 390)
THEMES = ("light", "dark")
