"""Each page in both widths and themes, with data, empty, with 500 agents and with hostile names."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.browser.conftest import SCREENSHOTS, Stage, Visit
from tests.browser.pages import PAGES, THEMES, WIDTHS
from tests.browser.scenes import SCENES, Scene

_SERIOUS = ("serious", "critical")


def serious_violations(page: Any) -> list[str]:
    """What axe finds on a page that keeps people from using it."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in _SERIOUS
    ]


def address(stage: Stage, path: str) -> str:
    """The address of a page about the scene's tenant, its first run and its newest entry."""
    names = {"tenant": stage.scene.tenant, "run": "", "entry": "", "ts": ""}
    for row in stage.ledger.get("/v1/entries", tenant=stage.scene.tenant, limit="1")["rows"]:
        names |= {"entry": row["entry_id"], "ts": row["ts"]}
    for row in stage.ledger.get("/v1/runs", tenant=stage.scene.tenant, limit="1")["rows"]:
        names["run"] = row["run"]
    return path.format(**{name: quote(text, safe="") for name, text in names.items()})


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_every_page_is_sound(
    staged: Callable[[Scene], Stage], visits: Callable[..., Visit], scene: Scene, width: int, theme: str
) -> None:
    stage = staged(scene)
    visit = visits(stage, width=width, theme=theme)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    wrong: list[str] = []
    for row in PAGES:
        if row.called and scene.name == "empty":
            continue
        visit.open(address(stage, row.path), live=row.live)
        visit.page.screenshot(path=SCREENSHOTS / f"{scene.name}-{row.name}-{width}-{theme}.png", full_page=True)
        wide = visit.page.evaluate("document.documentElement.scrollWidth")
        wrong += [] if wide <= width else [f"{row.name}: {wide} pixels wide"]
        wrong += [f"{row.name}: {said}" for said in visit.said]
        visit.said.clear()
        wrong += [f"{row.name}: {found}" for found in serious_violations(visit.page)]
    assert not wrong, "\n".join(wrong)


def test_the_sign_in_is_sound(ordinary: Stage, visits: Callable[..., Visit]) -> None:
    for width in WIDTHS:
        for theme in THEMES:
            visit = visits(ordinary, width=width, theme=theme, signed_in=False)
            visit.page.goto(f"{visit.base}/sign-in")
            SCREENSHOTS.mkdir(parents=True, exist_ok=True)
            visit.page.screenshot(path=SCREENSHOTS / f"sign-in-{width}-{theme}.png", full_page=True)
            assert serious_violations(visit.page) == []
            assert visit.said == []
