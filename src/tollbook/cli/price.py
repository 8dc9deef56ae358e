"""`tollbook price`."""

import getpass
import sys
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tollbook.app.config import Settings
from tollbook.app.price_file import Change, changed, entry_text, write
from tollbook.app.prices import Candidate, candidate_of, compiled_again, price_cards, read_text
from tollbook.app.wiring import World, ceiling_of
from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer, rows, say
from tollbook.cli.stores import Data, run, settings_for, tenant_named
from tollbook.domain.errors import ConfigError, RequestError
from tollbook.domain.event import Event
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.money import usd_text
from tollbook.ingest.native import decode
from tollbook.ports.prices import KeptBook
from tollbook.pricing.cards import PriceRow
from tollbook.pricing.diff import Move, moves
from tollbook.pricing.explain import explain
from tollbook.pricing.listing import listed
from tollbook.pricing.quote import QuoteFlag

app = typer.Typer(help="What calls cost, and prices of your own.", no_args_is_help=True)

Provider = Annotated[str | None, typer.Option(help="As events name it.", show_default=False)]
At = Annotated[str | None, typer.Option(help="RFC 3339 with an offset, or a day (00:00 UTC).", show_default="now")]
Tenant = Annotated[str | None, typer.Option(help="With this tenant's discounts.", show_default=False)]
_SHOWN_MAX = 200


