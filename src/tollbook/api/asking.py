"""Who asks and what they may ask: the guards of the routes, and what handlers are given."""

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter, SkipValidation

from tollbook.api.auth import authenticate, require_admin, require_reader, require_sender
from tollbook.api.paths import SLASH_INSIDE
from tollbook.api.problems import forbidden
from tollbook.api.services import Services
from tollbook.domain.access import Principal
from tollbook.views.asking import name_of as asked_name
from tollbook.views.problems import not_found, query_invalid

World = NamedDependency[SkipValidation[Services]]
Who = NamedDependency[SkipValidation[Principal]]

Connection = ASGIConnection[BaseRouteHandler, None, None, State]

__all__ = ["name_of", "not_found", "query_invalid"]

SECURITY: list[dict[str, list[str]]] = [{"key": []}]


def any_key(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let any key in force pass."""
    principal = authenticate(connection.app.state.services.directory, connection.headers.get("authorization"))
    connection.state.principal = principal
    _require_known_queries(connection, handler)


def reader(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let keys pass that may read spend."""
    any_key(connection, handler)
    require_reader(connection.state.principal)


def sender(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let keys pass that may send events, and so make keys for their sub-agents."""
    any_key(connection, handler)
    require_sender(connection.state.principal)


def admin(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let admin keys pass."""
    any_key(connection, handler)
    require_admin(connection.state.principal)


def whole_admin(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let admin keys pass that are bound to no tenant."""
    admin(connection, handler)
    if connection.state.principal.tenant is not None:
        raise forbidden("this needs an admin key that is bound to no tenant")


def _require_known_queries(connection: Connection, handler: BaseRouteHandler) -> None:
    """Refuse a misspelt parameter: left aside, it would widen the answer in silence."""
    declared = {
        field.kwarg_definition.name
        for field in handler.parsed_fn_signature.parameters.values()
        if isinstance(field.kwarg_definition, QueryParameter)
    }
    unknown = sorted(set(connection.query_params.keys()) - declared)
    if unknown:
        raise query_invalid(f"no such parameter here: {unknown[0][:64]}")


def provide_services(state: State) -> Services:
    """Hand the handlers their world."""
    services: Services = state.services
    return services


def provide_principal(request: Request[None, None, State]) -> Principal:
    """Whose request a guard found it to be."""
    principal: Principal = request.state.principal
    return principal


def name_of(text: str, what: str) -> str:
    """A name as it came in a path, a query or a body; raises a 400 where no event could bear it.

    A slash inside a path segment travels as `paths.SLASH_INSIDE`.
    """
    return asked_name(text.replace(SLASH_INSIDE, "/"), what)
