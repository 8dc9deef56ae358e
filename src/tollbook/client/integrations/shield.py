"""Keeps tollbook's own mistakes out of the caller's call: what fails here is logged, and the call goes on.

`BudgetExceeded` and `HoldLost` are decisions and pass through, as does what is no mistake, such as an interrupt.
"""

import logging
from types import TracebackType

from tollbook.client.errors import HoldLost
from tollbook.domain.errors import BudgetExceeded, TollbookError

_log = logging.getLogger("tollbook.client")


class shielded:  # noqa: N801 - reads as the statement it is used in
    """Log any failure of the block but a decision, and go on behind the block.

    `closed` lets failures of the world through too, such as a key that the server refuses; bugs never.

    >>> with shielded("dividing"):
    ...     answer = 1
    >>> answer
    1
    """

    __slots__ = ("_closed", "_doing")

    def __init__(self, doing: str, *, closed: bool = False) -> None:
        self._doing = doing
        self._closed = closed

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Whether the failure, if there is one, ends here."""
        if error is None or not isinstance(error, Exception) or isinstance(error, (BudgetExceeded, HoldLost)):
            return False
        if self._closed and isinstance(error, TollbookError):
            return False
        # A failure of the world is told in a line for each call; only a bug needs its traceback.
        trace = None if isinstance(error, TollbookError) else error
        _log.error("tollbook failed while %s, the call goes on without it: %s", self._doing, error, exc_info=trace)
        return True
