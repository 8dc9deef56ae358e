"""Who may open a page, and what handlers are given."""

from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import SkipValidation

from tollbook.web.answering import form_of
from tollbook.web.refusing import forbidden
from tollbook.web.session import SESSION_COOKIE, Connection, PageRequest, Viewer, require_form, viewer_by_key, viewer_of
from tollbook.web.site import Site

SiteGiven = NamedDependency[SkipValidation[Site]]
Who = NamedDependency[SkipValidation[Viewer]]


async def signed_in(connection: Connection, _: BaseRouteHandler) -> None:
    """Let viewers pass whose session or key is in force."""
    site: Site = connection.app.state.site
    authorization = connection.headers.get("authorization")
    if authorization is not None and connection.scope.get("method") == "GET" and form_of(connection) != "html":
        if not site.directory.loaded:
            await viewer_of(site, connection)
        connection.state.viewer = viewer_by_key(site, authorization)
    else:
        connection.state.viewer = await viewer_of(site, connection)


async def admin(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let viewers pass that may change things."""
    await signed_in(connection, handler)
    if not connection.state.viewer.is_admin:
        raise forbidden("this needs an admin key")


async def changed(request: PageRequest) -> dict[str, str]:
    """The fields of a form of this session; raises a 403 where it is none of ours."""
    sent = await request.form()
    fields = {name: value for name, value in sent.items() if isinstance(value, str)}
    require_form(request, SESSION_COOKIE, fields.pop("form_token", ""))
    return fields


def provide_site(state: State) -> Site:
    """Hand the handlers their world."""
    site: Site = state.site
    return site


def provide_viewer(request: PageRequest) -> Viewer:
    """Who a guard found to be looking."""
    viewer: Viewer = request.state.viewer
    return viewer
