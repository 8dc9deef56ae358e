"""Budgets: seen, set and removed, with who changed them."""

from urllib.parse import quote

import msgspec
from litestar import get, post

from tollbook.domain.budget import Action, Fail, Mode
from tollbook.domain.meter import ScopeKind, WindowKind
from tollbook.domain.money import nanos_from_usd
from tollbook.domain.terms import Terms
from tollbook.views.asking import own_tenant
from tollbook.views.budgets import Budget, listed, one, put, remove, revisions
from tollbook.views.problems import Problem, field_invalid
from tollbook.web.access import SiteGiven, Who, admin, changed, signed_in
from tollbook.web.answering import Sheet, View, answered
from tollbook.web.asked import asked, rows_asked
from tollbook.web.changing import Intent, asked_first, back_to
from tollbook.web.figures import money
from tollbook.web.session import Answer, PageRequest, Viewer
from tollbook.web.site import Site

_ROWS = 200
_COLUMNS = (
    *("id", "tenant", "scope", "match", "window", "limit_usd", "limit_tokens", "limit_calls", "action", "degrade_to"),
    *("mode", "fail", "expires_at", "version", "updated_at", "updated_by"),
)
_NEW = dict.fromkeys(("match", "limit", "degrade_to", "mode", "fail", "expires_at"), "") | {
    "scope": "tenant",
    "window": "month",
    "unit": "usd",
    "thresholds": "50, 80, 100",
    "action": "throttle",
}
_UNITS = ("usd", "tokens", "calls")


