"""The configuration in memory: refreshed when its version moves, kept while Postgres is away."""

import hmac
import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from tollbook.domain.access import Principal, Role, StoredKey, StoredToken
from tollbook.domain.budget import BudgetBook
from tollbook.domain.errors import StoreError
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.tenancy import Tenancy
from tollbook.domain.window import ZoneCalendar
from tollbook.ports.clock import Clock
from tollbook.ports.config import Config, Snapshot
from tollbook.telemetry import StoreTrouble, Telemetry

REFRESH_S = 0.25
_SPREAD = timedelta(minutes=1)
"""How long a receiver may still go by the calendar before, many times over."""
_KEY_MARK = "tb"


class Directory:
    """Tenancy, budgets, keys and webhook tokens as of the last refresh."""

    def __init__(self, config: Config, clock: Clock, telemetry: Telemetry, *, zone: str = "UTC") -> None:
        self._config = config
        self._clock = clock
        self._telemetry = telemetry
        self._zone = zone
        self._keys: dict[str, StoredKey] = {}
        self._tokens: dict[bytes, StoredToken] = {}
        self._recognised: dict[str, Principal] = {}
        self.tenancy = Tenancy()
        self.budgets = BudgetBook()
        self.loaded = False

    async def run(self) -> None:
        """Refresh for ever."""
        while True:
            try:
                await self.refresh()
            except StoreError as trouble:
                self._telemetry.record(StoreTrouble("postgres", "configuration is kept as it was", str(trouble)))
            await self._clock.pause(REFRESH_S)

    async def refresh(self) -> None:
        """Load the configuration where its version has moved."""
        if self.loaded and await self._config.version() == self.tenancy.version:
            return
        known = self.tenancy.version if self.loaded else 0
        snapshot = await self._config.snapshot(known)
        if snapshot.version < known:
            # A restored ledger's: what it holds is all there is.
            self.budgets, snapshot = BudgetBook(), await self._config.snapshot()
        self._take(snapshot)

    def _take(self, snapshot: Snapshot) -> None:
        if snapshot.budgets:
            self.budgets = self.budgets.changed({owned.tenant: owned.budgets for owned in snapshot.budgets})
        self._keys = {key.principal.key_id: key for key in snapshot.keys}
        self._recognised = {}
        self._tokens = {token.token_hash: token for token in snapshot.tokens}
        self.tenancy = Tenancy(
            version=snapshot.version,
            partitions=snapshot.partitions,
            moved=snapshot.moved,
            calendars={tenant: ZoneCalendar(spans) for tenant, spans in snapshot.zones.items()},
            zone=self._zone,
        )
        self.loaded = True

    def principal(self, key: str) -> Principal | None:
        """Whose key this is, or None where no key in force matches."""
        known = self._recognised.get(key)
        if known is not None:
            return None if self._ended(known) else known
        mark, _, rest = key.partition("_")
        key_id, _, secret = rest.partition("_")
        stored = self._keys.get(key_id)
        if mark != _KEY_MARK or stored is None or not hmac.compare_digest(_hash(secret), stored.secret_hash):
            return None
        # Only keys in force get in, so there are never more of them than keys.
        self._recognised[key] = stored.principal
        return None if self._ended(stored.principal) else stored.principal

    def holder(self, key_id: str) -> Principal | None:
        """Whose key an id stands for, or None where it is not in force (any more): for who has shown the key before."""
        stored = self._keys.get(key_id)
        return None if stored is None or self._ended(stored.principal) else stored.principal

    def _ended(self, principal: Principal) -> bool:
        return principal.expires_at is not None and principal.expires_at <= self._clock.now()

    def webhook(self, token: str) -> StoredToken | None:
        """The source a webhook token stands for, or None where no token in force matches."""
        return self._tokens.get(_hash(token))


def _hash(secret: str) -> bytes:
    # The secrets are random and long: a slow hash would add nothing but time to every request.
    return sha256(secret.encode()).digest()


async def change_zone(
    config: Config, tenant: str, calendar: ZoneCalendar, zone: str, now: datetime, *, by: str
) -> ZoneCalendar:
    """Move a tenant to another zone from its next local day on; the calendar it then has.

    Where midnight is nearer than an event may lie ahead, events of the coming day may be booked already: the change
    then waits for the midnight after. Raises `ValueError` where no zone has that name.
    """
    try:
        known = ZoneInfo(zone).key
    except (ZoneInfoNotFoundError, OSError) as error:
        # A folder of the zone database, or an odd name, ends in an error of the file system.
        raise ValueError(f"no time zone is called {zone!r}") from error
    if calendar.spans[-1].zone == known:
        return calendar
    changed = calendar.changed(known, now + timedelta(milliseconds=IntakeLimits().future_ms_max) + _SPREAD)
    await config.set_zone(tenant, changed.spans, by)
    return changed


async def mint_key(config: Config, role: Role, *, by: str, tenant: str | None = None, note: str = "") -> str:
    """Make a key and keep its hash; the text returned is shown once and cannot be had again."""
    key, text = drawn_key(Principal("", role, tenant))
    await config.add_key(key, note, by)
    return text


def drawn_key(bounds: Principal, parent: str | None = None) -> tuple[StoredKey, str]:
    """A fresh key within some bounds, to be kept, and its text, to be shown once."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(24)
    stored = StoredKey(msgspec.structs.replace(bounds, key_id=key_id), _hash(secret), parent)
    return stored, f"{_KEY_MARK}_{key_id}_{secret}"


async def mint_token(config: Config, source: str, *, by: str, tenant: str | None = None) -> str:
    """Make a webhook token for a source and keep its hash; the text returned is the whole secret."""
    token = str(uuid4())
    await config.add_token(StoredToken(token_id_of(token), _hash(token), source, tenant), by)
    return token


def token_id_of(token: str) -> str:
    """The id under which a webhook token is listed and revoked."""
    return _hash(token)[:6].hex()


def key_id_of(key: str) -> str:
    """The id under which a key is listed and revoked."""
    return key.split("_", 2)[1]
