"""A Chromium for the test process, a ledger for each scene, and visits that end with the test."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.browser.scenes import SCENES, Scene
from tests.integration.e2e.running import Ledger, running

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The system's Chromium, driven by Playwright; tests are skipped where either is absent, and say so."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is in .venv-browser: make test-browser")
    path = os.environ.get("TOLLBOOK_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium on PATH: install it, or name it in TOLLBOOK_TEST_CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(_QUIET))
        yield browser
        browser.close()


class Stage:
    """A scene on a running ledger."""

    def __init__(self, scene: Scene, ledger: Ledger) -> None:
        self.scene = scene
        self.ledger = ledger


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Scene], Stage]]:
    """Stages by scene, each set up when it is first asked for."""
    stages: dict[str, Stage] = {}
    with ExitStack() as stack:

        def stage_of(scene: Scene) -> Stage:
            if scene.name not in stages:
                data = tmp_path_factory.mktemp(scene.name) / "data"
                ledger = stack.enter_context(running(data))
                events = list(scene.events())
                for start in range(0, len(events), 1_000):
                    taken = ledger.send(events[start : start + 1_000])
                    assert taken["rejected"] == [], taken
                ledger.await_drained()
                stages[scene.name] = Stage(scene, ledger)
            return stages[scene.name]

        yield stage_of


@pytest.fixture
def ordinary(staged: Callable[[Scene], Stage]) -> Stage:
    """The ordinary fleet."""
    return staged(SCENES[0])


class Visit:
    """One browser profile and its page; what the console said and what went wrong is kept."""

    def __init__(self, context: Any, base: str) -> None:
        self.context = context
        self.base = base
        self.said: list[str] = []
        self.page = context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", self._asked)

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.said.append(f"{message.type}: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.base, "data:")):
            self.said.append(f"asked elsewhere: {request.url}")

    def sign_in(self, key: str) -> None:
        """Fill in the form of the sign-in."""
        self.page.goto(f"{self.base}/sign-in")
        self.page.fill("#key", key)
        self.page.click("main button")
        self.page.wait_for_url(f"{self.base}/")

    def open(self, path: str, *, live: bool = True) -> None:
        """Open a page and wait until it is live, if it is one that lives, and its charts are drawn."""
        self.page.goto(self.base + path)
        if live:
            self.page.wait_for_selector("#live.on")
        self.page.wait_for_function(
            "[...document.querySelectorAll('figure.chart tbody tr:first-child')]"
            ".every((row) => row.closest('figure').querySelector('canvas'))"
        )


@pytest.fixture
def visits(chromium: Any) -> Iterator[Callable[..., Visit]]:
    """Makes visits, signed in with the admin key unless told otherwise."""
    contexts = []

    def visit(stage: Stage, *, width: int = 1440, theme: str = "light", signed_in: bool = True, **more: Any) -> Visit:
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, **more)
        contexts.append(context)
        made = Visit(context, stage.ledger.api)
        if signed_in:
            made.sign_in(stage.ledger.access["admin_key"])
        return made

    yield visit
    for context in contexts:
        context.close()
