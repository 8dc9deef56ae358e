"""What `tollbook up` hands out to whoever provisions on this machine: one reader of each store, kept in a file."""

import secrets
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import msgspec

from tollbook.api.provisioning import Handouts
from tollbook.app.config import Settings
from tollbook.app.wiring import World
from tollbook.journal.readers import allow_reader
from tollbook.ledger.readers import make_reader

_ROLE = "tollbook_reader"


def keep_secret(path: Path, content: msgspec.Struct) -> None:
    """Replace a file that its owner alone may read, in one step."""
    fresh = path.with_suffix(f".{secrets.token_hex(4)}")
    fresh.touch(mode=0o600)
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(content)))
    fresh.rename(path)


async def hand_out(settings: Settings, file: Path) -> None:
    """Make both readers where there are none, and write where they are reached now: ports change between starts."""
    world = await World.open(settings)
    try:
        before = _before(file)
        db_name, db_secret = _login(before.db_url) if before else (f"{_ROLE}_{secrets.token_hex(4)}", _secret())
        cache_name, cache_secret = _login(before.cache_url) if before else (_ROLE, _secret())
        if before is None:
            await make_reader(world.pool, world.queries, db_name, db_secret)
        # Valkey forgets its users when it stops.
        await allow_reader(world.store, world.keys, cache_name, cache_secret)
    finally:
        await world.close()
    handouts = Handouts(
        cache_url=_with_login(settings.valkey_url, cache_name, cache_secret),
        db_url=_with_login(settings.postgres_url, db_name, db_secret),
        key_prefix=settings.valkey_key_prefix,
    )
    keep_secret(file, handouts)


def _before(file: Path) -> Handouts | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Handouts)
    except FileNotFoundError:
        return None


def _secret() -> str:
    return secrets.token_hex(16)


def _login(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.username or "", parts.password or ""


def _with_login(url: str, name: str, secret: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{name}:{secret}@{parts.hostname}:{parts.port}"))
