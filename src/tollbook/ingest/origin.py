"""Who calls, as the request says it around its payloads: by its key, its headers and its query."""

from collections.abc import Mapping

import msgspec

HEADER_PREFIX = "x-tollbook-"
NAMED = ("tenant", "agent", "run", "call", "source", "model", "provider", "hold", "ts")
"""What `X-Tollbook-<Name>` headers and `?<name>=` say; a header counts before the query."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says of all its calls; None is unsaid. What a payload says of itself counts first.

    `call` is the sender's own id of the call (with several calls in a request, the first part of each one's id),
    `attributes` are all headers by lower-case name.
    """

    tenant: str | None = None
    agent: str | None = None
    run: str | None = None
    call: str | None = None
    source: str | None = None
    model: str | None = None
    provider: str | None = None
    hold: str | None = None
    ts: str | None = None
    attributes: Mapping[str, str] = {}


def origin_of(
    headers: Mapping[str, str], query: Mapping[str, str], *, tenant: str | None, agent: str | None, run: str | None
) -> Origin:
    """What the request says; `tenant`, `agent` and `run` are its key's own, which stand where it is silent.

    >>> asked = {"agent": "other", "run": "r-1"}
    >>> found = origin_of({"x-tollbook-agent": "planner"}, asked, tenant="acme", agent=None, run=None)
    >>> found.tenant, found.agent, found.run
    ('acme', 'planner', 'r-1')
    """
    said = {name: headers.get(HEADER_PREFIX + name) or query.get(name) or None for name in NAMED}
    own = {"tenant": tenant, "agent": agent, "run": run}
    return Origin(**{name: value or own.get(name) for name, value in said.items()}, attributes=headers)
