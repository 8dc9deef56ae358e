"""From a call and the budgets it must pass to what each budget is asked to hold, and back to what was granted."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from tollbook.domain.budget import Action, Budget, Check, Mode
from tollbook.domain.errors import invariant
from tollbook.domain.meter import Unit
from tollbook.enforcement.asks import Ask, LeaseAsk
from tollbook.enforcement.estimates import CallPrice
from tollbook.ports.holds import HoldAnswer, HoldCheck


class Sizes(NamedTuple):
    """Tokens of a call: its input, and of output the most, the least that is of use, and what is usual.

    `stepped`: no most was named, so the caller has to be told.
    """

    input: int
    most: int
    least: int
    usual: int
    stepped: bool


class Plan(NamedTuple):
    """A call, or a lease for many, against its budgets: `checks` and `asked` lie beside each other."""

    ask: Ask
    sizes: Sizes
    price: CallPrice
    checks: tuple[Check, ...]
    asked: tuple[HoldCheck, ...]
    lease: bool = False

    @property
    def upper_nanos(self) -> int:
        """The most the call can cost, or what the caller said of it."""
        if self.ask.amount_nanos is not None:
            return self.ask.amount_nanos
        return self.price.upper_nanos(self.sizes.input, self.sizes.most)


def sizes_of(ask: Ask, *, step_tokens: int, usual: int | None) -> Sizes:
    """Sizes of a call. What is not said is a step; `usual` is what such calls have put out, None where unknown."""
    given = ask.input_tokens
    least, most = ask.min_output_tokens, ask.max_output_tokens
    stepped = most is None
    if most is None:
        most = max(step_tokens, least or 0)
    return Sizes(
        step_tokens if given is None else given,
        most,
        most if least is None else min(least, most),
        most if usual is None else min(usual, most),
        stepped,
    )


def ordered(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Budgets that degrade first: where one of them gives way, the others may fit after all."""
    if not any(check.budget.action is Action.DEGRADE for check in checks):
        return tuple(checks)
    return tuple(sorted(checks, key=lambda check: check.budget.action is not Action.DEGRADE))


def plan_call(ask: Ask, sizes: Sizes, price: CallPrice, checks: Sequence[Check], yielded: Collection[str]) -> Plan:
    """What a call holds on each meter. Budgets named in `yielded` count it and no longer limit it."""
    in_order = ordered(checks)
    amounts = _Amounts(ask, sizes, price)
    asked = tuple(_check(check, yielded, ask.mode, *amounts.of(check.budget, ask.mode)) for check in in_order)
    return Plan(ask, sizes, price, in_order, asked)


def plan_lease(
    lease: LeaseAsk, sizes: Sizes, price: CallPrice, checks: Sequence[Check], yielded: Collection[str]
) -> Plan:
    """What a lease holds on each meter: at least one call, at most the slice."""
    in_order = ordered(checks)
    amounts = _Amounts(lease.call, sizes, price)
    asked = []
    for check in in_order:
        _, one = amounts.of(check.budget, Mode.STRICT)
        match check.budget.unit:
            case Unit.USD:
                most = one * lease.calls if lease.slice_nanos is None else max(one, lease.slice_nanos)
            case Unit.TOKENS | Unit.CALLS:
                most = one * lease.calls
        asked.append(_check(check, yielded, lease.call.mode, one, most))
    return Plan(lease.call, sizes, price, in_order, tuple(asked), lease=True)


def granted_output(plan: Plan, answer: HoldAnswer) -> int | None:
    """The most output tokens that the amounts held cover; None where the call got all that it asked for."""
    if plan.lease:
        return None
    fits: int | None = None
    for check, asked, amount in zip(plan.checks, plan.asked, answer.amounts, strict=True):
        if amount >= asked.most:
            continue
        match check.budget.unit:
            case Unit.USD:
                covered = plan.price.output_within(plan.sizes.input, amount)
            case Unit.TOKENS:
                covered = amount - plan.sizes.input
            case Unit.CALLS:
                covered = plan.sizes.most
        fits = covered if fits is None else min(fits, covered)
    if fits is not None:
        invariant(fits >= plan.sizes.least, "less output is granted than is of use")
        return min(fits, plan.sizes.most)
    return plan.sizes.most if plan.sizes.stepped else None


def amount_in(plan: Plan, answer: HoldAnswer, unit: Unit) -> int | None:
    """What is held in a unit: the least of any of its budgets, None where none counts it."""
    amounts = [amount for check, amount in zip(plan.checks, answer.amounts, strict=True) if check.budget.unit is unit]
    return min(amounts, default=None)


def cheaper_model(plan: Plan, answer: HoldAnswer) -> Budget | None:
    """The first budget that would be over and names a cheaper model instead of refusing."""
    for index, (check, asked) in enumerate(zip(plan.checks, plan.asked, strict=True)):
        if check.budget.action is not Action.DEGRADE or asked.limit is None:
            continue
        if index == answer.decided:
            return check.budget
        if index < len(answer.views):
            view = answer.views[index]
            if view.spent + view.held + asked.least > asked.limit:
                return check.budget
    return None


class _Amounts:
    """(least, most) to hold, by unit and mode; each computed once a call."""

    def __init__(self, ask: Ask, sizes: Sizes, price: CallPrice) -> None:
        self._ask = ask
        self._sizes = sizes
        self._price = price
        self._known: dict[tuple[Unit, Mode], tuple[int, int]] = {}

    def of(self, budget: Budget, asked: Mode | None) -> tuple[int, int]:
        mode = budget.mode_for(asked)
        key = (budget.unit, mode)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._compute(budget.unit, mode)
        return found

    def _compute(self, unit: Unit, mode: Mode) -> tuple[int, int]:
        sizes = self._sizes
        most_output = sizes.most if mode is Mode.STRICT else sizes.usual
        match unit:
            case Unit.USD:
                if self._ask.amount_nanos is not None:
                    return self._ask.amount_nanos, self._ask.amount_nanos
                most = self._price.upper_nanos(sizes.input, most_output)
                if sizes.least >= most_output:
                    return most, most
                return self._price.upper_nanos(sizes.input, sizes.least), most
            case Unit.TOKENS:
                return sizes.input + min(sizes.least, most_output), sizes.input + most_output
            case Unit.CALLS:
                return 1, 1


def _check(check: Check, yielded: Collection[str], mode: Mode | None, least: int, most: int) -> HoldCheck:
    budget, meter, window = check
    limits = budget.refuses or (budget.action is Action.DEGRADE and budget.id not in yielded)
    return HoldCheck(
        meter,
        budget.limit if limits else None,
        least,
        most,
        limits and budget.mode_for(mode) is Mode.STRICT,
        None if window.end is None else int(window.end.timestamp() * 1000),
    )
