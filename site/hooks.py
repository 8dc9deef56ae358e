"""Lays out the pages of the site as they lie in the repository, so that every link between them holds.

mkdocs wants one folder of pages, below its configuration; ours are the README, `docs/`, the rooms' READMEs and the
files in `deploy/` that pages link to.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("*.md", "LICENSE", "docs/**/*", "src/tollbook/**/README.md", "deploy/**/*", "examples/*", "bench/**/*.md")


def on_config(config: Any) -> Any:
    """Copy the pages, and put into the navigation what a `*` in it stands for."""
    staged = Path(config.docs_dir)
    shutil.rmtree(staged, ignore_errors=True)
    for pattern in PAGES:
        for found in sorted(ROOT.glob(pattern)):
            if found.is_file():
                target = staged / found.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(found, target)
    named = set(_named(config.nav))
    config.nav = [_expanded(entry, staged, named) for entry in config.nav]
    return config


def _named(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, str):
            yield entry
            continue
        for inside in entry.values():
            yield from [inside] if isinstance(inside, str) else _named(inside)


def _expanded(entry: Any, staged: Path, named: set[str]) -> Any:
    """An entry with each pattern in it as the pages that it matches and nothing else names."""
    if not isinstance(entry, dict):
        return entry
    ((title, inside),) = entry.items()
    if isinstance(inside, str):
        return entry
    found: list[Any] = []
    for one in inside:
        if isinstance(one, str) and "*" in one:
            pages = [page.relative_to(staged).as_posix() for page in sorted(staged.glob(one))]
            found += [page for page in pages if page not in named]
        else:
            found.append(_expanded(one, staged, named))
    return {title: found}
