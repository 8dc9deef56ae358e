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
from tollbook.cli.stores import Data, run, settings_for, tenant_named
from tollbook.domain.errors import ConfigError, RequestError
from tollbook.domain.event import Event
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.money import usd_text
from tollbook.ingest.native import decode
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


@app.command()
def show(
    model: str,
    *,
    provider: Provider = None,
    at: At = None,
    tier: Annotated[str | None, typer.Option(help="Show the rates of this service tier alone.")] = None,
    tenant: Tenant = None,
    all_dates: Annotated[bool, typer.Option("--all", help="Show past and future prices too.")] = False,
) -> None:
    """Show what a model costs, by the installed data and TOLLBOOK_PRICES_FILE; `*` marks what holds now."""
    book = _installed(Settings.from_environment()).book
    moment = _moment(at)
    found = listed(book, provider, model, moment, tenant=tenant)
    if found is None:
        raise ConfigError(f"no model called {model!r} is known: its calls cost the ceiling's, flagged")
    print(f"{found.provider}  {found.model}{'  (borrowed list)' if found.borrowed else ''}  {book.version}")
    holds = set(found.in_force)
    if tier is not None:
        rates = book.rates(provider, model, tier, moment, tenant=tenant)
        if rates.flags:
            print(f"tier {tier}: {', '.join(_flags(rates.flags))}")
        holds = {rates.price_id} if rates.price_id is not None else set()
    rows = [row for row in found.rows if row.price_id in holds or (all_dates and tier is None)]
    if not rows:
        print("no price at this moment: its calls cost the ceiling's, flagged")
    for row in rows:
        _print_card(row, holds=row.price_id in holds)


@app.command()
def check(
    payload: Annotated[str, typer.Argument(help="A file of events, `-` for standard input, or the JSON itself.")],
    tenant: Tenant = None,
) -> None:
    """Price events without sending them, line by line; exits 2 where one would be refused."""
    book = _installed(Settings.from_environment()).book
    total = 0
    for event in _events(_payload(payload), tenant):
        moment = event.ts or datetime.now(UTC)
        whose = event.tenant if tenant is None else tenant
        rates = book.rates(event.provider, event.model, event.service_tier, moment, tenant=whose, context=event.context)
        found = explain(rates, event, event.units)
        print(f"{event.model}  price {found.price_id or 'none'}{''.join(f'  {flag}' for flag in _flags(found.flags))}")
        for line in found.lines:
            why = "  (ceiling)" if line.ceiling else ""
            print(f"  {line.count:>12} {line.unit:<28} x ${line.usd} / {line.per:<10} = {line.nanos} nano{why}")
        print(f"  {'':>12} {'exactly':<28} {found.exact_nanos} nano, rounded once: ${usd_text(found.cost_nanos)}")
        total += found.cost_nanos
    print(f"total ${usd_text(total)}")


@app.command()
def diff(data: Data = None) -> None:
    """Show what the installed data and TOLLBOOK_PRICES_FILE would move against the prices in force."""
    settings = settings_for(data)
    installed = _installed(settings)
    last = run(data, lambda world: world.prices.in_force())
    if last is None:
        print("no price book is in force yet: the first one is taken as it is")
        return
    print(f"in force  {last.version}  {last.digest}  accepted by {last.accepted_by}")
    print(f"installed {installed.kept.version}  {installed.book.digest}")
    if last.digest == installed.book.digest:
        print("nothing moves")
        return
    base = compiled_again(last, ceiling_of(settings))
    _print_moves(moves(base, installed.book, datetime.now(UTC)), settings.prices_factor_max)


@app.command()
def accept(
    digest: Annotated[str, typer.Argument(help="The digest that the log shows, or its beginning.")], data: Data = None
) -> None:
    """Put a price book in force that waits because its prices move too far."""
    print(run(data, lambda world: _accepted(world, digest)))


@app.command("set")
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
    _print_moves(change.moved, settings.prices_factor_max)
    if change.too_far and not confirm:
        raise ConfigError("a known price moves too far: check it, and say --confirm if it is meant")
    if change.too_far:
        run(data, lambda world: _confirmed(world, change))
    write(path, change.text)
    print(f"written to {path}; receivers follow within two seconds")


def _installed(settings: Settings) -> Candidate:
    return candidate_of(read_text(settings.prices_path()), ceiling_of(settings))


async def _accepted(world: World, digest: str) -> str:
    found = await world.prices.named(digest)
    if len(found) != 1:
        known = "no price book begins" if not found else "several price books begin"
        raise ConfigError(f"{known} with {digest!r}; the log line `prices refused` shows the digest")
    if not await world.prices.accept(found[0].digest, getpass.getuser(), world.clock.now()):
        raise ConfigError(f"the price book {found[0].digest} is gone")
    return f"{found[0].version}  {found[0].digest} is in force; receivers that have it follow within a second"


async def _confirmed(world: World, change: Change) -> None:
    """Accept the book before its file is there, so that no receiver finds it refused."""
    await world.prices.keep(change.after.kept, price_cards(change.after.book))
    await world.prices.accept(change.after.book.digest, getpass.getuser(), world.clock.now())


def _print_card(row: PriceRow, *, holds: bool) -> None:
    context = " ".join(f"{key}={value}" for key, value in row.context.items()) or "standard"
    since = "ever" if row.effective_from is None else f"{row.effective_from:%Y-%m-%d %H:%M}"
    until = "" if row.effective_to is None else f" until {row.effective_to:%Y-%m-%d %H:%M}"
    hours = " ".join(f"{start}-{end}" for start, end in row.rates.get("daily_utc", ()))
    factors = "".join(f"  {factor['name']} x {factor['factor']}" for factor in row.factors)
    print(
        f"{'*' if holds else ' '} {context}  since {since}{until}  {hours}{row.origin}{factors}  price {row.price_id}"
    )
    for unit, price in row.rates.items():
        if isinstance(price, dict):
            tiers = "".join(
                f", ${tier['usd']} over {tier['input_tokens_over']} input tokens" for tier in price.get("tiers", ())
            )
            like = f"  (as {price['like']})" if "like" in price else ""
            print(f"    {unit:<28} ${price['usd']} / {price['per']}{tiers}{like}")


def _print_moves(found: list[Move], factor_max: Decimal) -> None:
    far = sum(1 for move in found if move.exceeds(factor_max))
    shown = sorted(found, key=lambda move: not move.exceeds(factor_max))
    for move in shown[:_SHOWN_MAX]:
        context = "".join(f" {key}={value}" for key, value in move.context.items())
        whose = "" if move.tenant is None else f" for {move.tenant}"
        over = f" over {move.input_tokens_over}" if move.input_tokens_over else ""
        before, after = (f"${usd}" if usd is not None else "none" for usd in (move.before_usd, move.after_usd))
        mark = "TOO FAR " if move.exceeds(factor_max) else ""
        print(
            f"{mark}{move.provider} {move.model}{context}{whose}: {move.unit}{over} {before} -> {after} / {move.per}"
            f"  from {move.at:%Y-%m-%d %H:%M}"
        )
    if len(shown) > _SHOWN_MAX:
        print(f"and {len(shown) - _SHOWN_MAX} more")
    print(f"{len(found)} prices move, {far} by more than {factor_max} times")


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
