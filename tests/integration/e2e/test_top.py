"""`tollbook top` in a real terminal: tmux types the keys and reads the screen."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.e2e.running import PATIENCE_S, Ledger, command_line, environment
from tollbook.embedded.process import descendants, wait_until

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed: no terminal to drive")

EVENT = {"model": "gpt-4o-mini", "input": 1_000, "output": 100, "run": "ticket-1"}
PROMPT = "ready-for-input$"


class Terminal:
    """One shell in a terminal of a size, on a tmux server of its own."""

    def __init__(self, folder: Path, data: Path, *, width: int, height: int) -> None:
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        env = environment(TOLLBOOK_DATA_DIR=str(data), LC_ALL="C.UTF-8", ENV="")
        self._env = {name: value for name, value in env.items() if not name.startswith("TMUX")}
        self._ask("new-session", "-d", "-x", str(width), "-y", str(height), "/bin/sh")
        self.await_screen(any)
        self.run(f"PS1='{PROMPT} '; clear")
        self.await_screen(lambda lines: lines[0].startswith(PROMPT))

    def type(self, *keys: str) -> None:
        """Press keys, by the names that tmux gives them."""
        self._ask("send-keys", *keys)

    def run(self, command: str) -> None:
        """Type a command line and Enter."""
        self._ask("send-keys", "-l", command)
        self.type("Enter")

    def resize(self, width: int, height: int) -> None:
        """Give the terminal another size."""
        self._ask("resize-window", "-x", str(width), "-y", str(height))

    def screen(self) -> list[str]:
        """What stands on the screen."""
        return [line.rstrip() for line in self._ask("capture-pane", "-p").split("\n")]

    def fact(self, name: str) -> str:
        """Something that tmux knows of the terminal."""
        return self._ask("display-message", "-p", f"#{{{name}}}").strip()

    def await_screen(self, condition: Callable[[list[str]], bool]) -> list[str]:
        """Wait for the screen to show something; fails with what it shows instead."""
        assert wait_until(lambda: condition(self.screen()), deadline_seconds=PATIENCE_S, every_seconds=0.1), "\n".join(
            self.screen()
        )
        return self.screen()

    def shell(self) -> int:
        """The process id of the shell."""
        return int(self.fact("pane_pid"))

    def close(self) -> None:
        """End the shell, what runs in it, and the server."""
        subprocess.run([*self._tmux, "kill-server"], env=self._env, check=False, capture_output=True)

    def _ask(self, *words: str) -> str:
        done = subprocess.run(
            [*self._tmux, *words], env=self._env, check=True, capture_output=True, text=True, timeout=PATIENCE_S
        )
        return done.stdout


@pytest.fixture
def terminal(ledger: Ledger, tmp_path: Path) -> Iterator[Terminal]:
    """A terminal of 80 columns, as an SSH session begins with."""
    opened = Terminal(tmp_path, ledger.data, width=80, height=24)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def fleet(ledger: Ledger, tenant: str) -> tuple[str, str, str]:
    """Three tenants that spent little, more and most; the second is throttled."""
    # Short enough to stand whole in a terminal of 60 columns.
    names = (f"{tenant[-8:]}-c", f"{tenant[-8:]}-a", f"{tenant[-8:]}-b")
    for index, (name, calls) in enumerate(zip(names, (1, 3, 9), strict=True)):
        if index == 1:
            put = {"limit_usd": "0.0001"}
            ledger.http.put(
                f"{ledger.api}/v1/tenants/{name}/budget", json=put, headers=ledger.bearer, timeout=PATIENCE_S
            )
        agents = ["planner", "planner/researcher#1", "planner/researcher#2/fetcher#1"]
        events = [{**EVENT, "tenant": name, "agent": agents[n % 3], "id": f"{name}-{n}"} for n in range(calls)]
        ledger.send(events, ack="ledger")
    return names


def top(terminal: Terminal, *options: str) -> None:
    """Start `tollbook top` at the prompt."""
    terminal.run(f"{shlex.quote(sys.executable)} -m tollbook.cli.main top {shlex.join(options)}")


def order(lines: list[str], names: tuple[str, ...]) -> list[str]:
    """Which of the names stand on the screen, from the top down."""
    return [name for line in lines[4:-2] for name in names if name in line]


def amount(lines: list[str], name: str) -> str:
    """The first amount behind a name."""
    (line,) = (line for line in lines if name in line)
    found = re.search(r"\$([0-9.]+)", line)
    assert found is not None, line
    return found.group(1)


def test_the_screen_lives_sorts_filters_and_goes_down_to_a_run(
    ledger: Ledger, terminal: Terminal, tenant: str, fleet: tuple[str, str, str]
) -> None:
    least, throttled, most = fleet
    terminal.run("echo what-stood-here-before")
    top(terminal, "--interval", "0.5", "--filter", tenant[-8:])
    lines = terminal.await_screen(lambda lines: order(lines, fleet) == [most, throttled, least])
    (marked,) = (line for line in lines if throttled in line)
    assert marked.startswith("! "), marked
    assert "throttled" in marked
    assert all(not line.startswith("!") for line in lines if least in line or most in line)

    before = amount(lines, least)
    # More than a cent: beside tenants that spent hundreds, less is shown as less than that.
    dear = {**EVENT, "input": 100_000, "tenant": least, "agent": "planner"}
    many = [{**dear, "id": f"{least}-more-{n}"} for n in range(20)]
    ledger.send(many)
    # A screen may be caught while it is drawn: order and amount are waited for together.
    terminal.await_screen(
        lambda lines: order(lines, fleet) == [least, most, throttled] and float(amount(lines, least)) > float(before)
    )

    terminal.type("N")
    terminal.await_screen(lambda lines: order(lines, fleet) == sorted(fleet))
    terminal.type("r")
    terminal.await_screen(lambda lines: order(lines, fleet) == sorted(fleet, reverse=True))
    terminal.type("r", "P", "t")
    terminal.await_screen(lambda lines: order(lines, fleet) == [throttled])
    terminal.type("t", "Escape", "/")
    terminal.type("-l", most)
    terminal.await_screen(lambda lines: order(lines, fleet) == [most] and lines[-2].startswith("/"))

    terminal.type("Enter", "Enter")
    lines = terminal.await_screen(lambda lines: f"tenant {most}" in lines[0] and any("researcher" in x for x in lines))
    assert any("daily" in line and "of $50" in line for line in lines), lines
    terminal.type("3")
    terminal.await_screen(lambda lines: any("ticket-1" in line for line in lines[4:-2]))
    terminal.type("Enter")
    lines = terminal.await_screen(lambda lines: "run ticket-1" in lines[0] and any("└─ fetcher#1" in x for x in lines))
    assert any(line.startswith("* planner") for line in lines), lines

    terminal.resize(60, 12)
    lines = terminal.await_screen(lambda lines: len(lines) <= 13 and "q quit" in "".join(lines[-2:]))
    assert max(map(len, lines)) <= 60
    terminal.resize(150, 30)
    terminal.await_screen(lambda lines: any("CACHED" in line and "OUT" in line for line in lines))
    terminal.type("Escape", "Escape")
    terminal.await_screen(lambda lines: "fleet" in lines[0] and any("FORECAST" in line for line in lines))

    terminal.type("q")
    terminal.await_screen(lambda lines: any(line == "what-stood-here-before" for line in lines))
    assert (terminal.fact("alternate_on"), terminal.fact("cursor_flag")) == ("0", "1")
    terminal.run("echo left-with-$? && stty -a | grep -o ' echo '")
    terminal.await_screen(
        lambda lines: any(x.endswith("left-with-0") for x in lines) and any(x.endswith(" echo") for x in lines)
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_gives_the_terminal_back(terminal: Terminal, number: signal.Signals) -> None:
    top(terminal)
    terminal.await_screen(lambda lines: lines[0].startswith("tollbook") and "Tenants" in "".join(lines))
    (process,) = (pid for pid in descendants(terminal.shell()) if "top" in command_line(pid))
    subprocess.run(["kill", f"-{int(number)}", str(process)], check=True)
    terminal.await_screen(lambda lines: any(line.startswith(PROMPT) for line in lines))
    assert terminal.fact("alternate_on") == "0"
    terminal.run("echo typed-$((1 + 1))")
    terminal.await_screen(lambda lines: any(line.endswith("typed-2") for line in lines))


def test_a_terminal_that_cannot_show_it_is_told_what_to_do(terminal: Terminal) -> None:
    terminal.run("TERM=dumb")
    top(terminal)
    terminal.await_screen(lambda lines: any("--once" in line for line in lines))