@app.command(
    epilog=examples(
        "tollbook price show claude-opus-4-8",
        "tollbook price show gpt-4o --tier batch --at 2026-11-05 --json",
    )
)
def show(
    model: str,
    *,
    provider: Provider = None,
    at: At = None,
    tier: Annotated[str | None, typer.Option(help="Show the rates of this service tier alone.")] = None,
    tenant: Tenant = None,
    all_dates: Annotated[bool, typer.Option("--all", help="Show past and future prices too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a model costs, by the installed data and TOLLBOOK_PRICES_FILE; `*` marks what holds now."""
    book = _installed(Settings.from_environment()).book
    moment = _moment(at)
    found = listed(book, provider, model, moment, tenant=tenant)
    if found is None:
        raise ConfigError(f"no model called {model!r} is known: its calls cost the ceiling's, flagged")
    lines = [f"{found.provider}  {found.model}{'  (borrowed list)' if found.borrowed else ''}  {book.version}"]
    holds = set(found.in_force)
    if tier is not None:
        rates = book.rates(provider, model, tier, moment, tenant=tenant)
        if rates.flags:
            lines.append(f"tier {tier}: {', '.join(_flags(rates.flags))}")
        holds = {rates.price_id} if rates.price_id is not None else set()
    cards = [row for row in found.rows if row.price_id in holds or (all_dates and tier is None)]
    if not cards:
        lines.append("no price at this moment: its calls cost the ceiling's, flagged")
    for row in cards:
        lines += _card_lines(row, holds=row.price_id in holds)
    document = {"provider": found.provider, "model": found.model, "borrowed": found.borrowed, "at": moment}
    shown = rows(_card(row, holds=row.price_id in holds) for row in cards)
    answer(as_json, {"version": book.version, "digest": book.digest, **document, **shown}, lines)


@app.command(
    epilog=examples(
        "tollbook price check call.json",
        """tollbook price check '{"model": "gpt-4o", "input": 1200, "output": 340}' --json""",
    )
)
def check(
    payload: Annotated[str, typer.Argument(help="A file of events, `-` for standard input, or the JSON itself.")],
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Price events without sending them, line by line; exits 2 where one would be refused."""
    book = _installed(Settings.from_environment()).book
    total = 0
    lines: list[str] = []
    documents: list[dict[str, object]] = []
    for event in _events(_payload(payload), tenant):
        moment = event.ts or datetime.now(UTC)
        whose = event.tenant if tenant is None else tenant
        rates = book.rates(event.provider, event.model, event.service_tier, moment, tenant=whose, context=event.context)
        found = explain(rates, event, event.units)
        lines.append(
            f"{event.model}  price {found.price_id or 'none'}{''.join(f'  {flag}' for flag in _flags(found.flags))}"
        )
        for line in found.lines:
            why = "  (ceiling)" if line.ceiling else ""
            lines.append(f"  {line.count:>12} {line.unit:<28} x ${line.usd} / {line.per:<10} = {line.nanos} nano{why}")
        lines.append(
            f"  {'':>12} {'exactly':<28} {found.exact_nanos} nano, rounded once: ${usd_text(found.cost_nanos)}"
        )
        total += found.cost_nanos
        documents.append(
            {
                "model": event.model,
                "price_id": None if found.price_id is None else str(found.price_id),
                "flags": _flags(found.flags),
                "lines": found.lines,
                "exact_nanos": found.exact_nanos,
                "cost_usd": usd_text(found.cost_nanos),
            }
        )
    lines.append(f"total ${usd_text(total)}")
    answer(as_json, {**rows(documents), "total_usd": usd_text(total)}, lines)


@app.command(epilog=examples("tollbook price diff", "tollbook price diff --json"))
def diff(as_json: AsJson = False, data: Data = None) -> None:
    """Show what the installed data and TOLLBOOK_PRICES_FILE would move against the prices in force."""
    settings = settings_for(data)
    installed = _installed(settings)
    last = run(data, lambda world: world.prices.in_force())
    if last is None:
        answer(
            as_json, {"in_force": None, **rows([])}, "no price book is in force yet: the first one is taken as it is"
        )
        return
    lines = [
        f"in force  {last.version}  {last.digest}  accepted by {last.accepted_by}",
        f"installed {installed.kept.version}  {installed.book.digest}",
    ]
    found: list[Move] = []
    if last.digest == installed.book.digest:
        lines.append("nothing moves")
    else:
        found = moves(compiled_again(last, ceiling_of(settings)), installed.book, datetime.now(UTC))
        lines += _move_lines(found, settings.prices_factor_max)
    books = {
        "in_force": {"version": last.version, "digest": last.digest, "accepted_by": last.accepted_by},
        "installed": {"version": installed.kept.version, "digest": installed.book.digest},
    }
    answer(as_json, {**books, **rows(_move(move, settings.prices_factor_max) for move in found)}, lines)


@app.command(epilog=examples("tollbook price accept 652d50184a9c"))
def accept(
    digest: Annotated[str, typer.Argument(help="The digest that the log shows, or its beginning.")],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Put a price book in force that waits because its prices move too far."""
    book = run(data, lambda world: _accepted(world, digest))
    line = f"{book.version}  {book.digest} is in force; receivers that have it follow within a second"
    answer(as_json, {"version": book.version, "digest": book.digest, "state": "in force"}, line)


@app.command(
    "set",
    epilog=examples(
        "tollbook price set gpt-5.6-sol output_tokens=17.5 --provider openai --from 2026-12-01",
        "tollbook price set gpt-5.6-sol --discount 12.5 --tenant acme",
    ),
)
def set_price(
    model: str,
    prices: Annotated[list[str] | None, typer.Argument(help="UNIT=USD, per as many as `price show` says.")] = None,
    *,
    provider: Provider = None,
    new: Annotated[bool, typer.Option("--new", help="The data has no such model.")] = False,
    discount: Annotated[str | None, typer.Option(help="Percent off, instead of prices.", show_default=False)] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose discount it is.", show_default="everyone")] = None,
    tier: Annotated[str | None, typer.Option(help="In this service tier alone.", show_default=False)] = None,
    since: Annotated[str | None, typer.Option("--from", help="A day or a moment.", show_default="always")] = None,
    until: Annotated[str | None, typer.Option(help="A day or a moment.", show_default="for ever")] = None,
    confirm: Annotated[bool, typer.Option("--confirm", help="Also where a known price moves too far.")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Put a price or a discount of your own into TOLLBOOK_PRICES_FILE, after showing what it moves."""
    settings = Settings.from_environment()
    path = settings.prices_path()
    if path is None:
        raise ConfigError("set TOLLBOOK_PRICES_FILE to the prices.toml that your receivers follow")
    span: dict[str, object] = {"from": _day(since), "until": _day(until)}
    if discount is not None:
        whose = None if tenant is None else tenant_named(tenant)
        name = f"{whose or 'everyone'} {model}"
        fields = {"name": name, "percent": discount, "tenant": whose, "provider": provider, "model": model, **span}
        entry = entry_text("discount", fields, {})
    elif provider is None or not prices:
        raise ConfigError("name --provider and prices as UNIT=USD, or a --discount")
    else:
        fields = {"provider": provider, "model": model, **span}
        tables = {"usd": dict(map(_unit_usd, prices)), "when": {} if tier is None else {"service_tier": tier}}
        entry = entry_text("model" if new else "price", fields, tables)
    change = changed(path, entry, ceiling_of(settings), factor_max=settings.prices_factor_max, at=datetime.now(UTC))
    if not as_json:
        for line in _move_lines(change.moved, settings.prices_factor_max):
            say(line)
    if change.too_far and not confirm:
        raise ConfigError("a known price moves too far: check it, and say --confirm if it is meant")
    if change.too_far:
        run(data, lambda world: _confirmed(world, change))
    write(path, change.text)
    document = {"file": str(path), **rows(_move(move, settings.prices_factor_max) for move in change.moved)}
    answer(as_json, document, f"written to {path}; receivers follow within two seconds")


def _installed(settings: Settings) -> Candidate:
    return candidate_of(read_text(settings.prices_path()), ceiling_of(settings))


async def _accepted(world: World, digest: str) -> KeptBook:
    found = await world.prices.named(digest)
    if len(found) != 1:
        known = "no price book begins" if not found else "several price books begin"
        raise ConfigError(f"{known} with {digest!r}; the log line `prices refused` shows the digest")
    if not await world.prices.accept(found[0].digest, getpass.getuser(), world.clock.now()):
        raise ConfigError(f"the price book {found[0].digest} is gone")
    return found[0]


async def _confirmed(world: World, change: Change) -> None:
    """Accept the book before its file is there, so that no receiver finds it refused."""
    await world.prices.keep(change.after.kept, price_cards(change.after.book))
    await world.prices.accept(change.after.book.digest, getpass.getuser(), world.clock.now())


def _card(row: PriceRow, *, holds: bool) -> dict[str, object]:
    """A rate card as the API shows it."""
    return {
        "price_id": str(row.price_id),
        "context": row.context,
        "effective_from": row.effective_from,
        "effective_to": row.effective_to,
        "daily_utc": row.rates.get("daily_utc", []),
        "in_force": holds,
        "origin": row.origin,
        "factors": row.factors,
        "usd": {
            unit: {"usd": price["usd"], "per": price["per"], "tiers": price.get("tiers", []), "like": price.get("like")}
            for unit, price in row.rates.items()
            if isinstance(price, dict)
        },
    }


def _card_lines(row: PriceRow, *, holds: bool) -> list[str]:
    context = " ".join(f"{key}={value}" for key, value in row.context.items()) or "standard"
    since = "ever" if row.effective_from is None else f"{row.effective_from:%Y-%m-%d %H:%M}"
    until = "" if row.effective_to is None else f" until {row.effective_to:%Y-%m-%d %H:%M}"
    hours = " ".join(f"{start}-{end}" for start, end in row.rates.get("daily_utc", ()))
    factors = "".join(f"  {factor['name']} x {factor['factor']}" for factor in row.factors)
    lines = [
        f"{'*' if holds else ' '} {context}  since {since}{until}  {hours}{row.origin}{factors}  price {row.price_id}"
    ]
    for unit, price in row.rates.items():
        if isinstance(price, dict):
            tiers = "".join(
                f", ${tier['usd']} over {tier['input_tokens_over']} input tokens" for tier in price.get("tiers", ())
            )
            like = f"  (as {price['like']})" if "like" in price else ""
            lines.append(f"    {unit:<28} ${price['usd']} / {price['per']}{tiers}{like}")
    return lines


def _move(move: Move, factor_max: Decimal) -> dict[str, object]:
    return {**msgspec.structs.asdict(move), "too_far": move.exceeds(factor_max)}


def _move_lines(found: list[Move], factor_max: Decimal) -> list[str]:
    lines: list[str] = []
    far = sum(1 for move in found if move.exceeds(factor_max))
    shown = sorted(found, key=lambda move: not move.exceeds(factor_max))
    for move in shown[:_SHOWN_MAX]:
        context = "".join(f" {key}={value}" for key, value in move.context.items())
        whose = "" if move.tenant is None else f" for {move.tenant}"
        over = f" over {move.input_tokens_over}" if move.input_tokens_over else ""
        before, after = (f"${usd}" if usd is not None else "none" for usd in (move.before_usd, move.after_usd))
        mark = "TOO FAR " if move.exceeds(factor_max) else ""
        lines.append(
            f"{mark}{move.provider} {move.model}{context}{whose}: {move.unit}{over} {before} -> {after} / {move.per}"
            f"  from {move.at:%Y-%m-%d %H:%M}"
        )
    if len(shown) > _SHOWN_MAX:
        lines.append(f"and {len(shown) - _SHOWN_MAX} more")
    lines.append(f"{len(found)} prices move, {far} by more than {factor_max} times")
    return lines


def _payload(text: str) -> bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    if text.lstrip()[:1] in {"{", "["}:
        return text.encode()
    try:
        return Path(text).read_bytes()
    except OSError as error:
        raise ConfigError(f"{text} cannot be read: {error}") from error


def _events(body: bytes, tenant: str | None) -> list[Event]:
    """The events of a body; beside what events may hold, `units` and `context`, and without what pricing needs not."""
    try:
        items = msgspec.json.decode(body)
    except msgspec.DecodeError:
        lines = [line for line in body.splitlines() if line.strip()]
        try:
            items = [msgspec.json.decode(line) for line in lines]
        except msgspec.DecodeError as error:
            raise ConfigError(f"neither JSON nor lines of JSON: {error}") from error
    events = []
    for item in items if isinstance(items, list) else [items]:
        if not isinstance(item, dict):
            raise ConfigError("an event is a JSON object")
        whole = {"tenant": tenant or "anybody", "agent": "anybody", "output": 0, **item}
        try:
            beside = msgspec.convert({key: item.get(key) for key in ("units", "context")}, _Beside)
            decoded = decode(msgspec.json.encode(whole), None, IntakeLimits())
        except (msgspec.ValidationError, RequestError) as error:
            raise ConfigError(f"no event: {error}") from error
        for refused in decoded.rejections:
            raise ConfigError(f"{refused.code}: {refused.detail}")
        events += [
            msgspec.structs.replace(event, units=beside.units, context=beside.context) for event in decoded.events
        ]
    return events


class _Beside(msgspec.Struct):
    units: dict[str, int] | None = None
    context: dict[str, str] | None = None


def _unit_usd(text: str) -> tuple[str, str]:
    unit, equals, usd = text.partition("=")
    try:
        Decimal(usd)
    except InvalidOperation as error:
        raise ConfigError(f"{text}: write a price as UNIT=USD, such as input_tokens=2.5") from error
    if not equals or not unit:
        raise ConfigError(f"{text}: write a price as UNIT=USD, such as input_tokens=2.5")
    return unit, usd


def _flags(flags: int) -> list[str]:
    return [flag.name.lower() for flag in QuoteFlag if flags & flag and flag.name]


def _moment(text: str | None) -> datetime:
    found = _day(text)
    return datetime.now(UTC) if found is None else found


def _day(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text}: write a moment like 2026-11-05T12:00:00Z, or a day") from error
    if moment.tzinfo is None and len(text) > len("2026-11-05"):
        raise ConfigError(f"{text}: it has no offset; end it with Z")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
