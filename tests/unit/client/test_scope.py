"""Who runs stays right across blocks, threads, executors, tasks and generators of every kind."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tollbook.client.scope import Scope, agent_block, carried, current_scope, fixed_block, run_block
from tollbook.domain.errors import ConfigError


def path() -> str:
    return current_scope().agent


def test_blocks_nest_into_a_path_and_leave_nothing_behind() -> None:
    with agent_block("planner", run="r1", tags={"a": "1"}):
        with agent_block("researcher", instance=7, tags={"b": "2"}):
            assert current_scope() == Scope("planner/researcher#7", "r1", None, {"a": "1", "b": "2"})
        assert path() == "planner"
    assert current_scope() == Scope()


def test_an_instance_is_minted_at_each_entry() -> None:
    block = agent_block("worker", instance=True)
    seen = []
    for _ in range(2):
        with block:
            seen.append(path())
    assert len(set(seen)) == 2
    assert all(name.startswith("worker#") for name in seen)


def test_one_block_may_be_entered_within_itself() -> None:
    block = agent_block("a")
    with block, block:
        assert path() == "a/a"
    assert path() == ""


@pytest.mark.parametrize("name", ["", "a//b", "#7", "a#"])
def test_what_is_no_agent_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        agent_block(name)


def test_an_error_leaves_nothing_behind() -> None:
    with pytest.raises(ZeroDivisionError), agent_block("a"):
        raise ZeroDivisionError
    assert path() == ""


def test_a_thread_sees_the_scope_that_was_carried_to_it() -> None:
    seen = []
    with agent_block("planner"):
        plain = threading.Thread(target=lambda: seen.append(path()))
        taken = threading.Thread(target=carried(lambda: seen.append(path())))
    for thread in (plain, taken):
        thread.start()
        thread.join()
    assert seen == ["", "planner"]


def test_executors_run_many_carried_calls_at_once() -> None:
    barrier = threading.Barrier(4)

    def work(_: int) -> str:
        barrier.wait(10)
        return path()

    with ThreadPoolExecutor(4) as pool:
        with agent_block("planner"):
            assert list(pool.map(carried(work), range(4))) == ["planner"] * 4
        assert pool.submit(path).result() == ""


def test_tasks_keep_apart() -> None:
    async def work(name: str) -> str:
        async with agent_block(name):
            await asyncio.sleep(0)
            inner = await asyncio.to_thread(path)
            assert inner == path()
            return path()

    async def main() -> list[str]:
        with agent_block("planner"):
            found = await asyncio.gather(work("a"), work("b"))
            assert path() == "planner"
            return found

    assert asyncio.run(main()) == ["planner/a", "planner/b"]


def test_a_coroutine_awaited_directly_leaks_nothing() -> None:
    @agent_block("inner")
    async def work() -> str:
        await asyncio.sleep(0)
        return path()

    async def main() -> tuple[str, str]:
        return await work(), path()

    assert asyncio.run(main()) == ("inner", "")


def test_run_in_executor_needs_carrying() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        with agent_block("planner"):
            return [await loop.run_in_executor(None, path), await loop.run_in_executor(None, carried(path))]

    assert asyncio.run(main()) == ["", "planner"]


def test_a_decorated_generator_holds_its_scope_inside_only() -> None:
    @agent_block("inner")
    def items() -> Iterator[str]:
        got = yield path()
        assert got == "sent"
        with agent_block("deeper"):
            yield path()
        yield path()

    with agent_block("outer"):
        generator = items()
        seen = [next(generator)]
        assert path() == "outer"
        seen.append(generator.send("sent"))
        assert path() == "outer"
        seen += list(generator)
    assert seen == ["outer/inner", "outer/inner/deeper", "outer/inner"]


def test_a_decorated_generator_that_is_closed_early_leaks_nothing() -> None:
    closed_in = []

    @agent_block("inner")
    def items() -> Iterator[int]:
        try:
            yield 1
        finally:
            closed_in.append(path())

    generator = items()
    next(generator)
    generator.close()
    assert closed_in == ["inner"]
    assert path() == ""


def test_a_decorated_async_generator_holds_its_scope_inside_only() -> None:
    @agent_block("inner")
    async def items() -> AsyncIterator[str]:
        for _ in range(2):
            await asyncio.sleep(0)
            yield path()

    async def main() -> list[str]:
        seen = []
        with agent_block("outer"):
            async for item in items():
                seen += [item, path()]
        return seen

    assert asyncio.run(main()) == ["outer/inner", "outer"] * 2


def test_an_async_generator_cut_short_in_another_task_leaks_nothing() -> None:
    @agent_block("inner")
    async def items() -> AsyncIterator[str]:
        while True:
            yield path()

    async def main() -> str:
        generator = items()
        assert await anext(generator) == "inner"
        await asyncio.create_task(generator.aclose())
        return path()

    assert asyncio.run(main()) == ""


def test_a_block_inside_an_async_generator_may_end_in_another_context() -> None:
    async def items() -> AsyncIterator[str]:
        with agent_block("inner"):
            yield path()

    async def main() -> str:
        generator = items()
        await asyncio.create_task(anext(generator))
        await asyncio.create_task(generator.aclose())
        return path()

    assert asyncio.run(main()) == ""


def test_a_run_is_independent_of_agents() -> None:
    with run_block("r1"), agent_block("a"), run_block("r2"):
        assert current_scope() == Scope("a", "r2")
    with fixed_block(Scope("x/y", "r3")):
        assert current_scope() == Scope("x/y", "r3")
