"""What the blocking and the asynchronous client have in common: who runs, and how a call is described."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import ParamSpec, Self, TypeVar

from tollbook.client.call import CallOptions
from tollbook.client.engine import Engine
from tollbook.client.flows import refusal
from tollbook.client.outbox import OutboxStatus
from tollbook.client.propagation import extract, inject
from tollbook.client.scope import Scope, ScopeBlock, agent_block, carried, current_scope, fixed_block, run_block
from tollbook.client.settings import ClientSettings
from tollbook.domain.budget import Mode
from tollbook.domain.decision import Decision
from tollbook.domain.errors import ConfigError
from tollbook.domain.meter import Attribution

P = ParamSpec("P")
R = TypeVar("R")


class Front:
    """A client without its calls.

    `settings` are fields of `ClientSettings` by name; what is left out comes from `TOLLBOOK_*` in the environment.
    Building one opens nothing: connections, the outbox and threads come with their first use. Raises `ConfigError`.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        tenant: str | None = None,
        **settings: object,
    ) -> None:
        self.settings = ClientSettings.chosen({"url": url, "api_key": api_key, "tenant": tenant, **settings})
        self.engine = Engine(self.settings)

    @classmethod
    def beside(cls, other: "Front") -> Self:
        """A client of this kind with the other's settings, outbox and leases; closing one closes both."""
        made = cls.__new__(cls)
        made.settings, made.engine = other.settings, other.engine
        return made

    def agent(
        self,
        role: str,
        *,
        instance: str | int | bool | None = None,
        run: str | None = None,
        tenant: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> ScopeBlock:
        """The block of an agent below the one that runs; also a decorator.

        `instance=True` mints a name at each entry; `run` names the task of the fleet. Raises `ConfigError`.

        >>> with client.agent("planner", run="task-9"), client.agent("researcher", instance=7):
        ...     client.scope().agent
        'planner/researcher#7'
        """
        return agent_block(role, instance=instance, run=run, tenant=tenant, tags=tags)

    def run(self, run: str, *, tenant: str | None = None, tags: Mapping[str, str] | None = None) -> ScopeBlock:
        """The block of one task of the fleet, whatever the agent; also a decorator."""
        return run_block(run, tenant=tenant, tags=tags)

    def scope(self) -> Scope:
        """Who runs here."""
        return current_scope()

    def carry(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function with the present scope attached, for threads and executors."""
        return carried(function)

    def inject(self, headers: MutableMapping[str, str]) -> None:
        """Write the present scope into headers for another part of the fleet; never for a provider."""
        inject(headers, current_scope())

    def continued(self, headers: Mapping[str, str]) -> ScopeBlock:
        """The block of the scope that another process injected; without one, the present scope."""
        return fixed_block(extract(headers) or current_scope())

    def outbox_status(self) -> OutboxStatus:
        """How the outbox stands."""
        return self.engine.outbox_status()

    def _options(self, options: Mapping[str, object]) -> CallOptions:
        mode = options.get("mode")
        try:
            given = dict(options, mode=Mode(mode)) if isinstance(mode, str) else dict(options)
            return CallOptions(**given)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise ConfigError(f"a call takes no such option: {error}") from error

    def _attribution(self, model: str) -> Callable[[], Attribution]:
        scope = current_scope()
        if scope.tenant is not None and scope.tenant != self.engine.tenant:
            raise ConfigError(f"the view is of {self.engine.tenant}: a precheck of another tenant needs its own client")

        def attribution() -> Attribution:
            return Attribution(scope.agent or self.settings.agent, model, scope.run, scope.tags)

        return attribution

    def _refuse(self, decision: Decision) -> Decision:
        if decision.admits:
            return decision
        raise refusal(decision, self.engine.tenant)
