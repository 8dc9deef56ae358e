"""Templates, and the static files they lead to."""

from collections.abc import Mapping
from hashlib import sha256
from importlib import resources
from typing import NamedTuple
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar.datastructures import URL

import tollbook
from tollbook.web import drawing, figures
from tollbook.web.naming import path_text, segment
from tollbook.web.nav import PLACES, Place
from tollbook.web.session import Viewer

STATIC_PATH = "/static/"
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "LICENSE": "text/plain"}
_LIVE = "live_"


class StaticFile(NamedTuple):
    """A file as it is served."""

    media_type: str
    content: bytes


class Shell:
    """The templates of one application, compiled once."""

    def __init__(self) -> None:
        self.files: dict[str, StaticFile] = {}
        self._places: dict[str, str] = {}
        self._take("", resources.files("tollbook.web") / "static")
        self.templates = Environment(
            loader=PackageLoader("tollbook.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            # The templates are the package's own: nothing changes them while it runs.
            auto_reload=False,
            extensions=["jinja2.ext.do"],
        )
        self.templates.filters.update(figures.FILTERS)
        self.templates.globals.update(drawing.GLOBALS)
        self.templates.globals.update(static=self.address_of, version=tollbook.__version__)
        self.templates.filters["segment"] = segment
        # A global, because a live region is rendered by itself, without the head of its template.
        self.templates.globals["parts"] = self.templates.get_template("parts.html").module

    def address_of(self, name: str) -> str:
        """Where a static file is served: its address names its content, so it may be kept."""
        return self._places[name]

    def page(self, template: str, viewer: Viewer | None, url: URL, title: str, shown: Mapping[str, object]) -> str:
        """A whole page."""
        return self.templates.get_template(template).render(**_around(viewer, url, title), **shown)

    def regions(self, template: str, viewer: Viewer, url: URL, shown: Mapping[str, object]) -> dict[str, str]:
        """The live regions of a page, by name: the blocks whose name begins with `live_`."""
        found = self.templates.get_template(template)
        context = found.new_context({**_around(viewer, url, ""), **shown})
        return {name: "".join(block(context)).strip() for name, block in found.blocks.items() if name.startswith(_LIVE)}

    def _take(self, under: str, folder: resources.abc.Traversable) -> None:
        for file in folder.iterdir():
            name = f"{under}{file.name}"
            if file.is_dir():
                self._take(f"{name}/", file)
                continue
            content = file.read_bytes()
            address = f"{STATIC_PATH}{sha256(content).hexdigest()[:16]}/{name}"
            media_type = _TYPES[file.name.rpartition(".")[2]]
            self.files[address] = StaticFile(media_type, content)
            self._places[name] = address


def _around(viewer: Viewer | None, url: URL, title: str) -> dict[str, object]:
    """What the layout needs beside the view."""
    return {
        "viewer": viewer,
        "places": places_of(viewer),
        "path": url.path,
        "title": title,
        "address": lambda **changed: address_with(url, **changed),
    }


def places_of(viewer: Viewer | None) -> list[Place]:
    """The pages that a viewer can open."""
    if viewer is None:
        return []
    is_whole = viewer.principal.tenant is None
    return [place for place in PLACES if (viewer.is_admin or not place.admin) and (is_whole or not place.whole)]


def address_with(url: URL, **changed: object) -> str:
    """The address of this view with some parameters set, or taken away by None."""
    kept = {name: value for name, value in url.query_params.dict().items() if name != "format"}
    given: dict[str, str] = {name: values[-1] for name, values in kept.items()}
    for name, value in changed.items():
        if value is None:
            given.pop(name, None)
        else:
            given[name] = str(value)
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in given.items())
    return path_text(url.path) + (f"?{query}" if query else "")
