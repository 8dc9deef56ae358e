"""Reads the tables of the documentation, so that tests compare them with the code."""

from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def table_under(page: str, heading: str) -> dict[str, list[str]]:
    """The rows of the table under a heading of `docs/<page>`, by their first cell without backticks.

    Raises `LookupError` where the page has no such heading, `ValueError` on a row that is there twice.
    """
    _, found, rest = (DOCS / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    if not found:
        raise LookupError(f"docs/{page} has no heading {heading!r}")
    rows: dict[str, list[str]] = {}
    for line in rest.partition("\n## ")[0].splitlines():
        if not line.startswith("|"):
            continue
        first, *cells = (cell.strip() for cell in line.strip().strip("|").split("|"))
        if first.strip("`") in rows:
            raise ValueError(f"docs/{page} lists {first} twice")
        rows[first.strip("`")] = cells
    head, *_ = rows
    return {key: cells for key, cells in rows.items() if key != head and not key.startswith("-")}
