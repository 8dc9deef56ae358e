"""The HTTP API as a caller's key opens it, and what a refusal becomes for a language model."""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar
from urllib.parse import quote

import httpx2
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import ValidationError

from tollbook.mcp.shapes import Problem, Shape

Answer = TypeVar("Answer", bound=Shape)
Query = Mapping[str, str | int | None]

_TIMEOUT_S = 30.0
_DETAIL_CHARS_MAX = 400
_ADVICE = {
    401: "The key is unknown or revoked: ask your operator for another. Trying again changes nothing.",
    403: "This key may not do that. Do not try other names or keys: ask your operator.",
    404: "Look at the name again: it is matched exactly.",
    409: "Read what stands now, then propose again.",
    503: "A store is away: try again in a few seconds.",
}


class Caller(NamedTuple):
    """Who calls a tool: the API, spoken to under the caller's own key."""

    http: httpx2.AsyncClient
    key: str

    async def get(self, path: str, shape: type[Answer], query: Query | None = None) -> Answer:
        """What a GET answers. Raises `ToolError` with what to do."""
        return _shaped(await self._send("GET", path, query), shape)

    async def found(self, path: str, shape: type[Answer], query: Query | None = None) -> Answer | None:
        """What a GET answers, None where there is no such thing. Raises `ToolError` with what to do."""
        answer = await ask(self.http, self.key, "GET", path, query=query)
        if answer.status_code == 404:
            return None
        return _shaped(_succeeded(answer), shape)

    async def put(self, path: str, shape: type[Answer], query: Query, body: object) -> Answer:
        """What a PUT of JSON answers. Raises `ToolError` with what to do."""
        return _shaped(await self._send("PUT", path, query, body), shape)

    async def _send(self, method: str, path: str, query: Query | None = None, body: object = None) -> httpx2.Response:
        return _succeeded(await ask(self.http, self.key, method, path, query=query, body=body))


async def page(http: httpx2.AsyncClient, path: str) -> str:
    """A page of text that asks for no key. Raises `ToolError` with what to do."""
    return _succeeded(await ask(http, None, "GET", path)).text


async def ask(
    http: httpx2.AsyncClient,
    key: str | None,
    method: str,
    path: str,
    *,
    query: Query | None = None,
    body: object = None,
) -> httpx2.Response:
    """One request under a key, whatever its answer. Raises `ToolError` where the API is not reached."""
    asked = {name: value for name, value in (query or {}).items() if value is not None and value != ""}
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    try:
        return await http.request(method, path, params=asked, headers=headers, json=body)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ToolError(
            f"unreachable: tollbook does not answer at {http.base_url} ({type(error).__name__}). "
            "Is `tollbook serve` or `tollbook up` running, and TOLLBOOK_URL its address?"
        ) from error


def connect(url: str) -> httpx2.AsyncClient:
    """A client of the API at an address; it bears no key of its own."""
    return httpx2.AsyncClient(base_url=url, timeout=_TIMEOUT_S, follow_redirects=False)


def segment(name: str) -> str:
    """A name as one segment of a path. Raises `ToolError` where it would stand for another path."""
    if name in ("", ".", ".."):
        raise ToolError("field_invalid: a name is missing. Ask for one by its exact name.")
    return quote(name, safe="")


def _shaped(answer: httpx2.Response, shape: type[Answer]) -> Answer:
    try:
        return shape.model_validate_json(answer.content)
    except ValidationError as error:
        raise ToolError(
            "answer_unknown: the API answered in a form that this server does not know: are both of one version?"
        ) from error


def _succeeded(answer: httpx2.Response) -> httpx2.Response:
    if answer.is_success:
        return answer
    raise ToolError(_refusal(answer))


def _refusal(answer: httpx2.Response) -> str:
    try:
        problem = Problem.model_validate_json(answer.content)
    except ValidationError:
        problem = Problem(detail=f"the API answers {answer.status_code}")
    advice = _ADVICE.get(answer.status_code, "Correct the arguments.")
    return f"{problem.code}: {problem.detail[:_DETAIL_CHARS_MAX]}. {advice}"
