"""Live pages: told when something moves, once for all who see the same, and no longer than a session lasts."""

import asyncio
from contextlib import aclosing

import msgspec
from litestar.datastructures import URL

from tests.core_world import until
from tests.integration.web.visitor import SiteWorld
from tests.world import event
from tollbook.domain.access import Principal, Role
from tollbook.domain.errors import LedgerUnavailable
from tollbook.web.live import Hub, Regions
from tollbook.web.pages.fleet import view
from tollbook.web.session import Viewer


class _Screen:
    """Renders what a test says, and counts."""

    def __init__(self) -> None:
        self.shown = {"live_a": "1", "live_b": "1"}
        self.renders = 0
        self.away = False

    async def __call__(self) -> Regions:
        self.renders += 1
        if self.away:
            raise LedgerUnavailable("away")
        return dict(self.shown)


def test_a_look_is_made_when_something_moves_and_only_what_differs_is_told(site: SiteWorld) -> None:
    world, screen = site.world, _Screen()
    hub = Hub(site.site, anyway_s=3_600)

    async def watched() -> list[Regions | None]:
        told = []
        async with aclosing(hub.states("page", screen)) as states:
            told.append(await anext(states))
            screen.shown["live_b"] = "2"
            quiet = world.clock.pauses + 20

            async def rested() -> bool:
                return world.clock.pauses >= quiet

            await until(rested)
            assert screen.renders == 1
            await world.accepting([event()], None)
            await world.draining()
            told.append(await anext(states))
            assert screen.renders > 1
        return told

    assert site.run(watched()) == [{"live_a": "1", "live_b": "1"}, {"live_b": "2"}]
    site.run(hub.close())


def test_many_viewers_share_one_look(site: SiteWorld) -> None:
    screen, hub = _Screen(), Hub(site.site)

    async def watched() -> None:
        every = [hub.states("page", screen) for _ in range(20)]
        try:
            told = await asyncio.gather(*(anext(states) for states in every))
            assert all(one == screen.shown for one in told)
            assert screen.renders == 1
        finally:
            for states in every:
                await states.aclose()

    site.run(watched())
    site.run(hub.close())


def test_open_pages_stand_still_while_postgres_is_away_and_go_on_after(site: SiteWorld) -> None:
    screen, hub = _Screen(), Hub(site.site)
    screen.away = True

    async def watched() -> None:
        async with aclosing(hub.states("page", screen)) as states:
            assert await anext(states) is None
            screen.away = False
            assert await anext(states) == screen.shown

    site.run(watched())
    site.run(hub.close())


def test_the_events_of_a_page_are_its_live_regions(site: SiteWorld) -> None:
    site.world.book(event())
    visitor = site.reader()
    page = visitor.get("/").text

    async def first() -> Regions:
        hub: Hub = site.app.web.state.hub
        async with aclosing(hub.states("fleet", lambda: _fleet(site))) as states:
            found = await anext(states)
        assert found is not None
        return found

    regions = site.run(first())
    assert set(regions) == {"live_notices", "live_cards", "live_charts", "live_tenants", "live_dearest"}
    for name, text in regions.items():
        assert f'data-region="{name}"' in page
        assert "form_token" not in text
    assert "0.000150000" in regions["live_cards"]
    assert msgspec.json.encode(regions)


async def _fleet(site: SiteWorld) -> Regions:
    """The regions of the first page, as its events render them."""
    viewer = Viewer(Principal("k", Role.READ))
    seen = await view(site.site, viewer)
    return site.app.web.state.shell.regions(seen.template, viewer, URL("http://t/"), seen.shown)
