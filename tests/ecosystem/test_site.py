"""The documentation builds into a site without a warning, and the site needs no other host."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.ecosystem.conftest import ROOT

PYTHON = ROOT / ".venv-docs" / "bin" / "python"
REMOTE = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<link\b[^>]*\brel=["']?(?:stylesheet|preload|preconnect|icon)["']?[^>]*\bhref=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|@import\s+(?:url\()?["']?(?:https?:)?//[^"')]+|url\(["']?(?:https?:)?//[^"')]+""",
    re.IGNORECASE,
)


def build(configuration: Path, target: Path) -> "subprocess.CompletedProcess[str]":
    if not PYTHON.exists():
        pytest.skip("not run: no mkdocs here; `make ecosystem` installs it")
    (configuration.parents[1] / "build/site-pages").mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [
            str(PYTHON),
            "-m",
            "mkdocs",
            "build",
            "--strict",
            "--config-file",
            str(configuration),
            "--site-dir",
            str(target),
        ],
        # What it would tell of its own future is no warning about these pages (docs/decisions/0032).
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_site_builds_without_a_warning_and_asks_no_other_host(tmp_path: Path) -> None:
    done = build(ROOT / "site/mkdocs.yml", tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 60
    for page in [*pages, *(tmp_path / "site").rglob("*.css")]:
        assert REMOTE.findall(page.read_text(encoding="utf-8")) == [], page
    assert "every command with its options" in (tmp_path / "site/docs/index.html").read_text(encoding="utf-8")


def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    for name in ("hooks.py", "mkdocs.yml"):
        text = (ROOT / "site" / name).read_text(encoding="utf-8")
        (tmp_path / "site" / name).write_text(
            text.partition("\nnav:\n")[0] + ("\nnav: [README.md]\n" if "yml" in name else "")
        )
    (tmp_path / "README.md").write_text("# One page\n\n[There](#one-page) is no [other](docs/other.md).\n")
    done = build(tmp_path / "site/mkdocs.yml", tmp_path / "built")
    assert done.returncode != 0
    assert "docs/other.md" in done.stderr
    (tmp_path / "README.md").write_text("# One page\n\n[There](#one-page) is no other.\n")
    assert build(tmp_path / "site/mkdocs.yml", tmp_path / "built").returncode == 0
