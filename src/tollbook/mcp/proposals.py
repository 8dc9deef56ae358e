"""Changes that were shown and wait to be made: kept in this process, for a quarter of an hour, one use each."""

import hashlib
import secrets
from collections.abc import Callable
from typing import NamedTuple

from tollbook.domain.terms import Terms

_LIFE_S = 900.0
_KEPT_MAX = 50
"""Of one key."""


class Change(NamedTuple):
    """A budget as it is to become. `version` is what it stood at when it was shown, 0 where there was none."""

    budget_id: str
    tenant: str | None
    terms: Terms
    version: int


class _Kept(NamedTuple):
    key_digest: bytes
    change: Change
    ends: float


class Proposals:
    """What was proposed under which key. A proposal is nobody's but its key's, and gone once it is taken.

    Of one key the oldest go where there are too many: a caller that proposes and never sets takes no memory for good,
    and nothing from other callers.
    """

    life_s = _LIFE_S

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: dict[str, _Kept] = {}

    def keep(self, key: str, change: Change) -> str:
        """The id of a change that was shown to whoever holds a key."""
        now, digest = self._monotonic(), _digest(key)
        self._kept = {proposal: kept for proposal, kept in self._kept.items() if now < kept.ends}
        own = [proposal for proposal, kept in self._kept.items() if kept.key_digest == digest]
        if len(own) >= _KEPT_MAX:
            del self._kept[own[0]]
        proposal = f"proposal-{secrets.token_hex(8)}"
        self._kept[proposal] = _Kept(digest, change, now + _LIFE_S)
        return proposal

    def take(self, key: str, proposal: str) -> Change | None:
        """The change of an id, which is spent with that; None where this key has none of that id any more."""
        found = self._kept.get(proposal)
        if found is None or not secrets.compare_digest(found.key_digest, _digest(key)):
            return None
        del self._kept[proposal]
        return found.change if self._monotonic() < found.ends else None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
