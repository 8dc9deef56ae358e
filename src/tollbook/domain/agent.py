"""The agent's name: a slash path of roles, each with an optional `#instance` part."""

SEGMENTS_MAX = 16


def fault(agent: str) -> str | None:
    """Why the text is no agent name, or None where it is one.

    A segment is `role` or `role#instance`; the role ends at the first `#`.

    >>> fault("planner/researcher#7/fetcher#2")
    >>> fault("planner//fetcher")
    'a segment of the path is empty'
    """
    segments = agent.split("/")
    if len(segments) > SEGMENTS_MAX:
        return f"more than {SEGMENTS_MAX} segments"
    if "" in segments:
        return "a segment of the path is empty"
    if "#" in agent:
        for segment in segments:
            role, mark, instance = segment.partition("#")
            if not role:
                return "a segment names an instance but no role"
            if mark and not instance:
                return "a segment ends in '#' but names no instance"
    return None


def roles(agent: str) -> str:
    """The path of roles alone: what agent meters count by.

    >>> roles("planner/researcher#7/fetcher#2")
    'planner/researcher/fetcher'
    """
    if "#" not in agent:
        return agent
    return "/".join(segment.partition("#")[0] for segment in agent.split("/"))


def ancestors(path: str) -> tuple[str, ...]:
    """The paths strictly above this one, the root first; a path's spend counts at itself and at each of them.

    >>> ancestors("planner/researcher/fetcher")
    ('planner', 'planner/researcher')
    >>> ancestors("planner")
    ()
    """
    segments = path.split("/")
    return tuple("/".join(segments[:count]) for count in range(1, len(segments)))
