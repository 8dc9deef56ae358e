"""Whose request it is."""

from tollbook.api.problems import forbidden, unauthorized, unavailable
from tollbook.domain.access import Principal, Role
from tollbook.pipeline.directory import Directory
from tollbook.views.asking import own_tenant, require_tenant

__all__ = ["own_tenant", "require_tenant"]

_SENDS = frozenset({Role.ADMIN, Role.INGEST})
_READS = frozenset({Role.ADMIN, Role.READ})


def authenticate(directory: Directory, authorization: str | None) -> Principal:
    """The principal of an `Authorization: Bearer <key>` header; raises a 401 or, before the keys are known, a 503."""
    if not directory.loaded:
        raise unavailable("keys are not loaded yet", "starting")
    scheme, _, key = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise unauthorized("send a key as `Authorization: Bearer <key>`")
    principal = directory.principal(key.strip())
    if principal is None:
        raise unauthorized("this key is unknown or revoked")
    return principal


def require_sender(principal: Principal) -> None:
    """Raise a 403 unless the principal may send events."""
    if principal.role not in _SENDS:
        raise forbidden("this key may not send events")


def require_reader(principal: Principal) -> None:
    """Raise a 403 unless the principal may read spend."""
    if principal.role not in _READS:
        raise forbidden("this key may not read spend")


def require_admin(principal: Principal) -> None:
    """Raise a 403 unless the principal may change things."""
    if principal.role is not Role.ADMIN:
        raise forbidden("this needs an admin key")
