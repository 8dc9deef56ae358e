"""What the person at the screen chose: where to stand, which lines, in which order; and what each key changes."""

from dataclasses import dataclass, field
from enum import StrEnum

from tollbook.terminal.top.view import Kind, Line, Place, Reading

INTERVALS_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_FILTER_MAX = 64


class Key(StrEnum):
    """Keys that are no characters."""

    UP = "up"
    DOWN = "down"
    PAGE_UP = "page up"
    PAGE_DOWN = "page down"
    HOME = "home"
    END = "end"
    ENTER = "enter"
    ESCAPE = "escape"
    BACK = "back"
    TAB = "tab"
    BACK_TAB = "back tab"
    RESIZE = "resize"


class Order(StrEnum):
    """What lines are sorted by."""

    SPENT = "spent"
    RATE = "rate"
    USED = "used"
    CALLS = "calls"
    NAME = "name"
    LATEST = "latest"


_ORDERS: dict[Kind, tuple[Order, ...]] = {
    Kind.TENANTS: (Order.SPENT, Order.USED, Order.RATE, Order.CALLS, Order.NAME),
    Kind.AGENTS: (Order.SPENT, Order.RATE, Order.CALLS, Order.NAME),
    Kind.MODELS: (Order.SPENT, Order.RATE, Order.CALLS, Order.NAME),
    Kind.RUNS: (Order.SPENT, Order.LATEST, Order.RATE, Order.CALLS, Order.NAME),
    Kind.INSTANCES: (Order.SPENT,),
}
_LETTERS = {"P": Order.SPENT, "R": Order.RATE, "U": Order.USED, "C": Order.CALLS, "N": Order.NAME, "L": Order.LATEST}


@dataclass
class Level:
    """One step of the way down: a place, the kind shown there, and where one stood. `cursor` None: the first line."""

    place: Place
    kind: Kind
    cursor: tuple[str, ...] | None = None
    top: int = 0


