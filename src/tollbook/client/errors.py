"""What an agent's process can meet beside the tree of `domain/errors.py`:

TollbookError
├── BudgetExceeded
│   └── BudgetBusy     only open holds are in the way, and `wait_s` is over (retryable)
├── HoldLost           a hold could not be kept while its call was open: the call has to stop
├── GateRefused        the server refuses the question itself: key, address or fields; asking again changes nothing
├── SpoolFull          the outbox on disk has reached its bound; the event was not taken (retryable)
├── SpoolUnusable      the outbox cannot be opened, read or written
└── UsageUnknown       what was recorded states no usage
"""

from tollbook.domain.decision import Decision
from tollbook.domain.errors import BudgetExceeded, TollbookError


class BudgetBusy(BudgetExceeded):
    """Nothing is spent, but open holds leave no room and the wait is over. `retry_ms` is when to come back."""

    code = "budget_busy"
    retryable = True


class HoldLost(TollbookError):  # noqa: N818 - a state of the world, not a mistake
    """The hold of an open call ended before the call did. What was already used is to be recorded all the same."""

    code = "hold_lost"

    def __init__(self, detail: str, *, hold_id: str | None = None, decision: Decision | None = None) -> None:
        super().__init__(detail)
        self.hold_id = hold_id
        self.decision = decision


class GateRefused(TollbookError):  # noqa: N818 - named after what happened
    """The server refuses the question. `status` is its HTTP answer, `reason` its code, 0 and `""` where it has none."""

    code = "gate_refused"

    def __init__(self, detail: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason


class SpoolFull(TollbookError):  # noqa: N818 - a state of the world, not a mistake
    """The spool has reached its bound: the event was not taken, and the caller still has it."""

    code = "spool_full"
    retryable = True


class SpoolUnusable(TollbookError):  # noqa: N818 - a state of the world, not a mistake
    """The spool's file cannot be opened, read or written."""

    code = "spool_unusable"


class UsageUnknown(TollbookError):  # noqa: N818 - named after what is missing
    """What was handed to `record` states no usage that is known here."""

    code = "usage_unknown"
