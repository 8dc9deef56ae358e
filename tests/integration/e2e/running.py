"""`tollbook up` and the other commands as their users run them: processes of their own, talked to from outside."""

import asyncio
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import redis
import requests

import tollbook
from tollbook.embedded.home import choose_port
from tollbook.embedded.process import descendants, is_alive, wait_until

IMPORT_PATH = os.pathsep.join(str(Path(found).parents[1]) for found in (tollbook.__file__, msgspec.__file__))
COMMAND = (sys.executable, "-m", "tollbook.cli.main")
PATIENCE_S = 90.0
"""For what takes a second or two on an idle machine and may take long on one that runs many tests at once."""


def environment(**more: str) -> dict[str, str]:
    """What a user's shell would hand over, without settings of the machine that runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TOLLBOOK_", "PYTEST_"))}
    # Loopback addresses never go through whatever proxy the machine has.
    return {**kept, "PYTHONPATH": IMPORT_PATH, "NO_PROXY": "*", **more}


def session() -> requests.Session:
    """A client that talks to the loopback whatever proxy the machine has, on connections kept alive."""
    client = requests.Session()
    client.trust_env = False
    return client


def cli(*arguments: str, data: Path | None = None, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run one `tollbook` command to its end; `more` are variables of its environment."""
    where = () if data is None else ("--data", str(data))
    return subprocess.run(
        [*COMMAND, *arguments, *where],
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def said(*arguments: str, data: Path) -> str:
    """What a command that succeeds prints, without its last newline."""
    done = cli(*arguments, data=data)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.removesuffix("\n")


@dataclass
class Ledger:
    """A running `tollbook up`."""

    process: "subprocess.Popen[str]"
    data: Path
    access: dict[str, str]
    http: requests.Session = field(default_factory=session)

    @property
    def api(self) -> str:
        """Where the API is."""
        return self.access["api"]

    @property
    def webhook(self) -> str:
        """Where events are POSTed without a key."""
        return self.access["webhook"]

    @property
    def bearer(self) -> dict[str, str]:
        """The admin key as a header."""
        return {"Authorization": f"Bearer {self.access['admin_key']}"}

    @property
    def family(self) -> list[int]:
        """Every process that `up` runs, and itself."""
        return [self.process.pid, *descendants(self.process.pid)]

    def role(self, name: str) -> int:
        """The process id of a role, `serve` or `drain`."""
        for pid in descendants(self.process.pid):
            if command_line(pid)[-1:] == [name] and parent_of(pid) == self.process.pid:
                return pid
        raise LookupError(f"no {name} runs below {self.process.pid}")

    def valkey(self) -> "redis.Redis":
        """A client of the store; close it."""
        return redis.Redis.from_url(self.access["valkey_url"], decode_responses=True)

    def get(self, path: str, **query: str) -> Any:
        """The answer to a GET with the admin key, which must succeed."""
        answer = self.http.get(f"{self.api}{path}", params=query, headers=self.bearer, timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, events: object, **query: str) -> Any:
        """POST events with the admin key; the answer, which must be that they were taken."""
        answer = self.http.post(
            f"{self.api}/v1/events", json=events, params=query, headers=self.bearer, timeout=PATIENCE_S
        )
        assert answer.status_code == 202, answer.text
        return answer.json()

    def rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """The rows of one query on the ledger's database."""
        return query(self.access["postgres_url"], statement, *parameters)

    def await_true(self, condition: Callable[[], bool]) -> None:
        """Wait for what comes about by itself."""
        assert wait_until(condition, deadline_seconds=PATIENCE_S, every_seconds=0.05)

    def await_drained(self) -> None:
        """Wait until nothing is pending: every counted event is in Postgres."""
        self.await_true(lambda: self._lag() == 0)

    def _lag(self) -> int:
        with self.valkey() as store:
            journals = list(store.scan_iter(match="tollbook:{*}:journal"))
            waiting = sum(int(store.xlen(name)) for name in journals)
        # Where Valkey was slow for a moment, records wait in the inbox.
        return waiting + self.rows("SELECT count(*) FROM inbox")[0][0]


def query(url: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """The rows of one query."""

    async def run() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(statement, *parameters)]
        finally:
            await connection.close()

    return asyncio.run(run())


def launch(data: Path, *, port: int | None = None, **options: Any) -> "subprocess.Popen[str]":
    """Start `tollbook up`; what it says on stderr goes to a file beside its data."""
    env = options.pop("env", None) or environment()
    errors = data.with_name(f"{data.name}.stderr")
    with errors.open("ab") as stderr:
        return subprocess.Popen(
            [
                *options.pop("command", COMMAND),
                "up",
                "--json",
                "--data",
                str(data),
                "--port",
                str(port or choose_port(None)),
            ],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            # Below a group of its own, so that an interrupt of the tests is not also one of this process.
            start_new_session=True,
            **options,
        )


def first_line(process: "subprocess.Popen[str]", deadline_seconds: float = PATIENCE_S) -> str:
    """The first line a process prints; empty where it ends, or prints none before the deadline."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        return process.stdout.readline() if selector.select(deadline_seconds) else ""


def ready(process: "subprocess.Popen[str]", data: Path) -> Ledger:
    """The ledger that a process says is ready."""
    line = first_line(process)
    if not line:
        end(process)
        logs = [data.with_name(f"{data.name}.stderr"), *data.glob("*.log")]
        raise AssertionError("up did not come up: " + "\n".join(f"{log}:\n{log.read_text()[-2000:]}" for log in logs))
    return Ledger(process, data, json.loads(line))


def end(process: "subprocess.Popen[str]", number: signal.Signals = signal.SIGTERM) -> int:
    """Stop a process; its exit code."""
    process.send_signal(number)
    try:
        return process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def running(data: Path, **options: Any) -> Iterator[Ledger]:
    """A `tollbook up`, stopped at the end together with all that it started."""
    ledger = ready(launch(data, **options), data)
    family = ledger.family
    try:
        yield ledger
    finally:
        ledger.http.close()
        if ledger.process.poll() is None:
            family = [*family, *ledger.family]
            end(ledger.process)
        elif ledger.process.stdout is not None:
            ledger.process.stdout.close()
    assert all_gone(family), survivors(family)


def survivors(pids: Sequence[int]) -> dict[int, list[str]]:
    """Those of some processes that still run, with their command lines."""
    return {pid: command_line(pid) for pid in pids if is_alive(pid)}


def all_gone(pids: Sequence[int], deadline_seconds: float = 0) -> bool:
    """Whether none of some processes runs any more, at the latest by the deadline."""
    return wait_until(lambda: not any(is_alive(pid) for pid in pids), deadline_seconds=deadline_seconds)


def command_line(pid: int) -> list[str]:
    """The words a process was started with; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def parent_of(pid: int) -> int | None:
    """The parent of a process; None where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except OSError:
        return None
