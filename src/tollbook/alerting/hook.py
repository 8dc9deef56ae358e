"""Hooks: where alerts go, and what a hook's address may look like."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from tollbook.domain.alert import Alert, AlertKind, crossing_of
from tollbook.ports.alerts import AlertStore, Hook

_PREFIX = "whsec_"
_SECRET_BYTES = 32
_URL_CHARS_MAX = 2_048


def check_url(url: str) -> str:
    """The URL, where a hook may have it; raises `ValueError` that says why not.

    Where its name leads is no matter here: that is looked up for each attempt.
    """
    if len(url) > _URL_CHARS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"a hook's URL is up to {_URL_CHARS_MAX} printable ASCII characters")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("a hook's URL begins with https:// or http://")
    if not parts.hostname:
        raise ValueError("a hook's URL names a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a hook's URL names no user: put a secret into its path, or check the signature")
    if parts.fragment:
        raise ValueError("a hook's URL has no fragment")
    if parts.port == 0:
        raise ValueError("a hook's URL names a port from 1 on")
    return url


async def mint_hook(
    store: AlertStore, url: str, *, tenant: str | None, kinds: Sequence[AlertKind], by: str, now: datetime
) -> tuple[Hook, str]:
    """Make a hook; the secret returned beside it is shown once. Raises `ValueError` on a URL that no hook may have."""
    secret = _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    chosen = tuple(sorted({kind.value for kind in kinds}))
    hook = Hook(secrets.token_hex(6), tenant, check_url(url), chosen, now, by, None)
    await store.add_hook(hook, secret)
    return hook, secret


def check_alert(hook_id: str) -> Alert:
    """The alert that somebody asks for to see whether a hook works."""
    return Alert(
        kind=AlertKind.TEST,
        tenant="",
        crossing=crossing_of(AlertKind.TEST, hook_id, secrets.token_hex(16)),
        mark=0,
        text="a test: alerts reach this hook",
        facts={"hook_id": hook_id},
    )
