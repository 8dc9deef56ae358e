"""What names, instants and amounts in a question may be, and whose business they are."""

from datetime import datetime

from tollbook.domain.access import Principal
from tollbook.domain.money import nanos_from_usd
from tollbook.ingest.fields import check_tenant, check_text
from tollbook.ingest.refusal import ItemRefused
from tollbook.views.problems import field_invalid, forbidden, query_invalid

_NAME_CHARS_MAX = 256


def name_of(text: str, what: str) -> str:
    """A name as it came in a path, a query or a body; raises a 400 where no event could bear it."""
    try:
        check_text(text, what)
        if what == "tenant":
            check_tenant(text)
    except ItemRefused as refused:
        raise field_invalid(refused.detail) from refused
    if len(text) > _NAME_CHARS_MAX or text != text.strip():
        raise field_invalid(f"{what} is no name: 1 to {_NAME_CHARS_MAX} characters, without white space around them")
    return text


def require_tenant(principal: Principal, tenant: str) -> None:
    """Raise a 403 unless the tenant is the principal's business."""
    if not principal.sees(tenant):
        raise forbidden("this key is bound to another tenant")


def own_tenant(principal: Principal, asked: str | None) -> str | None:
    """The tenant to read: what was asked, or the one the key is bound to; None reads all."""
    if asked is None:
        return principal.tenant
    require_tenant(principal, asked)
    return asked


def changer(principal: Principal) -> str:
    """How histories name whoever holds a key."""
    return f"key {principal.key_id}"


def moment_of(text: str, what: str) -> datetime:
    """An instant of RFC 3339; raises a 400 where it is none or has no offset."""
    try:
        # In a query a plus sign that was not escaped arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise query_invalid(f"{what}: write it like 2026-11-05T12:00:00Z") from error
    if moment.tzinfo is None:
        raise query_invalid(f"{what}: it has no offset; end it with Z")
    return moment


def usd_of(text: str, what: str) -> int:
    """Dollars as decimal text in nano-dollars; raises a 400 where they are none."""
    try:
        return nanos_from_usd(text)
    except ValueError as error:
        raise query_invalid(f"{what}: {error}") from error
