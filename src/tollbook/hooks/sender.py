"""Signs alerts as Standard Webhooks and sends them, to the very address that was looked at."""

import asyncio
import email.utils
from datetime import UTC, datetime

import httpx2
import msgspec
from standardwebhooks.webhooks import Webhook

import tollbook
from tollbook.alerting.hook import check_url
from tollbook.hooks.addresses import AddressBook, AddressRefused
from tollbook.ports.alerts import Answer, Claimed

_TRIES_MAX = 3
_DEFAULT_PORTS = {"http": 80, "https": 443}
_RETRY_STATUSES = frozenset({429, 502, 503, 504})


def body_of(claimed: Claimed) -> bytes:
    """The body of an alert, the same at every attempt."""
    return msgspec.json.encode(
        {
            "type": claimed.kind,
            "timestamp": claimed.raised_at.astimezone(UTC),
            "data": {"id": claimed.alert_id, "text": claimed.text, **claimed.facts},
        }
    )


def headers_of(claimed: Claimed, body: bytes, now: datetime) -> dict[str, str]:
    """The headers of an attempt: the id stays, time and signature are of now."""
    at = now.astimezone(UTC)
    return {
        "content-type": "application/json",
        "user-agent": f"tollbook/{tollbook.__version__}",
        "webhook-id": claimed.alert_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(claimed.secret).sign(claimed.alert_id, at, body.decode()),
    }


class HttpSender:
    """Implements `ports.alerts.HookSender`. Close it."""

    def __init__(self, addresses: AddressBook, *, timeout_s: float) -> None:
        self._addresses = addresses
        self._timeout_s = timeout_s
        # A connection is used once: the pool knows it by its address, and another name may lead to the same one.
        self._client = httpx2.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(timeout_s),
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    async def close(self) -> None:
        """Let go of what is open."""
        await self._client.aclose()

    async def send(self, claimed: Claimed, now: datetime) -> Answer:
        """Sign and send; whatever goes wrong on the way is an answer without a status."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._send(claimed, now)
        except TimeoutError:
            return Answer(None, f"no answer within {self._timeout_s:g} s")
        except (AddressRefused, ValueError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            return Answer(None, str(error)[:300] or type(error).__name__)

    async def _send(self, claimed: Claimed, now: datetime) -> Answer:
        url = httpx2.URL(check_url(claimed.url))
        host, port = url.raw_host.decode("ascii"), url.port or _DEFAULT_PORTS[url.scheme]
        addresses = await self._addresses.resolve(host, port)
        body = body_of(claimed)
        headers = {**headers_of(claimed, body, now), "host": url.netloc.decode("ascii")}
        failure: httpx2.ConnectError | None = None
        for address in addresses[:_TRIES_MAX]:
            try:
                return await self._post(url.copy_with(host=address), host, headers, body, now)
            except httpx2.ConnectError as error:
                failure = error
        raise failure or AddressRefused(f"{host} has no address")

    async def _post(self, url: httpx2.URL, host: str, headers: dict[str, str], body: bytes, now: datetime) -> Answer:
        # Certificate and SNI are checked against the name; the URL's host is only where the socket goes.
        request = self._client.build_request(
            "POST", url, headers=headers, content=body, extensions={"sni_hostname": host}
        )
        response = await self._client.send(request, stream=True)
        # Nobody reads the body: it is a stranger's, and of any length.
        await response.aclose()
        wait_s = retry_after_s(response.headers.get("retry-after"), now)
        return Answer(
            response.status_code,
            f"{response.status_code} {response.reason_phrase}".strip()[:300],
            wait_s if response.status_code in _RETRY_STATUSES else None,
        )


def retry_after_s(text: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` asks to wait, given as seconds or as a date; None where it says nothing.

    >>> retry_after_s("120", datetime(2026, 8, 1, tzinfo=UTC))
    120.0
    >>> retry_after_s("Sat, 01 Aug 2026 00:01:00 GMT", datetime(2026, 8, 1, tzinfo=UTC))
    60.0
    """
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text.strip()[:9])
    try:
        return max(0.0, (email.utils.parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError):
        return None
