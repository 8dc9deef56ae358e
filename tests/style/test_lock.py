"""The pinned requirements satisfy what pyproject.toml asks for."""

import re
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.style.tree import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _asked(*extras: str) -> Iterator[Requirement]:
    optional = PYPROJECT["project"]["optional-dependencies"]
    pending = [*PYPROJECT["project"]["dependencies"], *(text for extra in extras for text in optional[extra])]
    while pending:
        requirement = Requirement(pending.pop())
        if requirement.name == "tollbook":
            pending += [text for extra in requirement.extras for text in optional[extra]]
        else:
            yield requirement


def _pinned(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return {canonicalize_name(n): v for n, v in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)}


@pytest.mark.parametrize(
    ("file", "extras"),
    [
        ("all.txt", ["all"]),
        ("dev.txt", ["all", "dev"]),
        ("integrations.txt", ["all", "dev", "integrations"]),
        ("docs.txt", ["docs"]),
        ("tools.txt", ["tools"]),
        ("browser.txt", ["all", "dev", "browser"]),
    ],
)
def test_every_requirement_is_pinned_within_its_bounds(file: str, extras: list[str]) -> None:
    pins = _pinned(file)
    for requirement in _asked(*extras):
        version = pins.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in requirements/{file}: make lock"
        assert requirement.specifier.contains(version), f"{requirement} but {version} is pinned: make lock"


def test_the_build_backend_is_pinned() -> None:
    pins = _pinned("dev.txt")
    for text in PYPROJECT["build-system"]["requires"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("file", ["dev.txt", "integrations.txt", "browser.txt"])
def test_what_runs_is_what_is_tested(file: str) -> None:
    tested = _pinned(file)
    assert {name: tested.get(name) for name in _pinned("all.txt")} == _pinned("all.txt")
