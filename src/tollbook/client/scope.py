"""Who runs: the agent path, the run and the tags of the code at hand, carried by one context variable.

The variable is shared by all clients of a process: who runs does not depend on which client asks. Its values are
immutable, and every change is undone by the block that made it.
"""

import functools
import inspect
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextvars import Context, ContextVar, Token, copy_context
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

import msgspec

from tollbook.domain.agent import fault
from tollbook.domain.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")


class Scope(msgspec.Struct, frozen=True):
    """Who runs. `agent` is a path such as `planner/researcher#7`, empty outside every agent."""

    agent: str = ""
    run: str | None = None
    tenant: str | None = None
    tags: Mapping[str, str] | None = None


_OUTSIDE = Scope()
_SCOPE: ContextVar[Scope] = ContextVar("tollbook_scope", default=_OUTSIDE)
current_scope = _SCOPE.get
"""The scope of the code at hand."""


class ScopeBlock:
    """A change of the scope: a block (`with`, `async with`), or a decorator of any kind of function.

    As a decorator of a generator it holds inside the generator only; a `with` in a generator's body would be seen by
    whoever consumes it, between two items, because generators run in their consumer's context.
    """

    def __init__(self, change: Callable[[Scope], Scope]) -> None:
        self._change = change
        self._tokens: list[Token[Scope]] = []

    def __enter__(self) -> Scope:
        scope = self._change(_SCOPE.get())
        self._tokens.append(_SCOPE.set(scope))
        return scope

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token = self._tokens.pop()
        try:
            _SCOPE.reset(token)
        except ValueError:
            # An asynchronous generator that is closed in another context than it was opened in: the scope was never
            # set here, so there is nothing to undo.
            return

    async def __aenter__(self) -> Scope:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate: each call, or each iteration of a generator, runs inside the block."""
        if inspect.isasyncgenfunction(function):
            return cast("Callable[P, R]", self._around_async_generator(function))
        if inspect.isgeneratorfunction(function):
            return cast("Callable[P, R]", self._around_generator(function))
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
                with ScopeBlock(self._change):
                    return await cast("Callable[P, Awaitable[Any]]", function)(*args, **kwargs)

            return cast("Callable[P, R]", awaited)

        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            with ScopeBlock(self._change):
                return function(*args, **kwargs)

        return called

    def _around_generator(self, function: Callable[P, Any]) -> Callable[P, Generator[Any, Any, Any]]:
        @functools.wraps(function)
        def iterated(*args: P.args, **kwargs: P.kwargs) -> Generator[Any, Any, Any]:
            return _Stepped(self._inside(), function(*args, **kwargs))

        return iterated

    def _around_async_generator(self, function: Callable[P, Any]) -> Callable[P, AsyncGenerator[Any, Any]]:
        @functools.wraps(function)
        def iterated(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Any, Any]:
            return _SteppedAsync(self._inside(), function(*args, **kwargs))

        return iterated

    def _inside(self) -> Context:
        context = copy_context()
        context.run(_SCOPE.set, self._change(_SCOPE.get()))
        return context


class _Stepped(Generator[Any, Any, Any]):
    """A generator each of whose steps runs in a context of its own."""

    def __init__(self, context: Context, generator: Generator[Any, Any, Any]) -> None:
        self._context = context
        self._generator = generator

    def send(self, value: Any) -> Any:
        return self._context.run(self._generator.send, value)

    def throw(self, *args: Any) -> Any:
        return self._context.run(self._generator.throw, *args)


class _Inside:
    """An awaitable each of whose steps runs in a given context, within the task that awaits it."""

    def __init__(self, context: Context, awaitable: Awaitable[Any]) -> None:
        self._context = context
        self._awaitable = awaitable

    def __await__(self) -> Generator[Any, Any, Any]:
        return _Stepped(self._context, self._awaitable.__await__())


class _SteppedAsync(AsyncGenerator[Any, Any]):
    """An asynchronous generator each of whose steps runs in a context of its own."""

    def __init__(self, context: Context, generator: AsyncGenerator[Any, Any]) -> None:
        self._context = context
        self._generator = generator

    async def asend(self, value: Any) -> Any:
        return await _Inside(self._context, self._generator.asend(value))

    async def athrow(self, *args: Any) -> Any:
        return await _Inside(self._context, self._generator.athrow(*args))


def agent_block(
    role: str,
    *,
    instance: str | int | bool | None = None,
    run: str | None = None,
    tenant: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> ScopeBlock:
    """The block of an agent below the one that runs; raises `ConfigError` where the name cannot be one.

    `role` may be a path of several. `instance` names this one of the role's many: True mints a name at each entry.
    `run` and `tenant` replace, `tags` are merged.
    """
    name = role if instance is None or isinstance(instance, bool) else f"{role}#{instance}"
    wrong = fault(name)
    if wrong is not None:
        raise ConfigError(f"{name!r} is no agent's name: {wrong}")
    given = dict(tags) if tags else None

    def change(scope: Scope) -> Scope:
        own = f"{name}#{os.urandom(4).hex()}" if instance is True else name
        return Scope(
            agent=f"{scope.agent}/{own}" if scope.agent else own,
            run=scope.run if run is None else run,
            tenant=scope.tenant if tenant is None else tenant,
            tags={**(scope.tags or {}), **given} if given else scope.tags,
        )

    return ScopeBlock(change)


def run_block(run: str, *, tenant: str | None = None, tags: Mapping[str, str] | None = None) -> ScopeBlock:
    """The block of one task of the fleet, whatever the agent."""
    given = dict(tags) if tags else None

    def change(scope: Scope) -> Scope:
        return Scope(
            agent=scope.agent,
            run=run,
            tenant=scope.tenant if tenant is None else tenant,
            tags={**(scope.tags or {}), **given} if given else scope.tags,
        )

    return ScopeBlock(change)


def fixed_block(scope: Scope) -> ScopeBlock:
    """The block of a scope that came from elsewhere: another process, another thread."""
    return ScopeBlock(lambda _: scope)


def carried(function: Callable[P, R]) -> Callable[P, R]:
    """The function with the present scope attached, for `threading.Thread` and executors, which carry no context.

    >>> carried(len)("ab")
    2
    """
    return fixed_block(_SCOPE.get())(function)
