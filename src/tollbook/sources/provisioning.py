"""Obtains a webhook, a cache and a database from instanode.dev, once, and keeps the replies.

Source: the provider's handlers of 2026. Five services a network and day may be had without an account, whatever became
of them; from the sixth on the reply is an old resource with status 200 and its old name. A key makes a call that was
cut off safe to repeat for a day. A cold service takes up to two minutes.
"""

import os
import secrets
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx2
import msgspec

import tollbook
from tollbook.domain.errors import ConfigError

SERVICES = ("webhook", "cache", "db")
TIMEOUT_S = 150.0
_TRIES_MAX = 5
_PAUSE_S_MAX = 120.0
_PAUSE_S = 2.0
_KEYS = "keys.json"


class Resource(msgspec.Struct, frozen=True):
    """What of a reply is used; the file has all of it."""

    ok: bool = False
    name: str = ""
    token: str = ""
    receive_url: str = ""
    connection_url: str = ""
    key_prefix: str | None = None
    expires_at: str | None = None
    claim_url: str | None = None
    note: str | None = None
    warning: str | None = None


class Failure(msgspec.Struct, frozen=True):
    """The provider's envelope of a refusal."""

    error: str = ""
    message: str | None = None
    retry_after_seconds: float | None = None
    agent_action: str | None = None
    claim_url: str | None = None
    upgrade_url: str | None = None


class Stack(NamedTuple):
    """The three resources, where their replies are, and what a person should know of them."""

    webhook: Resource
    cache: Resource
    db: Resource
    folder: Path
    remarks: tuple[str, ...]

    @property
    def key_prefix(self) -> str:
        """What every key must begin with, with its colon; '' where any key will do."""
        return key_prefix_of(self.cache)


def key_prefix_of(cache: Resource) -> str:
    """The reply's own prefix, else what the user's name gives away, else none.

    >>> key_prefix_of(Resource(connection_url="redis://usr_pool-1:s@host:6379/0"))
    'pool-1:'
    """
    if cache.key_prefix is not None:
        return cache.key_prefix
    user = urlsplit(cache.connection_url).username or ""
    # An older back end leaves the prefix out of its reply, though its access list asks for it.
    return f"{user.removeprefix('usr_')}:" if user.startswith("usr_") else ""


class Provisioner:
    """Asks for what is not there yet. Each reply is kept before the next call is made."""

    def __init__(
        self, folder: Path, base: str, *, bearer: str | None = None, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._folder = folder
        self._base = base.rstrip("/")
        self._bearer = bearer
        self._pause = pause
        self._remarks: list[str] = []

    def run(self, name: str) -> Stack:
        """The whole stack under one name; raises `ConfigError` with what the provider said."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = {service: self._resource(service, name) for service in SERVICES}
        return Stack(found["webhook"], found["cache"], found["db"], self._folder, tuple(self._remarks))

    def _resource(self, service: str, name: str) -> Resource:
        file = self._folder / f"{service}.json"
        asked = f"{name}-{service}"
        if not file.exists():
            keep(file, self._provision(service, asked))
        try:
            resource = msgspec.json.decode(file.read_bytes(), type=Resource)
        except msgspec.DecodeError as error:
            raise ConfigError(f"{file} is no reply of the provider: {error}") from error
        if resource.name != asked:
            self._remarks.append(
                f"{service}: the provider handed back an older resource, {resource.name!r}, with its data and the rest "
                f"of its life: the day's provisions of this network are used up"
            )
        if resource.warning:
            self._remarks.append(f"{service}: {resource.warning}")
        return resource

    def _provision(self, service: str, name: str) -> bytes:
        headers = {
            "idempotency-key": self._key(service),
            "user-agent": f"tollbook/{tollbook.__version__}",
            **({"authorization": f"Bearer {self._bearer}"} if self._bearer else {}),
        }
        with httpx2.Client(timeout=httpx2.Timeout(TIMEOUT_S)) as client:
            for attempt in range(1, _TRIES_MAX + 1):
                try:
                    answer = client.post(f"{self._base}/{service}/new", json={"name": name}, headers=headers)
                except httpx2.HTTPError as error:
                    if attempt == _TRIES_MAX:
                        raise ConfigError(f"{self._base} does not answer: {type(error).__name__}") from error
                    self._pause(_PAUSE_S)
                    continue
                if answer.status_code in (HTTPStatus.OK, HTTPStatus.CREATED) and _is_ok(answer.content):
                    return answer.content
                failure = _failure(answer.content)
                if attempt == _TRIES_MAX or not _again(answer.status_code, failure):
                    raise ConfigError(_told(service, answer.status_code, failure))
                self._pause(min(failure.retry_after_seconds or _PAUSE_S, _PAUSE_S_MAX))
        raise ConfigError(f"{service} was not provisioned")

    def _key(self, service: str) -> str:
        """The service's idempotency key, on disk before the call: a crash in between repeats the same call."""
        file = self._folder / _KEYS
        keys: dict[str, str] = msgspec.json.decode(file.read_bytes(), type=dict[str, str]) if file.exists() else {}
        if service not in keys:
            keys[service] = f"tollbook-{service}-{secrets.token_hex(12)}"
            keep(file, msgspec.json.encode(keys))
        return keys[service]


def keep(file: Path, content: bytes) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    fresh = file.with_suffix(f".{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    fresh.rename(file)


def _is_ok(body: bytes) -> bool:
    try:
        return msgspec.json.decode(body, type=Resource).ok
    except msgspec.DecodeError:
        return False


def _failure(body: bytes) -> Failure:
    try:
        return msgspec.json.decode(body, type=Failure)
    except msgspec.DecodeError:
        return Failure()


def _again(status: int, failure: Failure) -> bool:
    """Whether the same call may be answered otherwise soon. A day's provisions come back tomorrow: that is not soon."""
    if failure.error == "provision_limit_reached":
        return False
    return failure.error == "idempotency_key_in_progress" or status in (429, 500, 502, 503, 504)


def _told(service: str, status: int, failure: Failure) -> str:
    said = " ".join(part for part in (str(status), failure.error, failure.message) if part)
    links = [link for link in (failure.claim_url, failure.upgrade_url) if link]
    more = [failure.agent_action or "", *links[:1]]
    return ": ".join(part for part in (f"{service} was not provisioned", said, *more) if part)
