"""Agent paths made of names that instrumentations chose."""

import re
from collections.abc import Iterable

from tollbook.domain.agent import SEGMENTS_MAX
from tollbook.domain.observation import UNKNOWN_AGENT

PATH_CHARS_MAX = 256
_SEGMENT_CHARS_MAX = 64
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff/]+")


def segment(name: str, instance: str | None = None) -> str:
    """One segment of a path: what cannot stand in a role is a dash there.

    >>> segment("Deep/Research"), segment("fetcher#2"), segment(" # ")
    ('Deep-Research', 'fetcher#2', 'agent')
    """
    role, _, own = _UNFIT.sub("-", name).partition("#")
    role = role.strip()[:_SEGMENT_CHARS_MAX].strip() or "agent"
    own = (instance or own).strip()[:_SEGMENT_CHARS_MAX].strip()
    return f"{role}#{own}" if own else role


def joined(names: Iterable[str]) -> str:
    """A path of segments, outermost first; of one too long the middle is left out.

    >>> joined(("planner", "researcher#7")), joined(())
    ('planner/researcher#7', 'unknown')
    """
    segments = [segment(name) for name in names]
    if len(segments) > SEGMENTS_MAX:
        segments = [*segments[: SEGMENTS_MAX - 1], segments[-1]]
    while len(path := "/".join(segments)) > PATH_CHARS_MAX:
        segments.pop(len(segments) // 2)
    return path or UNKNOWN_AGENT
