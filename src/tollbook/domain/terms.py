"""A budget as people write it, in a request's body and in `budgets.toml`, and the rules it must keep."""

from datetime import datetime

import msgspec

from tollbook.domain.agent import fault
from tollbook.domain.budget import DEFAULT_DAILY, EACH, ID_PATTERN, KEYS_PREFIX, Action, Budget, Fail, Mode
from tollbook.domain.limits import LIMIT_NANOS_MAX
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.domain.money import nanos_from_usd, usd_text

_MATCH_CHARS_MAX = 512
_NAME_CHARS_MAX = 256
_THRESHOLDS_MAX = 16
_THRESHOLD_MAX = 1_000
_DAILY = (ScopeKind.TENANT, WindowKind.DAY, Unit.USD)


class Terms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a budget limits and what follows; exactly one of the three limits. Dollars are text or a whole number."""

    scope: ScopeKind = ScopeKind.TENANT
    match: str = EACH
    window: WindowKind
    limit_usd: str | int | None = None
    limit_tokens: int | None = None
    limit_calls: int | None = None
    thresholds: tuple[int, ...] = (50, 80, 100)
    action: Action = Action.THROTTLE
    degrade_to: str | None = None
    mode: Mode | None = None
    fail: Fail | None = None
    expires_at: datetime | None = None

    def budget(self, budget_id: str, tenant: str | None, *, of_key: bool = False) -> Budget:
        """The budget of this id for a tenant, or for everyone (None). Raises `ValueError` where a rule is broken.

        Only the shares of keys have ids that begin with `key:`.

        >>> Terms(window="month", limit_usd="20").budget("m", "acme").limit
        20000000000
        """
        if not ID_PATTERN.fullmatch(budget_id) or budget_id.startswith(KEYS_PREFIX) != of_key:
            raise ValueError("a budget's id is 1 to 128 of A-Z a-z 0-9 . _ : / # @ = + -, and does not begin with key:")
        unit, limit = self._limit()
        is_daily = (self.scope, self.window, unit) == _DAILY
        if is_daily != (budget_id == DEFAULT_DAILY):
            raise ValueError(f"the budget `{DEFAULT_DAILY}` is the tenant's day in dollars, and no other budget is")
        if is_daily and tenant is None and self.expires_at is not None:
            raise ValueError("everyone's daily limit does not end")
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise ValueError("expires_at has no offset: end it with Z or one like +02:00")
        _check_match(self.scope, self.match)
        self._check_action()
        return Budget(
            id=budget_id,
            tenant=tenant,
            scope=self.scope,
            match=self.match,
            window=self.window,
            unit=unit,
            limit=limit,
            thresholds=tuple(sorted(set(self.thresholds))),
            action=self.action,
            degrade_to=self.degrade_to,
            mode=self.mode,
            fail=self.fail,
            expires_at=self.expires_at,
        )

    def _limit(self) -> tuple[Unit, int]:
        limits = {Unit.USD: self.limit_usd, Unit.TOKENS: self.limit_tokens, Unit.CALLS: self.limit_calls}
        given = [(unit, limit) for unit, limit in limits.items() if limit is not None]
        if len(given) != 1:
            raise ValueError("exactly one of limit_usd, limit_tokens and limit_calls is needed")
        ((unit, limit),) = given
        try:
            amount = int(nanos_from_usd(limit)) if unit is Unit.USD else int(limit)
        except ValueError as error:
            raise ValueError("limit_usd is no decimal number of dollars") from error
        if not 0 <= amount <= LIMIT_NANOS_MAX:
            bound = 10**9 if unit is Unit.USD else LIMIT_NANOS_MAX
            raise ValueError(f"limit_{unit} lies outside 0 to {bound}")
        return unit, amount

    def _check_action(self) -> None:
        if (self.action is Action.DEGRADE) != (self.degrade_to is not None):
            raise ValueError("degrade_to goes with the action degrade, and that with it")
        if self.degrade_to is not None and not _is_name(self.degrade_to, _NAME_CHARS_MAX):
            raise ValueError("degrade_to is no name of a model")
        in_range = all(1 <= threshold <= _THRESHOLD_MAX for threshold in self.thresholds)
        if len(self.thresholds) > _THRESHOLDS_MAX or not in_range:
            raise ValueError(
                f"thresholds are at most {_THRESHOLDS_MAX} whole numbers of per cent, 1 to {_THRESHOLD_MAX}"
            )


def _is_name(text: str, chars_max: int) -> bool:
    return 0 < len(text) <= chars_max and text.isprintable() and text == text.strip()


def _check_match(scope: ScopeKind, match: str) -> None:
    if not _is_name(match, _MATCH_CHARS_MAX):
        raise ValueError(f"match is 1 to {_MATCH_CHARS_MAX} printable characters")
    if match == EACH:
        if scope is ScopeKind.TAG:
            raise ValueError("match of a tag is key=value, or key=* for each value")
        return
    match scope:
        case ScopeKind.TENANT:
            raise ValueError("a budget of scope tenant has no match: `tenant` says whose it is")
        case ScopeKind.AGENT:
            why = "instances have the scope instance" if "#" in match else fault(match)
            if why is not None:
                raise ValueError(f"match is no path of roles like planner/researcher: {why}")
        case ScopeKind.INSTANCE:
            run, _, agent = match.partition("/")
            if not run or not agent:
                raise ValueError("match of an instance is <run>/<agent path>")
        case ScopeKind.TAG:
            key, found, _ = match.partition("=")
            if not key or not found:
                raise ValueError("match of a tag is key=value, or key=* for each value")
        case ScopeKind.RUN | ScopeKind.MODEL:
            pass


def terms_of(budget: Budget) -> Terms:
    """A budget's terms: `terms_of(b).budget(b.id, b.tenant)` is `b` again."""
    return Terms(
        scope=budget.scope,
        match=budget.match,
        window=budget.window,
        limit_usd=usd_text(budget.limit) if budget.unit is Unit.USD else None,
        limit_tokens=budget.limit if budget.unit is Unit.TOKENS else None,
        limit_calls=budget.limit if budget.unit is Unit.CALLS else None,
        thresholds=budget.thresholds,
        action=budget.action,
        degrade_to=budget.degrade_to,
        mode=budget.mode,
        fail=budget.fail,
        expires_at=budget.expires_at,
    )
