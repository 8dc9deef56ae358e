"""Sessions of browsers: a random token in a cookie, its hash in the ledger, the key looked up at each request."""

import hmac
import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, State

from tollbook.domain.access import Principal, Role
from tollbook.web.refusing import Refusal, SignInFirst, forbidden
from tollbook.web.site import Site

SESSION_COOKIE = "tollbook_session"
FORM_COOKIE = "tollbook_form"
"""Stands in for the session in the form of the sign-in, where there is none yet."""
LASTS = timedelta(hours=12)
_READS = frozenset({Role.ADMIN, Role.READ})

Connection = ASGIConnection[Any, Any, Any, State]
PageRequest = Request[None, None, State]
Answer = Response[Any]


class Viewer(msgspec.Struct, frozen=True):
    """Who looks: the key's principal, and the token that forms of this session carry ('' without a session)."""

    principal: Principal
    form_token: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether the viewer may change things, of its tenant or of all."""
        return self.principal.role is Role.ADMIN

    def tenant(self, asked: str | None) -> str | None:
        """The tenant to show: what was asked, or the one the key is bound to; None: all. Raises a 403."""
        if asked is None:
            return self.principal.tenant
        if not self.principal.sees(asked):
            raise forbidden("this key is bound to another tenant")
        return asked

    @property
    def sight(self) -> tuple[str | None, Role]:
        """What decides which figures and controls the viewer sees."""
        return self.principal.tenant, self.principal.role


async def begin(site: Site, key: str) -> str:
    """Open a session with a key; the token for the cookie. Raises a 401 or a 403."""
    principal = site.directory.principal(key)
    if principal is None:
        raise Refusal(401, "unauthorized", "this key is unknown or revoked")
    if principal.role not in _READS:
        raise forbidden("this key may send events but not read spend: sign in with an admin or a read key")
    token, now = secrets.token_urlsafe(32), site.clock.now()
    await site.sessions.begin(_hash(token), principal.key_id, now, now + LASTS)
    return token


async def end(site: Site, connection: Connection) -> None:
    """Close the session of a request."""
    token = connection.cookies.get(SESSION_COOKIE)
    if token:
        await site.sessions.end(_hash(token))


async def viewer_of(site: Site, connection: Connection) -> Viewer:
    """Who looks; raises `SignInFirst` without a session in force, a 503 before the keys are known."""
    if not site.directory.loaded:
        raise Refusal(503, "starting", "keys are not loaded yet")
    token = connection.cookies.get(SESSION_COOKIE)
    if token:
        key_id = await site.sessions.key_of(_hash(token), site.clock.now())
        principal = None if key_id is None else site.directory.holder(key_id)
        if principal is not None and principal.role in _READS:
            return Viewer(principal, form_token(token))
    raise SignInFirst


def viewer_by_key(site: Site, authorization: str) -> Viewer:
    """Who asks with a key instead of a session, as scripts do; raises a 401 or a 403."""
    scheme, _, key = authorization.partition(" ")
    principal = site.directory.principal(key.strip()) if scheme.lower() == "bearer" else None
    if principal is None:
        raise Refusal(401, "unauthorized", "this key is unknown or revoked")
    if principal.role not in _READS:
        raise forbidden("this key may not read spend")
    return Viewer(principal)


def form_token(secret: str) -> str:
    """What a form carries to prove that a page of ours made it for the holder of this cookie."""
    return hmac.new(secret.encode(), b"tollbook form", sha256).hexdigest()


def require_form(connection: Connection, cookie: str, sent: str) -> None:
    """Raise a 403 unless a form came from a page of ours, made for this browser."""
    secret = connection.cookies.get(cookie, "")
    if not secret or not _from_here(connection):
        raise Refusal(403, "form_foreign", "this form came from elsewhere; nothing was changed")
    if not hmac.compare_digest(form_token(secret).encode(), sent.encode()):
        raise Refusal(403, "form_foreign", "this form is old or foreign; nothing was changed. Open the page again")


def _from_here(connection: Connection) -> bool:
    """Whether the browser says that a page of ours sends this; one that says nothing is judged by the token alone."""
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        # `none`: the user's own doing, such as a reload. What Origin is compared with, a proxy may have rewritten.
        return site in ("same-origin", "none")
    origin = connection.headers.get("origin")
    return origin is None or origin.partition("://")[2] == connection.headers.get("host", "")


def cookie_of(connection: Connection, name: str, value: str) -> Cookie:
    """A cookie that scripts cannot read and other sites' forms do not send."""
    forwarded = connection.headers.get("x-forwarded-proto", "")
    secure = connection.scope["scheme"] == "https" or forwarded == "https"
    lasts = int(LASTS.total_seconds()) if value else 0
    return Cookie(key=name, value=value, path="/", max_age=lasts, httponly=True, secure=secure, samesite="lax")


def _hash(token: str) -> bytes:
    # The token is random and long: a slow hash would add nothing but time to every request.
    return sha256(token.encode()).digest()
