"""Raisers and a deliverer on a world's stores, stepped by hand."""

from datetime import timedelta
from typing import Any

from tests.world import World
from tollbook.alerting.delivery import Deliverer, DeliverySettings
from tollbook.alerting.hook import mint_hook
from tollbook.alerting.raising import Raiser, RaiserSettings
from tollbook.domain.alert import AlertKind
from tollbook.hooks.addresses import AddressBook, networks_of
from tollbook.hooks.sender import HttpSender
from tollbook.ports.alerts import AlertRow, Hook, Raised

LOOPBACK = "127.0.0.0/8"


class Alerting:
    """What raises and delivers."""

    def __init__(self, world: World, networks: str = LOOPBACK) -> None:
        self.world = world
        self.store = world.alerts
        self.sender = HttpSender(AddressBook(networks_of(networks)), timeout_s=10)
        self.raisers = self.new_raisers()
        self.deliverer = self.new_deliverer()

    def new_raisers(self, **settings: Any) -> list[Raiser]:
        """A raiser for each partition, as a started process has them."""
        world = self.world
        return [
            Raiser(
                partition,
                self.store,
                world.clock,
                world.telemetry,
                lambda: world.directory.tenancy,
                settings=RaiserSettings(**settings),
            )
            for partition in range(world.directory.tenancy.partitions)
        ]

    def new_deliverer(self, **settings: Any) -> Deliverer:
        """A deliverer, as a started process has it."""
        world = self.world
        return Deliverer(self.store, self.sender, world.clock, world.telemetry, settings=DeliverySettings(**settings))

    def hook(self, url: str, *kinds: AlertKind, tenant: str | None = None) -> tuple[Hook, str]:
        """A new hook and its secret."""
        return self.world.run(
            mint_hook(self.store, url, tenant=tenant, kinds=kinds, by="test", now=self.world.clock.now())
        )

    def raise_all(self) -> list[Raised]:
        """What every raiser's next turn raises."""
        return [raised for raiser in self.raisers for raised in self.world.run(raiser.step())]

    def kinds(self) -> list[str]:
        """Kind and threshold of what the next turns raise, in order of text."""
        return sorted(_short(raised) for raised in self.raise_all())

    def deliver(self, deliverer: Deliverer | None = None) -> int:
        """Deliver what is due; how many attempts that were."""
        chosen = deliverer or self.deliverer

        async def delivering() -> int:
            begun = await chosen.begin()
            await chosen.settled()
            return begun

        return self.world.run(delivering())

    def rows(self, tenant: str | None = None) -> list[AlertRow]:
        """Every alert, newest first."""
        return self.world.run(self.store.alerts(tenant, None, 1000))

    def limit(self, tenant: str | None, nanos: int | None) -> None:
        """Set or remove a daily limit."""
        self.world.run(self.world.config.set_limit(tenant, nanos, "test"))
        self.world.run(self.world.directory.refresh())

    def pass_time(self, **ahead: float) -> None:
        """Move the world's clock on."""
        self.world.clock.ahead += timedelta(**ahead)

    def close(self) -> None:
        """Give the connections back."""
        self.world.run(self.sender.close())


def _short(raised: Raised) -> str:
    threshold = raised.alert.facts.get("threshold", raised.alert.facts.get("reason"))
    return f"{raised.alert.kind.value}{'' if threshold is None else f' {threshold}'}"
