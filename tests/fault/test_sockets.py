"""Connections to both stores that are cut in the middle or go silent, at random: the books stay right."""

import contextlib
import threading
from pathlib import Path
from random import Random
from urllib.parse import urlsplit, urlunsplit

import pytest
import uvloop
from redis.asyncio import Connection, ConnectionPool, Redis

from tests.fault.proxy import HOST, Proxy
from tests.fault.shared import eventually
from tests.fault.system import System, unexpected
from tollbook.domain.errors import JournalUnavailable
from tollbook.journal.keys import Keys
from tollbook.journal.valkey import ValkeyJournal

SEED = "sockets"
HARMS = 300


def through(url: str, proxy: Proxy) -> str:
    """The URL of the same server behind the proxy."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{HOST}:{proxy.port}"))


def test_the_books_are_right_whatever_connection_is_cut_or_goes_silent(tmp_path: Path) -> None:
    random = Random(SEED)
    pace = threading.Event()
    with contextlib.ExitStack() as stack:

        def behind(url: str) -> str:
            proxies.append(stack.enter_context(Proxy(urlsplit(url).port or 0).running()))
            return through(url, proxies[-1])

        proxies: list[Proxy] = []
        system = System(
            tmp_path, serves=1, drains=1, partitions=2, limits={"stark": 1},
            # A silent Postgres is given up after three seconds instead of thirty.
            settings={"postgres_timeout_s": 3.0, "valkey_timeout_s": 1.5},
            route=behind,
        )  # fmt: skip
        stack.enter_context(system.running())
        senders = system.senders(3, SEED, ledger_share=0.3)
        senders.start()
        for _ in range(HARMS):
            pace.wait(random.random() * 0.12)
            random.choice(proxies).harm(random)
        acked = senders.acked
        eventually(lambda: senders.acked > acked + 100, "events acknowledged after the last harm")
        tally = senders.stop()
        system.await_rest()
        verdict = system.audit(tally)
        logs = [unexpected(process.log) for process in (*system.serves, *system.drains)]
        assert not verdict.differences, "\n".join([*verdict.differences, *logs])
        assert sum(proxy.cuts for proxy in proxies) > HARMS / 10
        assert sum(proxy.stalls for proxy in proxies) > HARMS / 60


class LostBeforeUse(Connection):
    """A connection that is lost between the driver's check of it and its use."""

    async def send_packed_command(self, command: object, check_health: bool = True) -> None:
        self._writer.transport.abort()
        await self._writer.wait_closed()
        await super().send_packed_command(command, check_health)


def test_a_connection_lost_before_its_use_means_that_valkey_is_away(valkey_url: str) -> None:
    async def ask() -> None:
        pool = ConnectionPool.from_url(valkey_url, connection_class=LostBeforeUse)
        async with Redis(connection_pool=pool) as store:
            with pytest.raises(JournalUnavailable):
                await ValkeyJournal(store, Keys()).complete(0)
        await pool.aclose()

    uvloop.run(ask())
