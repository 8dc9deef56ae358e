"""The ledger of what a fleet of LLM agents spends.

What is exported here is the SDK. Each name is imported when it is first used, so that `import tollbook` costs an agent
next to nothing.
"""

import importlib
from typing import TYPE_CHECKING

from tollbook.domain.errors import BudgetExceeded, ConfigError, TollbookError

if TYPE_CHECKING:
    from tollbook.client.call import AsyncCall, Call
    from tollbook.client.client import AsyncClient, Client
    from tollbook.client.errors import BudgetBusy, GateRefused, HoldLost, SpoolFull, SpoolUnusable, UsageUnknown
    from tollbook.client.integrations import wrap
    from tollbook.client.propagation import extract, inject, strip
    from tollbook.domain.decision import Decision, Verdict
    from tollbook.usage import UsageRead

__all__ = [
    "AsyncCall",
    "AsyncClient",
    "BudgetBusy",
    "BudgetExceeded",
    "Call",
    "Client",
    "ConfigError",
    "Decision",
    "GateRefused",
    "HoldLost",
    "SpoolFull",
    "SpoolUnusable",
    "TollbookError",
    "UsageRead",
    "UsageUnknown",
    "Verdict",
    "__version__",
    "extract",
    "inject",
    "strip",
    "wrap",
]

__version__ = "0.1.0"

_HOMES = {
    "AsyncCall": "client.call",
    "AsyncClient": "client.client",
    "BudgetBusy": "client.errors",
    "Call": "client.call",
    "Client": "client.client",
    "Decision": "domain.decision",
    "GateRefused": "client.errors",
    "HoldLost": "client.errors",
    "SpoolFull": "client.errors",
    "SpoolUnusable": "client.errors",
    "UsageRead": "usage",
    "UsageUnknown": "client.errors",
    "Verdict": "domain.decision",
    "extract": "client.propagation",
    "inject": "client.propagation",
    "strip": "client.propagation",
    "wrap": "client.integrations",
}
"""Where each name that is imported late lives."""


def __getattr__(name: str) -> object:
    """Import an exported name at its first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tollbook' has no attribute {name!r}")
    found: object = getattr(importlib.import_module(f"tollbook.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Every exported name."""
    return sorted(__all__)
