"""The agent's name: a slash path of roles, each with an optional `#instance` part."""

import re

SEGMENTS_MAX = 16

_PATH = re.compile(rf"[^/#]+(?:#[^/]+)?(?:/[^/#]+(?:#[^/]+)?){{0,{SEGMENTS_MAX - 1}}}", re.DOTALL)


def fault(agent: str) -> str | None:
    """Why the text is no agent name, or None where it is one.

    A segment is `role` or `role#instance`; the role ends at the first `#`.

    >>> fault("planner/researcher#7/fetcher#2")
    >>> fault("planner//fetcher")
    'a segment of the path is empty'
    """
    if _PATH.fullmatch(agent):
        return None
    segments = agent.split("/")
    if len(segments) > SEGMENTS_MAX:
        return f"more than {SEGMENTS_MAX} segments"
    if "" in segments:
        return "a segment of the path is empty"
    if any(segment.startswith("#") for segment in segments):
        return "a segment names an instance but no role"
    return "a segment ends in '#' but names no instance"


def roles(agent: str) -> str:
    """The path of roles alone: what agent meters count by.

    >>> roles("planner/researcher#7/fetcher#2")
    'planner/researcher/fetcher'
    """
    if "#" not in agent:
        return agent
    return "/".join(segment.partition("#")[0] for segment in agent.split("/"))


def within(agent: str, subtree: str) -> bool:
    """Whether an agent is the one that a path names or stands below it; a path of roles alone holds for all instances.

    >>> within("planner/researcher#7/fetch", "planner/researcher"), within("planner/researcher#7", "planner/res")
    (True, False)
    """
    path = agent if "#" in subtree else roles(agent)
    return path == subtree or path.startswith(f"{subtree}/")


def ancestors(path: str) -> tuple[str, ...]:
    """The paths strictly above this one, the root first; a path's spend counts at itself and at each of them.

    >>> ancestors("planner/researcher/fetcher")
    ('planner', 'planner/researcher')
    >>> ancestors("planner")
    ()
    """
    segments = path.split("/")
    return tuple("/".join(segments[:count]) for count in range(1, len(segments)))
