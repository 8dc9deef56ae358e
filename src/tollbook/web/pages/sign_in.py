"""Signing in with a key, and out again."""

import secrets
from urllib.parse import urlsplit

from litestar import Response, get, post
from litestar.response import Redirect

from tollbook.web.access import SiteGiven, changed, signed_in
from tollbook.web.refusing import Refusal
from tollbook.web.session import (
    FORM_COOKIE,
    SESSION_COOKIE,
    Answer,
    PageRequest,
    begin,
    cookie_of,
    end,
    form_token,
    require_form,
)
from tollbook.web.shell import Shell

_UNKEPT = {"cache-control": "no-store"}


@get("/sign-in")
async def sign_in(request: PageRequest) -> Answer:
    """The form that asks for a key."""
    return _form(request, request.query_params.get("next", "/"))


@post("/sign-in", status_code=303)
async def sign_in_form(request: PageRequest, site: SiteGiven) -> Answer:
    """Open a session and lead to where the viewer wanted to go; the form again where the key is none."""
    fields = await request.form()
    require_form(request, FORM_COOKIE, str(fields.get("form_token", "")))
    wanted = _within(str(fields.get("next", "/")))
    if not site.directory.loaded:
        raise Refusal(503, "starting", "keys are not loaded yet")
    try:
        token = await begin(site, str(fields.get("key", "")).strip())
    except Refusal as refusal:
        return _form(request, wanted, refusal)
    cookies = [cookie_of(request, SESSION_COOKIE, token), cookie_of(request, FORM_COOKIE, "")]
    return Redirect(wanted, status_code=303, cookies=cookies, headers=_UNKEPT)


@post("/sign-out", guards=[signed_in], status_code=303)
async def sign_out(request: PageRequest, site: SiteGiven) -> Redirect:
    """Close the session."""
    await changed(request)
    await end(site, request)
    return Redirect("/sign-in", status_code=303, cookies=[cookie_of(request, SESSION_COOKIE, "")], headers=_UNKEPT)


def _form(request: PageRequest, wanted: str, refusal: Refusal | None = None) -> Answer:
    shell: Shell = request.app.state.shell
    secret = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(32)
    shown = {"wanted": _within(wanted), "form_token": form_token(secret), "refused": refusal and refusal.detail}
    page = shell.page("sign_in.html", None, request.url, "Sign in", shown)
    return Response(
        page,
        status_code=200 if refusal is None else refusal.status,
        media_type="text/html",
        cookies=[cookie_of(request, FORM_COOKIE, secret)],
        headers=_UNKEPT,
    )


def _within(wanted: str) -> str:
    """An address of ours, whatever a link asked for: one that leads elsewhere becomes the first page."""
    parts = urlsplit(wanted.replace("\\", "/"))
    inside = not parts.scheme and not parts.netloc and parts.path.startswith("/") and not wanted.startswith("//")
    return wanted if inside and wanted.isprintable() and not parts.path.startswith("/sign-") else "/"
