"""Connections to both stores that are cut in the middle or go silent, at random: the books stay right."""

import contextlib
import threading
from pathlib import Path
from random import Random
from urllib.parse import urlsplit, urlunsplit

from tests.fault.proxy import HOST, Proxy
from tests.fault.shared import eventually
from tests.fault.system import System

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
        assert not verdict.differences, "\n".join(verdict.differences)
        assert sum(proxy.cuts for proxy in proxies) > HARMS / 10
        assert sum(proxy.stalls for proxy in proxies) > HARMS / 60
