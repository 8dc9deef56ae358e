"""One application of all routes: the bare ones first, the framework behind them."""

from pathlib import Path
from typing import cast

from tollbook.api.app import build_api
from tollbook.api.bare import App, Receive, Scope, Send
from tollbook.api.bodies import Exchange
from tollbook.api.dialect_routes import DialectApp
from tollbook.api.gate_routes import GateApp
from tollbook.api.intake import IntakeApp
from tollbook.api.otlp import OtlpApp
from tollbook.api.provisioning import ProvisioningApp
from tollbook.api.services import Services


class Front:
    """Hands each request to the application that answers its path."""

    def __init__(self, services: Services, *, handouts: Path | None = None) -> None:
        self._provisioning = ProvisioningApp(services, handouts)
        self._intake = IntakeApp(services)
        self._dialects = DialectApp(services, self._intake)
        self._gate = GateApp(services, self._intake)
        self._otlp = OtlpApp(services, self._intake)
        self.api = build_api(services)
        self._framework = cast(App, self.api)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._intake.takes(scope["path"]):
            await self._intake(scope, receive, send)
        elif self._otlp.takes(scope["path"]):
            await self._otlp(scope, receive, send)
        elif self._provisioning.takes(scope):
            await self._provisioning(scope, receive, send)
        elif self._gate.takes(scope):
            await self._gate(scope, receive, send)
        elif self._dialects.takes(scope["path"]):
            await self._dialects(scope, receive, send)
        else:
            exchange = Exchange(scope, receive, send)
            await self._framework(scope, exchange.receive, exchange.send)