@dataclass
class State:
    """Everything that keys change. `page` is how many lines the screen shows, which its painter tells."""

    levels: list[Level]
    order: Order = Order.SPENT
    reverse: bool = False
    filter: str = ""
    editing: bool = False
    throttled_only: bool = False
    paused: bool = False
    helping: bool = False
    interval_s: float = 2.0
    quits: bool = False
    page: int = 10
    readings: dict[tuple[Place, Kind], Reading] = field(default_factory=dict)

    @classmethod
    def begin(cls, place: Place, kind: Kind | None = None, *, interval_s: float = 2.0) -> "State":
        """Stand at a place."""
        return cls([Level(place, kind or place.kinds()[0])], interval_s=interval_s)

    @property
    def level(self) -> Level:
        """Where one stands."""
        return self.levels[-1]

    @property
    def wanted(self) -> tuple[Place, Kind]:
        """What has to be read."""
        return self.level.place, self.level.kind

    def reading(self) -> Reading:
        """What was read last for here; an empty one where nothing was yet."""
        return self.readings.get(self.wanted) or Reading(place=self.level.place, kind=self.level.kind)

    def take(self, reading: Reading) -> None:
        """Keep what was read; of a failure only its words, so that what was known goes on showing."""
        key = reading.place, reading.kind
        if reading.failure and key in self.readings:
            known = self.readings[key]
            reading = Reading(
                place=known.place,
                kind=known.kind,
                head=known.head,
                lines=known.lines,
                note=known.note,
                failure=reading.failure,
            )
        # Other places are read anew when one comes there: only the way back is worth keeping.
        kept = {(level.place, level.kind) for level in self.levels}
        self.readings = {place: found for place, found in self.readings.items() if place in kept}
        self.readings[key] = reading

    def orders(self) -> tuple[Order, ...]:
        """What the lines here can be sorted by."""
        return _ORDERS[self.level.kind]

    def sorted_by(self) -> Order:
        """What they are sorted by: what was chosen, where it applies here."""
        return self.order if self.order in self.orders() else Order.SPENT

    def lines(self) -> list[Line]:
        """The lines in the order chosen, those filtered out left out."""
        found = [line for line in self.reading().lines if self._passes(line)]
        if self.level.kind is Kind.INSTANCES:
            return found
        order = self.sorted_by()
        if order is Order.NAME:
            return sorted(found, key=lambda line: (line.name.casefold(), line.key), reverse=self.reverse)
        found.sort(key=lambda line: line.key)
        found.sort(key=lambda line: _rank(line, order), reverse=not self.reverse)
        return found

    def position(self, lines: list[Line]) -> int:
        """Which of the lines is chosen; it stays with its line wherever that moves."""
        if self.level.cursor is None:
            return 0
        return next((index for index, line in enumerate(lines) if line.key == self.level.cursor), 0)

    def press(self, key: "Key | str") -> None:
        """Change what a key changes; an unknown one changes nothing."""
        if self.editing:
            self._edit(key)
        elif self.helping:
            self.helping = False
        elif not self._moves(key) and not self._goes(key):
            self._switches(key)

    def _passes(self, line: Line) -> bool:
        if self.throttled_only and self.level.kind is Kind.TENANTS and not line.throttled:
            return False
        wanted = self.filter.casefold()
        return wanted in line.name.casefold() or wanted in line.tenant.casefold()

    def _edit(self, key: "Key | str") -> None:
        match key:
            case Key.ENTER:
                self.editing = False
            case Key.ESCAPE:
                self.editing, self.filter = False, ""
            case Key.BACK:
                self.filter = self.filter[:-1]
            case Key.UP | Key.DOWN:
                self._moves(key)
            case str() if not isinstance(key, Key) and key.isprintable():
                self.filter = (self.filter + key)[:_FILTER_MAX]

    def _moves(self, key: "Key | str") -> bool:
        lines = self.lines()
        at = self.position(lines)
        match key:
            case Key.UP | "k":
                to = at - 1
            case Key.DOWN | "j":
                to = at + 1
            case Key.PAGE_UP:
                to = at - self.page
            case Key.PAGE_DOWN:
                to = at + self.page
            case Key.HOME | "g":
                to = 0
            case Key.END | "G":
                to = len(lines) - 1
            case _:
                return False
        to = max(0, min(to, len(lines) - 1))
        # At the top one stays at the top, whoever comes there.
        self.level.cursor = lines[to].key if to and lines else None
        return True

    def _goes(self, key: "Key | str") -> bool:
        kinds = self.level.place.kinds()
        at = kinds.index(self.level.kind)
        match key:
            case Key.ENTER | "l":
                self._open()
            case Key.ESCAPE | Key.BACK | "h":
                if key is Key.ESCAPE and self.filter:
                    self.filter = ""
                elif len(self.levels) > 1:
                    self.levels.pop()
                    self.filter = ""
            case Key.TAB:
                self._show(kinds[(at + 1) % len(kinds)])
            case Key.BACK_TAB:
                self._show(kinds[at - 1])
            case str() if key.isdigit() and 0 < int(key) <= len(kinds):
                self._show(kinds[int(key) - 1])
            case _:
                return False
        return True

    def _switches(self, key: "Key | str") -> None:
        match key:
            case "q" | "Q" | "\x03":
                self.quits = True
            case "?":
                self.helping = True
            case "/":
                self.editing = True
            case "s":
                orders = self.orders()
                self.order = orders[(orders.index(self.sorted_by()) + 1) % len(orders)]
            case "r":
                self.reverse = not self.reverse
            case "t":
                self.throttled_only = not self.throttled_only
            case " ":
                self.paused = not self.paused
            case "+" | "-":
                self._pace(1 if key == "+" else -1)
            case str() if key in _LETTERS and _LETTERS[key] in self.orders():
                self.order = _LETTERS[key]

    def _pace(self, step: int) -> None:
        at = min(range(len(INTERVALS_S)), key=lambda index: abs(INTERVALS_S[index] - self.interval_s))
        self.interval_s = INTERVALS_S[max(0, min(at + step, len(INTERVALS_S) - 1))]

    def _show(self, kind: Kind) -> None:
        self.level.kind, self.level.cursor, self.level.top = kind, None, 0

    def _open(self) -> None:
        lines = self.lines()
        if not lines or self.level.kind is Kind.INSTANCES:
            return
        line, place = lines[self.position(lines)], self.level.place
        match self.level.kind:
            case Kind.TENANTS:
                place = Place(tenant=line.tenant)
            case Kind.AGENTS:
                place = Place(tenant=line.tenant, agent=line.name)
            case Kind.MODELS:
                place = Place(tenant=place.tenant, model=line.name)
            case Kind.RUNS:
                place = Place(tenant=line.tenant, run=line.name)
        if place == self.level.place:
            return
        self.level.cursor = line.key
        self.levels.append(Level(place, place.kinds()[0]))
        self.filter, self.throttled_only = "", False


def _rank(line: Line, order: Order) -> tuple[object, ...]:
    match order:
        case Order.RATE:
            return (line.rate_nanos or 0, line.sums.cost_nanos)
        case Order.USED:
            return (line.throttled, line.used or 0.0, line.sums.cost_nanos)
        case Order.CALLS:
            return (line.sums.calls, line.sums.cost_nanos)
        case Order.LATEST:
            return (line.last_ts or "", line.sums.cost_nanos)
        case Order.SPENT | Order.NAME:
            return (line.sums.cost_nanos, line.sums.calls)
