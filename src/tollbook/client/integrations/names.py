"""Makes the names that frameworks give their agents into segments of tollbook's agent paths."""

from collections.abc import Iterable

from tollbook.domain.agent import SEGMENTS_MAX


def role(name: object) -> str:
    """A framework's name as one segment: what separates segments and instances becomes `-`.

    >>> role("Triage / EU #2"), role("")
    ('Triage - EU -2', 'agent')
    """
    if not isinstance(name, str):
        return "agent"
    printable = "".join(one if one.isprintable() else " " for one in name)
    return printable.replace("/", "-").replace("#", "-").strip() or "agent"


def path(names: Iterable[object]) -> str:
    """The names from the root on as a path, at most 16 segments deep: what lies deeper counts at the sixteenth.

    >>> path(["planner", "web search"])
    'planner/web search'
    """
    return "/".join([role(name) for name in names][:SEGMENTS_MAX])
