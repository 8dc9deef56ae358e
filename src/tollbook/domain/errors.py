"""Failures of the world, one tree:

TollbookError
├── BudgetExceeded            a budget is spent; raised by clients before a call
├── RequestError              the request cannot be taken as it is; never retry unchanged
│   └── UnitsRefused          units beside the tokens name nothing, or contradict each other
├── ConfigError               a setting is missing or contradicts another
│   ├── BudgetClash           two budgets of one owner would name the same meters
│   └── BudgetMoved           a budget is not as whoever changes it believes it to be
└── StoreError                a store did not do what was asked
    ├── JournalUnavailable    Valkey is away, loading, out of memory or timing out (retryable)
    ├── LedgerUnavailable     Postgres is away or timing out (retryable)
    ├── LedgerRefused         Postgres refused the data itself: poison, to be bisected
    ├── LayoutUnknown         a record of another version's layout waits for that version's drain (retryable)
    ├── LedgerConfused        versions contradict: a ledger went back in time (needs an operator)
    └── StatementAltered      a closed statement is not what was kept (needs an operator)

Outcomes (duplicate, throttled, behind) are values, not exceptions. Bugs raise `InvariantViolated`.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, NoReturn

if TYPE_CHECKING:
    from tollbook.domain.decision import Decision


class TollbookError(Exception):
    """Root of the failures of the world. `code` is stable; `retryable`: the same try may succeed later."""

    code: ClassVar[str] = "tollbook_error"
    retryable: ClassVar[bool] = False


class BudgetExceeded(TollbookError):  # noqa: N818 - the brief's snippet raises this very name
    """A budget has nothing left. `tenant` is whose; `decision` is the gate's, None where nothing was asked."""

    code = "budget_exceeded"

    def __init__(
        self, detail: str = "the budget is spent", *, tenant: str | None = None, decision: "Decision | None" = None
    ) -> None:
        super().__init__(detail)
        self.tenant = tenant
        self.decision = decision

    @property
    def retry_ms(self) -> int | None:
        """When asking again may help, in milliseconds from now; None where waiting alone will not."""
        return None if self.decision is None else self.decision.retry_ms


class RejectCode(StrEnum):
    """Why an item or a request is refused. Stable: clients branch on it."""

    JSON_INVALID = "json_invalid"
    PROTOBUF_INVALID = "protobuf_invalid"
    ITEM_NOT_OBJECT = "item_not_object"
    FIELD_MISSING = "field_missing"
    USAGE_MISSING = "usage_missing"
    FIELD_INVALID = "field_invalid"
    FIELD_OUT_OF_RANGE = "field_out_of_range"
    TEXT_INVALID = "text_invalid"
    TOKENS_INCONSISTENT = "tokens_inconsistent"
    UNIT_UNKNOWN = "unit_unknown"
    UNITS_INCONSISTENT = "units_inconsistent"
    ALIAS_CONFLICT = "alias_conflict"
    TOO_DEEP = "too_deep"
    TENANT_FORBIDDEN = "tenant_forbidden"
    AGENT_FORBIDDEN = "agent_forbidden"
    OBSERVER_FORBIDDEN = "observer_forbidden"
    TS_FUTURE = "ts_future"
    TS_TOO_OLD = "ts_too_old"
    COST_OUT_OF_RANGE = "cost_out_of_range"
    BODY_EMPTY = "body_empty"
    BODY_TOO_LARGE = "body_too_large"
    BATCH_TOO_LARGE = "batch_too_large"
    ENCODING_UNSUPPORTED = "encoding_unsupported"
    ENCODING_INVALID = "encoding_invalid"
    MEDIA_TYPE_UNSUPPORTED = "media_type_unsupported"


class RequestError(TollbookError):
    """The whole request is refused: `reject` says why, `status` is the HTTP answer it maps to."""

    code = "request_invalid"

    def __init__(self, reject: RejectCode, detail: str, *, status: int = 400) -> None:
        super().__init__(detail)
        self.reject = reject
        self.detail = detail
        self.status = status


class UnitsRefused(RequestError):  # noqa: N818 - an outcome of pricing, not a mistake of ours
    """What an event says of its units cannot be priced: no unit of that name, or a part larger than its whole."""

    code = "units_refused"

    def __init__(self, reject: RejectCode, detail: str) -> None:
        super().__init__(reject, detail, status=422)


class ConfigError(TollbookError):
    """A setting is missing, malformed or contradicts another."""

    code = "config_invalid"


class BudgetClash(ConfigError):  # noqa: N818 - a state of the world, not a mistake
    """Another budget of the same owner names the same meters."""

    code = "budget_clash"


class BudgetMoved(ConfigError):  # noqa: N818 - a state of the world, not a mistake
    """A budget stands at another version than the one its change was made for."""

    code = "budget_moved"


class StoreError(TollbookError):
    """A store did not do what was asked."""

    code = "store_error"


class JournalUnavailable(StoreError):  # noqa: N818 - a state of the world, not a mistake
    """Valkey is away, loading, out of memory or timing out. The command may still have been carried out."""

    code = "journal_unavailable"
    retryable = True


class LedgerUnavailable(StoreError):  # noqa: N818 - a state of the world, not a mistake
    """Postgres is away or timing out. The transaction may still have been committed."""

    code = "ledger_unavailable"
    retryable = True


class LedgerRefused(StoreError):  # noqa: N818 - a state of the world, not a mistake
    """Postgres refused the data itself; the same batch will be refused again."""

    code = "ledger_refused"


class LayoutUnknown(StoreError):  # noqa: N818 - a state of the world, not a mistake
    """A record was written in a layout this version does not know; booked blindly it would count as poison."""

    code = "layout_unknown"
    retryable = True


class LedgerConfused(StoreError):  # noqa: N818 - a state of the world, not a mistake
    """Valkey's fence is ahead of Postgres within one ledger epoch: numbers would go backwards."""

    code = "ledger_confused"


class StatementAltered(StoreError):  # noqa: N818 - a state of the world, not a mistake
    """The lines kept of a closed statement do not have the digest kept with them: somebody changed them."""

    code = "statement_altered"


class InvariantViolated(AssertionError):  # noqa: N818 - names a bug, not a failure
    """A bug. Stops the task it happens in, in production too."""


def invariant(condition: bool, why: str) -> None:
    """Raise `InvariantViolated(why)` unless the condition holds."""
    if not condition:
        raise InvariantViolated(why)


def unreachable(why: str) -> NoReturn:
    """Mark a place that no input can reach."""
    raise InvariantViolated(why)
