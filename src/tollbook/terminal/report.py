"""Spend by any dimensions, from `/v1/spend`: groups, their course over time, and a total that is the server's own."""

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec

from tollbook.domain.errors import ConfigError
from tollbook.terminal.answers import Spend, SpendLine, Sums
from tollbook.terminal.api import AskRefused, Reader

DIMENSIONS = ("tenant", "month", "week", "day", "hour", "agent", "model")
TIMES = frozenset({"month", "week", "day", "hour"})
_OF_DAYS = frozenset({"month", "week"})
_DAYS_DEFAULT = 7
_WEEKS_DEFAULT = 8
_MONTHS_DEFAULT = 6


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: dimensions in their order, days as a person says them, and how groups are sorted and cut."""

    by: tuple[str, ...]
    since: str | None = None
    until: str | None = None
    tenant: str | None = None
    sort: str | None = None
    top: int | None = None
    trend: bool = True


class Group(msgspec.Struct, frozen=True):
    """One line: its value in each dimension, its sums, and nano-dollars by step of time."""

    values: tuple[str, ...]
    sums: Sums
    course: list[int]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Groups in their order. `others` counts those that `top` left out; `rest` is what they come to."""

    by: tuple[str, ...]
    first_day: str
    last_day: str
    groups: list[Group]
    total: Sums
    steps: list[str]
    others: int = 0
    rest: Sums = Sums()

    def document(self) -> dict[str, object]:
        """As the API writes its answer; with `others` where lines were left out."""
        found: dict[str, object] = {
            "rows": [{**dict(zip(self.by, each.values, strict=True)), **each.sums.shown()} for each in self.groups],
            "total": self.total.shown(),
            "from": self.first_day,
            "to": self.last_day,
        }
        if self.others:
            found["others"] = {"groups": self.others, **self.rest.shown()}
        return found


def dimensions_of(text: str) -> tuple[str, ...]:
    """The dimensions named; raises `ConfigError` on one that is unknown or named twice."""
    named = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in named:
        if name not in DIMENSIONS:
            raise ConfigError(f"--by: there is no dimension {name[:40]!r}; there are {', '.join(DIMENSIONS)}")
    if len(set(named)) < len(named):
        raise ConfigError("--by: a dimension is named twice")
    return named


def read_report(reader: Reader, question: Question) -> Report:
    """Ask and put together; the sums are those of `/v1/spend` to the nano-dollar. Raises as `Reader.get` does."""
    first, last = days_of(reader, question)
    asked = tuple(dict.fromkeys("day" if name in _OF_DAYS else name for name in question.by))
    step = "hour" if first == last else "day"
    trend = question.trend and not TIMES.intersection(question.by) and bool(question.by)
    query = {"tenant": question.tenant, "from": first.isoformat(), "to": last.isoformat()}
    try:
        found = reader.get("/v1/spend", Spend, {**query, "by": ",".join([*asked, step] if trend else asked)})
    except AskRefused as refused:
        # The course multiplies the groups; without it there may be few enough.
        if not trend or "groups" not in str(refused):
            raise
        trend = False
        found = reader.get("/v1/spend", Spend, {**query, "by": ",".join(asked)})
    steps = _steps(first, last, step) if trend else []
    return _cut(_report(found, question, steps, step), question.top)


def days_of(reader: Reader, question: Question) -> tuple[date, date]:
    """The first and last day asked for, by what the server calls today; raises `ConfigError` on what is no day."""
    today: date | None = None
    if any(text is None or not _is_plain(text) for text in (question.since, question.until)):
        today = date.fromisoformat(reader.get("/v1/spend", Spend, {"tenant": question.tenant}).last_day)
    last = today if question.until is None else _day(question.until, today, "--to", last=True)
    if last is None:
        raise ConfigError("--to: no day")
    if question.since is None:
        return _default_first(question.by, last), last
    first = _day(question.since, today, "--from", last=False)
    if first > last:
        raise ConfigError(f"--from {first} lies after --to {last}")
    return first, last


