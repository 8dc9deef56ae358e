"""What the pages point to is there: other pages, their headings, and the tests that prove a promise."""

import re

import pytest

from tests.docs.pages import ROOT, Found, anchors, links, pages, spans

LINKS = sorted(set(links()))
TESTS = sorted({span for span in spans() if re.match(r"tests/\S+\.py(::\w+)?$", span.text)})


@pytest.mark.parametrize("link", LINKS, ids=lambda link: f"{link.page}:{link.text}")
def test_a_link_resolves(link: Found) -> None:
    path, _, anchor = link.text.partition("#")
    target = ((ROOT / link.page).parent / path).resolve() if path else ROOT / link.page
    assert target.is_relative_to(ROOT)
    assert target.exists()
    if anchor:
        assert anchor in anchors(target)


@pytest.mark.parametrize("named", TESTS, ids=lambda named: f"{named.page}:{named.text}")
def test_a_test_that_a_page_names_exists(named: Found) -> None:
    path, _, function = named.text.partition("::")
    source = (ROOT / path).read_text(encoding="utf-8")
    assert not function or re.search(rf"^(?:async )?def {function}\(", source, re.MULTILINE)


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    docs = ROOT / "docs"
    index = (docs / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in pages() if page.parent == docs and page.name not in index] == []


def test_every_decision_is_in_the_index_of_decisions() -> None:
    decisions = ROOT / "docs" / "decisions"
    indexed = {link.text for link in LINKS if link.page == "docs/decisions/README.md"}
    assert {page.name for page in decisions.glob("0*.md")} <= indexed
