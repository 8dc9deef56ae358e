"""Who an event is: a 128-bit name made of (tenant, source, id), never of its timestamp.

An id that carries its own time (UUIDv7, RFC 9562 section 5.7; ULID) gives its identity the same leading 48 bits, so
that neighbours in time are neighbours in the index; every other bit is a hash.
"""

from hashlib import blake2b

_WEEK_MS = 7 * 86_400_000
_CROCKFORD = {digit: value for value, digit in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")}
_HEX = frozenset("0123456789abcdefABCDEF")

TIMED_PAST_MS = _WEEK_MS
"""How old an id's own time may be for the one generation it names to be the only one looked in."""
TIMED_FUTURE_MS = 86_400_000
"""How far ahead an id's own time may be; one further ahead could be looked for in the wrong generation later."""


def id_time_ms(event_id: str) -> int | None:
    """Milliseconds since 1970 that the id carries, or None where it carries none.

    >>> id_time_ms("01890a5d-ac96-774b-bcce-b302099a8057")
    1688097066134
    >>> id_time_ms("order-17") is None
    True
    """
    if len(event_id) == 36:
        if event_id[14] != "7" or event_id[8] != "-" or event_id[13] != "-":
            return None
        stamp = event_id[:8] + event_id[9:13]
        return int(stamp, 16) if _HEX.issuperset(stamp) else None
    if len(event_id) == 26 and event_id[0] in "01234567":
        time_ms = 0
        for character in event_id[:10].upper():
            value = _CROCKFORD.get(character)
            if value is None:
                return None
            time_ms = time_ms << 5 | value
        return time_ms
    return None


def identity_of(tenant: str, source: str, event_id: str, time_ms: int | None) -> bytes:
    """The 16 bytes that name the event; `time_ms` is what `id_time_ms` said of the id."""
    # Each part behind its length, so that no two triples read the same.
    named = f"{len(tenant)}:{tenant}{len(source)}:{source}{len(event_id)}:{event_id}".encode()
    if time_ms is None:
        return blake2b(named, digest_size=16).digest()
    return time_ms.to_bytes(6, "big") + blake2b(named, digest_size=10).digest()


def minted(now_ms: int, random: bytes) -> bytes:
    """A UUIDv7 of ten random bytes, for an event that came without an id: it is its own identity."""
    bits = bytearray(random)
    bits[0] = 0x70 | bits[0] & 0x0F
    bits[2] = 0x80 | bits[2] & 0x3F
    return now_ms.to_bytes(6, "big") + bytes(bits)


def generation_of(time_ms: int) -> int:
    """The week of an instant, as identities are kept by: weeks since 1970-01-01 UTC."""
    return time_ms // _WEEK_MS
