"""Which of several observations of one call stands: an order of how much each knows, and which ids name the call.

`docs/rooms/corrections.md` gives the rules; the ledger compares the numbers that are made here.
"""

import re
from functools import lru_cache
from hashlib import blake2b

from tollbook.domain.errors import unreachable
from tollbook.domain.event import Observer, Seen

UNKNOWN_AGENT = "unknown"
"""The agent that a dialect writes where its source names none. Any other observation's agent is better."""

UNOBSERVED = 0
"""The standing of an event that says nothing of who saw it: none corrects it, and it corrects none."""
LEVEL_SHIFT = 24
"""`standing >> LEVEL_SHIFT`: 3 one call seen for itself, 2 an aggregate, 1 a metric, 0 unobserved."""
LEAF_LEVEL = 3
REVISION_MAX = (1 << 20) - 1

REPORTED_DIFFERS = 1 << 13
"""A bit of flags beside those of `pricing.quote.QuoteFlag`: the sender's own cost is far from the computed one."""

_REPORTED = 1 << 23
_RANK_SHIFT = 20
_RANKS: dict[Observer, tuple[int, int]] = {
    Observer.GATEWAY: (LEAF_LEVEL, 5),
    Observer.SDK: (LEAF_LEVEL, 4),
    Observer.LEAF: (LEAF_LEVEL, 3),
    Observer.AGGREGATE: (2, 2),
    Observer.METRIC: (1, 1),
}
_OBSERVERS = {rank: observer for observer, (_, rank) in _RANKS.items()}
_PREFIX = re.compile(r"\A[A-Za-z]{1,16}[-_]")
_GROUPS_CACHED_MAX = 4_096
_ALNUM_MIN = 12
_DIGITS_MIN = 18
_DISTINCT_MIN = 7


def standing_of(seen: Seen | None) -> int:
    """How much an observation knows of its call, as a number of 26 bits: the greater one stands.

    From the top: the level, whether the counts were reported (not reckoned), the observer, the revision.

    >>> standing_of(Seen(by=Observer.GATEWAY)) > standing_of(Seen(by=Observer.SDK, revision=9))
    True
    >>> standing_of(Seen(by=Observer.LEAF)) > standing_of(Seen(by=Observer.GATEWAY, estimated=True))
    True
    """
    if seen is None:
        return UNOBSERVED
    level, rank = _RANKS[seen.by]
    revision = min(max(seen.revision, 0), REVISION_MAX)
    return level << LEVEL_SHIFT | (0 if seen.estimated else _REPORTED) | rank << _RANK_SHIFT | revision


def observer_of(standing: int) -> Observer | None:
    """Who saw it; None for an unobserved event."""
    if standing == UNOBSERVED:
        return None
    observer = _OBSERVERS.get(standing >> _RANK_SHIFT & 7)
    if observer is None:
        unreachable(f"no observer has the standing {standing}")
    return observer


def is_estimated(standing: int) -> bool:
    """Whether the counts were reckoned, not reported."""
    return standing != UNOBSERVED and not standing & _REPORTED


def is_telling(provider_id: str) -> bool:
    """Whether a provider's id is unlikely to name two calls: what follows its prefix is long and varied enough.

    Some servers count (`chatcmpl-123`), some send one id with every answer: such an id must not make two calls one.

    >>> is_telling("msg_01XFDUDYJgAACzvnptvVoYEL"), is_telling("chatcmpl-123"), is_telling("chatcmpl-000000000123")
    (True, False, False)
    """
    prefix = _PREFIX.match(provider_id)
    told = provider_id if prefix is None else provider_id[prefix.end() :]
    if not told.isalnum():
        told = "".join(filter(str.isalnum, told))
    fewest = _DIGITS_MIN if told.isdigit() else _ALNUM_MIN
    return len(told) >= fewest and len(set(told)) >= _DISTINCT_MIN


def call_name(seen: Seen) -> str | None:
    """The provider's id that names the call, whatever the source: of the answer, else of the request, else None."""
    for provider_id in (seen.response_id, seen.request_id):
        if provider_id is not None and is_telling(provider_id):
            return provider_id
    return None


def call_identity(tenant: str, name: str) -> bytes:
    """The 16 bytes that name a call by its provider's id; never those of an event's (tenant, source, id)."""
    # The triple of `identity_of` begins with a digit.
    return blake2b(f"call {len(tenant)}:{tenant}{name}".encode(), digest_size=16).digest()


def figures_differ(reported_nanos: int, cost_nanos: int, percent: int) -> bool:
    """Whether a sender's figure is further than so much of the greater one from the computed one."""
    return abs(reported_nanos - cost_nanos) * 100 > percent * max(reported_nanos, cost_nanos)


@lru_cache(maxsize=_GROUPS_CACHED_MAX)
def group_key(tenant: str, group: str) -> bytes:
    """The 16 bytes that name a group of a tenant."""
    return blake2b(f"group {len(tenant)}:{tenant}{group}".encode(), digest_size=16).digest()
