"""A reader of the HTTP API, of a ledger here or anywhere: typed answers, and failures that say what to do.

TollbookError
├── ServerAway       nothing answers, or it answers that it cannot now (retryable)
├── ServerRefused    the key is unknown, or may not read this
├── ServerUnlike     something answers there, but not as this version of tollbook does
└── ConfigError
    └── AskRefused   the question does not fit; `status` and `reason` are the server's
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from tollbook.client.flows import Ask, Reply
from tollbook.client.transport import Transport
from tollbook.domain.errors import ConfigError, TollbookError

T = TypeVar("T")

_KEY_HINT = "set TOLLBOOK_API_KEY to a key with the role `read` or `admin` (`tollbook key create read` makes one)"


class ServerAway(TollbookError):  # noqa: N818 - a state of the world, not a mistake
    """Nothing answers at the server's address, or it says that it cannot at this moment."""

    code = "server_away"
    retryable = True


class ServerRefused(TollbookError):  # noqa: N818 - named after what happened
    """The server knows no such key, or the key may not do this."""

    code = "server_refused"


class ServerUnlike(TollbookError):  # noqa: N818 - a state of the world, not a mistake
    """What answers is no tollbook, or one of another version."""

    code = "server_unlike"


class AskRefused(ConfigError):  # noqa: N818 - named after what happened
    """The server cannot answer this question. `status` is its HTTP answer, `reason` its code."""

    code = "ask_refused"

    def __init__(self, detail: str, *, status: int, reason: str) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason


class _Problem(msgspec.Struct):
    code: str = ""
    detail: str = ""


class Reader:
    """Asks one server with one key, from any thread. `timeout_s` bounds each wait for the network."""

    def __init__(self, url: str, key: str, *, hint: str = "", timeout_s: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self._hint = hint
        self._timeout_s = timeout_s
        headers = {"accept": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        self._transport = Transport(self.url, headers, timeout_s)

    def get(self, path: str, kind: type[T], query: Mapping[str, object] | None = None, *, wait_s: float = 0.0) -> T:
        """The answer to a GET; what is None in the query is left out. `wait_s` is how long the server may wait with it.

        Raises `ServerAway`, `ServerRefused`, `ServerUnlike` or `AskRefused`.
        """
        reply = self._transport.send(Ask("GET", address(path, query or {})), timeout_s=self._timeout_s + wait_s)
        if reply.status != 200:
            raise self._failure(reply)
        try:
            return msgspec.json.decode(reply.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._unlike(f"{path} answers what is no answer of it: {error}") from error

    @contextmanager
    def events(self, path: str, query: Mapping[str, object], silence_s: float) -> Iterator[Iterator[tuple[str, str]]]:
        """Server-sent events as (name, data); raises `ServerAway` where none can be had or they fall silent."""
        try:
            with self._transport.events(address(path, query), silence_s) as found:
                yield found
        except ConnectionError as error:
            raise ServerAway(f"{self.url}: {error}") from error

    def close(self) -> None:
        """Let the connections go; a question on its way fails."""
        self._transport.close()

    def _failure(self, reply: Reply) -> TollbookError:
        if reply.status == 0:
            why = reply.body.decode(errors="replace")
            return ServerAway(f"nothing answers at {self.url} ({why}){self._hint and f': {self._hint}'}")
        try:
            problem = msgspec.json.decode(reply.body, type=_Problem)
        except (msgspec.DecodeError, UnicodeDecodeError):
            problem = _Problem()
        said = problem.detail or problem.code
        match reply.status:
            case 401:
                return ServerRefused(f"{self.url} does not know this key: {_KEY_HINT}")
            case 403:
                return ServerRefused(f"{self.url} refuses this key ({said or 'forbidden'}): {_KEY_HINT}")
            case 429 | 500 | 502 | 503 | 504:
                return ServerAway(f"{self.url} cannot answer now ({said or reply.status}): try again")
        if not problem.code:
            return self._unlike(f"it answers {reply.status}")
        return AskRefused(said, status=reply.status, reason=problem.code)

    def _unlike(self, why: str) -> ServerUnlike:
        return ServerUnlike(
            f"what answers at {self.url} is no tollbook of this version ({why}): look at TOLLBOOK_URL or --url, "
            "which is the address without a path"
        )


def address(path: str, query: Mapping[str, object]) -> str:
    """A path with its query; what is None is left out.

    >>> address("/v1/spend", {"tenant": "a b", "from": None})
    '/v1/spend?tenant=a+b'
    """
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def part(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")