@get("/budgets", guards=[signed_in])
async def budgets(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Budgets in force: everyone's and the tenants' own."""

    async def look() -> View:
        rows = rows_asked(request, _ROWS)
        tenant = asked(request, "tenant")
        page = await listed(site, viewer.principal, tenant=tenant, cursor=asked(request, "cursor"), limit=rows)
        sheet = Sheet(_COLUMNS, (tuple(getattr(row, column) for column in _COLUMNS) for row in page.rows))
        shown = {
            "page": page,
            "tenant": tenant,
            "first": asked(request, "cursor") is not None,
        }
        return View("budgets.html", "Budgets", page, sheet, shown)

    return await answered(request, viewer, look)


@get("/budgets/edit", guards=[signed_in])
async def edit_budget(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """One budget with its history, and a form that sets it; without an id, a new one."""

    async def look() -> View:
        budget_id, tenant = asked(request, "id"), asked(request, "tenant")
        found, history = None, None
        if budget_id is not None:
            history = await revisions(site, viewer.principal, budget_id, tenant)
            found = await _found(site, viewer, budget_id, tenant)
        sheet = Sheet(
            ("version", "changed_at", "changed_by", "limit_usd"),
            (
                (row.version, row.changed_at, row.changed_by, _limit_usd(row.budget))
                for row in (history.rows if history else [])
            ),
        )
        shown = {
            "found": found,
            "id": budget_id,
            "tenant": found.tenant if found else own_tenant(viewer.principal, tenant),
            "history": history.rows if history else [],
            "may_change": _may_change(viewer, own_tenant(viewer.principal, tenant)),
            "fields": _fields(found) or _NEW,
            "choices": _choices(),
            "limit_text": limit_text,
        }
        return View("budget.html", f"Budget {budget_id}" if budget_id else "New budget", history, sheet, shown)

    return await answered(request, viewer, look)


@post("/budgets", guards=[admin], status_code=200)
async def set_budget(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Say what a budget will be, then set it."""
    fields = await changed(request)
    budget_id, tenant = fields.get("id", "").strip(), fields.get("tenant", "").strip() or viewer.principal.tenant
    terms = _terms(fields)
    try:
        terms.budget(budget_id, tenant)
    except ValueError as error:
        raise field_invalid(str(error)) from error
    before = _fields(await _found(site, viewer, budget_id, tenant))
    whose = tenant or "everyone without a budget of their own"
    intent = Intent(
        "Set this budget?",
        f"The budget {budget_id} of {whose} is in force once you confirm, with what was spent in windows that are "
        "still open.",
        "Set it",
        _address(budget_id, tenant),
        facts=tuple((name, before.get(name, ""), after) for name, after in _fields_of(terms).items()),
    )
    page = asked_first(request, viewer, fields, intent)
    if page is not None:
        return page
    await put(site, viewer.principal, budget_id, tenant, terms)
    return back_to(_address(budget_id, tenant))


@post("/budgets/remove", guards=[admin], status_code=200)
async def remove_budget(request: PageRequest, site: SiteGiven, viewer: Who) -> Answer:
    """Say what is removed, then remove it."""
    fields = await changed(request)
    budget_id, tenant = fields.get("id", ""), fields.get("tenant", "") or viewer.principal.tenant
    found = await one(site, viewer.principal, budget_id, tenant)
    intent = Intent(
        "Remove this budget?",
        f"The budget {found.id} of {found.tenant or 'everyone'} limits nothing any more; where everyone's has the same "
        "meter, that one holds again. Its history is kept.",
        "Remove it",
        _address(budget_id, tenant),
        danger=True,
    )
    page = asked_first(request, viewer, fields, intent)
    if page is not None:
        return page
    await remove(site, viewer.principal, budget_id, tenant)
    return back_to("/budgets")


def limit_text(row: Budget | Terms) -> str:
    """A limit in its unit."""
    if row.limit_usd is not None:
        return money(nanos_from_usd(row.limit_usd))
    return f"{row.limit_tokens:,} tokens" if row.limit_tokens is not None else f"{row.limit_calls or 0:,} calls"


def _limit_usd(terms: Terms | None) -> str | None:
    return None if terms is None or terms.limit_usd is None else str(terms.limit_usd)


def _may_change(viewer: Viewer, owner: str | None) -> bool:
    return viewer.is_admin and (viewer.principal.tenant is None or viewer.principal.tenant == owner)


async def _found(site: Site, viewer: Viewer, budget_id: str, tenant: str | None) -> Budget | None:
    try:
        return await one(site, viewer.principal, budget_id, tenant)
    except Problem as problem:
        if problem.status != 404:
            raise
        return None


def _terms(fields: dict[str, str]) -> Terms:
    """What a form says of a budget; raises a 400 where it says nothing."""
    unit = fields.get("unit", "usd")
    if unit not in _UNITS:
        raise field_invalid("unit: usd, tokens or calls")
    limit = fields.get("limit", "").strip().removeprefix("$").replace(",", "")
    said: dict[str, object] = {
        "scope": fields.get("scope", "tenant"),
        "match": fields.get("match", "").strip() or "*",
        "window": fields.get("window", "day"),
        "action": fields.get("action", "throttle"),
        f"limit_{unit}": limit if unit == "usd" else _whole(limit, "limit"),
        "thresholds": [
            _whole(part.strip(" %"), "thresholds") for part in fields.get("thresholds", "").split(",") if part.strip()
        ],
    }
    for name in ("degrade_to", "mode", "fail", "expires_at"):
        text = fields.get(name, "").strip()
        if text:
            said[name] = text
    try:
        return msgspec.convert(said, Terms)
    except msgspec.ValidationError as error:
        raise field_invalid(str(error)) from error


def _whole(text: str, what: str) -> int:
    try:
        return int(text.strip(" %"))
    except ValueError as error:
        raise field_invalid(f"{what}: whole numbers") from error


def _fields(row: Budget | None) -> dict[str, str]:
    if row is None:
        return {}
    unit = next(unit for unit in _UNITS if getattr(row, f"limit_{unit}") is not None)
    return _written(row, unit)


def _fields_of(terms: Terms) -> dict[str, str]:
    unit = next(unit for unit in _UNITS if getattr(terms, f"limit_{unit}") is not None)
    return _written(terms, unit)


def _written(row: Budget | Terms, unit: str) -> dict[str, str]:
    return {
        "scope": str(row.scope),
        "match": row.match,
        "window": str(row.window),
        "limit": _short(str(getattr(row, f"limit_{unit}"))),
        "unit": unit,
        "thresholds": ", ".join(map(str, row.thresholds)),
        "action": str(row.action),
        "degrade_to": row.degrade_to or "",
        "mode": str(row.mode or ""),
        "fail": str(row.fail or ""),
        "expires_at": str(row.expires_at or ""),
    }


def _short(amount: str) -> str:
    return amount.rstrip("0").rstrip(".") if "." in amount else amount


def _choices() -> dict[str, list[tuple[str, str]]]:
    return {
        "scope": [(kind.value, kind.value) for kind in ScopeKind],
        "window": [
            (kind.value, f"a {kind.value}" if kind is not WindowKind.RUN else "the whole run") for kind in WindowKind
        ],
        "unit": [("usd", "dollars"), ("tokens", "tokens"), ("calls", "calls")],
        "action": [(action.value, action.value) for action in Action],
        "mode": [("", "as the call asks"), *((mode.value, mode.value) for mode in Mode)],
        "fail": [("", "by its mode"), *((fail.value, fail.value) for fail in Fail)],
    }


def _address(budget_id: str, tenant: str | None) -> str:
    owner = "" if tenant is None else f"&tenant={quote(tenant, safe='')}"
    return f"/budgets/edit?id={quote(budget_id, safe='')}{owner}"
