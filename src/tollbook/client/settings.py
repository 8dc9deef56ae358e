"""What the SDK can be told, and the one place of `client/` that reads the environment."""

import os
import sys
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Literal, Self

import msgspec

from tollbook.domain.errors import ConfigError

_PREFIX = "TOLLBOOK_"

Gate = Literal["hold", "lease", "check", "precheck", "off"]


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `Client` takes. Each field is also `TOLLBOOK_<NAME>` in the environment.

    Unset texts are empty. Times end in their unit.
    """

    url: str = ""
    api_key: str = ""
    tenant: str = ""
    agent: str = "main"
    source: str = "sdk"
    gate: Gate = "hold"
    mode: Literal["http", "direct"] = "http"
    hold_mode: Literal["auto", "strict", "expected"] = "auto"
    on_unreachable: Literal["auto", "open", "closed"] = "auto"
    timeout_s: float = 5.0
    wait_s: float = 10.0
    hold_ttl_ms: int = 60_000
    lease_ttl_ms: int = 30_000
    lease_calls: int = 16
    watch_stale_s: float = 45.0
    watch_wait_s: float = 2.0
    spool_path: str = ""
    spool_bytes_max: int = 256 * 1024 * 1024
    spool_durable: bool = True
    spool_fsync: bool = False
    outbox_ack: Literal["auto", "journal", "ledger"] = "ledger"
    outbox_batch_events: int = 500
    outbox_flush_s: float = 5.0
    valkey_url: str = ""
    valkey_key_prefix: str = ""

    @classmethod
    def chosen(cls, given: Mapping[str, object], environment: Mapping[str, str] | None = None) -> Self:
        """The settings: what is given, else the environment's, else the default; raises `ConfigError` on a misfit.

        A given None counts as not given. Names of the environment that are the server's are left aside.
        """
        found = os.environ if environment is None else environment
        variables = {name: _PREFIX + name.upper() for name in cls.__struct_fields__}
        named = {name: found[variable] for name, variable in variables.items() if variable in found}
        unknown = sorted(given.keys() - set(cls.__struct_fields__))
        if unknown:
            raise ConfigError(f"no such setting of the client: {unknown[0]}")
        chosen = {**named, **{name: value for name, value in given.items() if value is not None}}
        try:
            settings = msgspec.convert(chosen, cls, strict=False)
        except msgspec.ValidationError as error:
            raise ConfigError(f"a setting of the client does not fit: {error}") from error
        if settings.url and not settings.url.startswith(("http://", "https://")):
            raise ConfigError(f"url begins with http:// or https://, not {settings.url[:32]!r}")
        if not settings.api_key.isascii() or not settings.api_key.isprintable():
            raise ConfigError("api_key holds characters that no key has")
        if not all(1_000 <= ttl_ms <= 600_000 for ttl_ms in (settings.hold_ttl_ms, settings.lease_ttl_ms)):
            raise ConfigError("hold_ttl_ms and lease_ttl_ms are 1,000 to 600,000")
        return settings

    def require_url(self) -> str:
        """The server's address without a slash at its end; raises `ConfigError` where none is known."""
        if not self.url:
            raise ConfigError("the client knows no server: Client(url=…) or TOLLBOOK_URL")
        return self.url.rstrip("/")

    def spool_file(self) -> Path:
        """Where the outbox lies: `spool_path`, else a file of this server and tenant in the user's state directory.

        Each server and tenant has its own, so that no event is ever sent under another one's key.
        """
        if self.spool_path:
            return Path(self.spool_path)
        name = blake2b(f"{self.url.rstrip('/')}\n{self.tenant}".encode(), digest_size=6).hexdigest()
        return _state_directory() / "tollbook" / f"outbox-{name}.sqlite3"


def _state_directory() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