def _default_first(by: Sequence[str], last: date) -> date:
    if "hour" in by:
        return last
    if "month" in by:
        months = last.year * 12 + last.month - _MONTHS_DEFAULT
        return date(months // 12, months % 12 + 1, 1)
    if "week" in by:
        return last - timedelta(days=last.weekday() + 7 * (_WEEKS_DEFAULT - 1))
    return last - timedelta(days=_DAYS_DEFAULT - 1)


def _is_plain(text: str) -> bool:
    return text[:4].isdigit() and text[4:5] == "-"


def _day(text: str, today: date | None, option: str, *, last: bool) -> date:
    try:
        if _is_plain(text):
            if len(text) == len("2026-11"):
                first = date.fromisoformat(f"{text}-01")
                return (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1) if last else first
            return date.fromisoformat(text)
        if today is not None:
            match text, text[-1:], text[:-1].isdigit():
                case "today", _, _:
                    return today
                case "yesterday", _, _:
                    return today - timedelta(days=1)
                case _, "d", True:
                    return today - timedelta(days=int(text[:-1]) - (0 if last else 1))
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{option} {text[:40]}: there is no such day") from error
    raise ConfigError(f"{option} {text[:40]!r}: write a day (2026-11-05), a month (2026-11), today, yesterday or 7d")


def _steps(first: date, last: date, step: str) -> list[str]:
    if step == "hour":
        return [f"{first}T{hour:02d}:00:00Z" for hour in range(24)]
    return [str(first + timedelta(days=number)) for number in range((last - first).days + 1)]


def _report(found: Spend, question: Question, steps: list[str], step: str) -> Report:
    sums: dict[tuple[str, ...], Sums] = {}
    courses: dict[tuple[str, ...], dict[str, int]] = {}
    for row in found.rows:
        values = tuple(_value(row, name) for name in question.by)
        own = row.sums()
        sums[values] = sums[values] + own if values in sums else own
        if steps:
            course = courses.setdefault(values, {})
            at = getattr(row, step)
            course[at] = course.get(at, 0) + own.cost_nanos
    if step == "hour" and steps:
        # The hours of a tenant's day in another zone begin on the UTC day before, or end on the one after.
        steps = sorted({at for course in courses.values() for at in course})
    groups = [
        Group(values, own, [courses.get(values, {}).get(at, 0) for at in steps] if steps else [])
        for values, own in sums.items()
    ]
    return Report(
        by=question.by,
        first_day=found.first_day,
        last_day=found.last_day,
        groups=_sorted(groups, question),
        total=found.total.sums(),
        steps=steps,
    )


def _value(row: SpendLine, name: str) -> str:
    if name == "month":
        return row.day[:7]
    if name == "week":
        day = date.fromisoformat(row.day)
        return str(day - timedelta(days=day.weekday()))
    found: str = getattr(row, name)
    return found


def _sorted(groups: list[Group], question: Question) -> list[Group]:
    by = question.by
    if question.sort is None:
        # Time runs down the page; within one time, and where there is none, the dearest come first.
        times = [index for index, name in enumerate(by) if name in TIMES]
        return sorted(
            groups, key=lambda each: (*(each.values[index] for index in times), -each.sums.cost_nanos, each.values)
        )
    if question.sort in by:
        index = by.index(question.sort)
        return sorted(groups, key=lambda each: (each.values[index], -each.sums.cost_nanos, each.values))
    field = {"cost": "cost_nanos"}.get(question.sort, question.sort)
    if field not in {"cost_nanos", "calls", "input", "output"}:
        raise ConfigError(f"--sort: cost, calls, input, output or one of {', '.join(by) or 'the dimensions'}")
    return sorted(groups, key=lambda each: (-getattr(each.sums, field), each.values))


def _cut(report: Report, top: int | None) -> Report:
    if top is None or len(report.groups) <= top:
        return report
    rest = Sums()
    for each in report.groups[top:]:
        rest += each.sums
    return msgspec.structs.replace(report, groups=report.groups[:top], others=len(report.groups) - top, rest=rest)
