"""The hold that an event names: `<uuid7>`, or `<uuid7>.<n>` for the n-th part of a lease."""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

PATTERN = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?:\.[1-9][0-9]{0,8})?"
"""The server mints the id, so it comes back as it was written."""

_WHOLE = re.compile(PATTERN)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AHEAD_MAX = timedelta(minutes=1)
_BEHIND_MAX = timedelta(days=35)


class HoldName(NamedTuple):
    """A hold and the part of it that an event uses up; `part` is 0 for a hold that is no lease."""

    hold_id: str
    part: int


def hold_name(text: str) -> HoldName:
    """The hold that an event names; raises `ValueError` where the text is none.

    >>> hold_name("01890a5d-ac96-774b-bcce-b302099a8057.3")
    HoldName(hold_id='01890a5d-ac96-774b-bcce-b302099a8057', part=3)
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"not the name of a hold: {text!r}")
    hold_id, _, part = text.partition(".")
    return HoldName(hold_id, int(part or 0))


def counted_at(ts: datetime, hold: str) -> datetime:
    """The instant that names the windows of a call that was held: its hold's, so that it fills the room held for it.

    A hold is minted before its call ends and lives for minutes, unless it is extended: one whose time lies more than a
    minute after the call's own or more than 35 days before it is not believed. SQL's `ledger_counted_at` says the same.

    >>> counted_at(datetime(2023, 6, 30, tzinfo=UTC), "01890a5d-ac96-774b-bcce-b302099a8057").isoformat()
    '2023-06-30T00:00:00+00:00'
    """
    minted = _EPOCH + timedelta(milliseconds=int(hold[:8] + hold[9:13], 16))
    return minted if ts - _BEHIND_MAX <= minted <= ts + _AHEAD_MAX else ts
