"""One site of pages and API: which of the two answers a path."""

from typing import cast

from litestar import Litestar

from tollbook.api.bare import App, Receive, Scope, Send
from tollbook.api.paths import with_heads_and_slashes
from tollbook.web.app import build_web, takes
from tollbook.web.site import Site


class SiteApp:
    """The pages in front of the API."""

    def __init__(self, api: App, site: Site) -> None:
        self._api = api
        self.web: Litestar = build_web(site)
        self._pages = cast(App, with_heads_and_slashes(cast(App, self.web)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await (self._pages if takes(scope["path"]) else self._api)(scope, receive, send)

    async def close(self) -> None:
        """Stop looking for those who watch."""
        await self.web.state.hub.close()
