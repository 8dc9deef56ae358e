"""A browser without a screen: cookies, forms, and nothing else that a page does not say."""

import re
from collections.abc import Awaitable, Mapping
from html import unescape
from typing import Any, TypeVar

import httpx2

from tests.world import World
from tollbook.app.site import SiteApp
from tollbook.domain.access import Role
from tollbook.ledger.sessions import PostgresSessions
from tollbook.views.tenant import TenantView
from tollbook.web.site import Site

T = TypeVar("T")

BASE = "http://tollbook.test"
_FORM_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]+)"')
_AMOUNT = re.compile(r'<data class="usd" value="([^"]+)"')


class SiteWorld:
    """A world with its pages in front of its API."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.site = Site(
            directory=world.directory,
            sessions=PostgresSessions(world.pool, world.queries),
            reading=world.reading,
            fleet=world.services.fleet,
            tenant=TenantView(
                world.reading,
                world.views,
                world.alerts,
                finding=world.finding,
                watch=world.services.watch,
                directory=world.directory,
                clock=world.clock,
            ),
            alerts=world.alerts,
            clock=world.clock,
            telemetry=world.telemetry,
            config=world.config,
            budgets=world.limits,
            finding=world.finding,
            changes=world.services.changes,
            refusals=world.refusal_store,
            sources=world.services.sources,
            spans=world.spans,
            price_store=world.services.price_store,
            prices=world.services.prices,
            gate=world.gate,
            journal=world.journal,
        )
        self.app = SiteApp(world.front, self.site)

    def run(self, work: Awaitable[T]) -> T:
        """Run something on the world's loop."""
        return self.world.run(work)

    def visitor(self, key: str | None = None) -> "Visitor":
        """A browser, signed in where a key is given."""
        visitor = Visitor(self)
        if key is not None:
            answer = visitor.sign_in(key)
            assert answer.status_code == 303, answer.text
        return visitor

    def reader(self, tenant: str | None = None, role: Role = Role.READ) -> "Visitor":
        """A browser signed in with a new key."""
        return self.visitor(self.world.key(role, tenant))

    def fold(self, versions_max: int = 1_000) -> None:
        """Let the followers of all partitions catch up, so many versions each at most."""
        for partition in self.world.drains:
            self.run(self.world.views.fold(partition, versions_max))


class Visitor:
    """One browser."""

    def __init__(self, site: SiteWorld) -> None:
        self._site = site
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any) -> httpx2.Response:
        """One request with the cookies so far; redirects are not followed."""
        sent = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}

        async def asked() -> httpx2.Response:
            transport = httpx2.ASGITransport(app=self._site.app, raise_app_exceptions=False)  # type: ignore[arg-type]
            async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
                return await client.request(method, path, headers={**sent, **(headers or {})}, **more)

        answer = self._site.run(asked())
        assert answer.status_code != 500, self._site.world.telemetry.happened[-1]
        for name, value in answer.cookies.items():
            self.cookies[name] = value
        for cookie in answer.headers.get_list("set-cookie"):
            if "Max-Age=0" in cookie:
                self.cookies.pop(cookie.partition("=")[0], None)
        return answer

    def get(self, path: str, **headers: str) -> httpx2.Response:
        """One GET."""
        return self.ask("GET", path, headers)

    def post(self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> httpx2.Response:
        """One form, sent as it is."""
        return self.ask("POST", path, headers, data=dict(fields))

    def submit(self, page: str, path: str, fields: Mapping[str, str]) -> httpx2.Response:
        """A form as a page offers it: with the token that the page holds."""
        return self.post(path, {**fields, "form_token": form_token(self.get(page).text)})

    def sign_in(self, key: str, wanted: str = "/") -> httpx2.Response:
        """Fill in the form of the sign-in."""
        return self.submit("/sign-in", "/sign-in", {"key": key, "next": wanted})


def form_token(page: str) -> str:
    """The token that a page's forms carry."""
    found = _FORM_TOKEN.search(page)
    assert found is not None, page
    return found[1]


def amounts(page: str) -> list[str]:
    """Every amount of a page, exact, in the order in which they stand."""
    return [unescape(found) for found in _AMOUNT.findall(page)]
