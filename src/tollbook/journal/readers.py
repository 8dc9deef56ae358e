"""Users of Valkey that may read what is derived and nothing else, and whether our own user may write."""

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from tollbook.domain.errors import ConfigError
from tollbook.journal.keys import Keys
from tollbook.journal.valkey import translated

_READS = (
    "+get",
    "+mget",
    "+exists",
    "+ttl",
    "+pttl",
    "+type",
    "+strlen",
    "+ping",
    "+hello",
    "+auth",
    "+client|setinfo",
)
_PROBE_MS = 60_000


async def allow_reader(store: "Redis", keys: Keys, name: str, secret: str) -> None:
    """A user that may read the flags and the days' cents by their names; it can neither list keys nor write."""
    patterns = (f"%R~{keys.throttled('*')}", f"%R~{keys.prefix}spend:*")
    async with translated():
        await store.execute_command(  # type: ignore[no-untyped-call]
            "ACL", "SETUSER", name, "reset", "on", f">{secret}", *patterns, "resetchannels", "-@all", *_READS
        )


async def probe(store: "Redis", keys: Keys) -> None:
    """Write and delete a key; raises `ConfigError` where the prefix is not the one that this user may write."""
    key = keys.probe()
    async with translated():
        try:
            await store.set(key, b"1", px=_PROBE_MS)
            await store.delete(key)
        except NoPermissionError as refused:
            raise ConfigError(
                f"this Valkey refuses the key {key!r} to our user ({refused}): set TOLLBOOK_VALKEY_KEY_PREFIX to the "
                "key_prefix of the provider's reply, with its colon; where it has none, to what follows `usr_` in the "
                "user's name and a colon"
            ) from refused
