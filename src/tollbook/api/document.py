"""The OpenAPI document as client generators want it: short names, and parameters that are there or not."""

from typing import Any

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.plugins import JsonRenderPlugin

Document = dict[str, Any]
_NULL = {"type": "null"}
_SENT = frozenset({"query", "header"})


def operation_id(handler: HTTPRouteHandler, method: str, _path: object) -> str:
    """What a generator calls the method of a route: the handler's name, `get_` before those that only read.

    Handlers that change something are called after what they do (`put_budget`), the others after what they answer
    (`spend`).
    """
    name = handler.handler_name
    return f"get_{name}" if str(method).upper().endswith("GET") else name


class Described(JsonRenderPlugin):
    """Serves the document."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: Document) -> bytes:
        """The document as JSON."""
        return super().render(request, described(openapi_schema))


def described(document: Document) -> Document:
    """The document with parameters of a query or a header that are left out where they have no value.

    The framework says that such a one may be null, which no query can hold; a generator would make three states of it.
    """
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] in _SENT:
                    parameter["schema"] = _without_null(parameter["schema"])
    return document


def _without_null(schema: Document) -> Document:
    kinds = [kind for kind in schema.get("oneOf", ()) if kind != _NULL]
    if len(kinds) != 1 or len(kinds) == len(schema["oneOf"]):
        return schema
    rest = {name: value for name, value in schema.items() if name != "oneOf"}
    return {**kinds[0], **rest}
