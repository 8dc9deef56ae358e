"""Spend, runs and completion as a person or a script at a shell meets them, against a server that runs."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest

from tests.integration.e2e.running import COMMAND, PATIENCE_S, Ledger, environment
from tollbook.cli.main import main
from tollbook.cli.report import complete_by
from tollbook.embedded.home import choose_port

MODELS = ("gpt-4o-mini", "claude-opus-4-7", "no-such-model-of-anyone")
AGENTS = ("planner", "planner/researcher#1", "planner/researcher#2/fetcher#9", "coder")
HOSTILE = {
    "agent": "\u202eevil/\u2066x[red]b[/red]",
    "model": "=HYPERLINK(\u200b1)" + "m" * 100,
    "run": "\u202drun [bold]\U000e0041",
}


class Done(NamedTuple):
    """What came of a command line."""

    code: int
    stdout: str
    stderr: str


def run(*arguments: str, data: Path | None = None, **more: str) -> Done:
    """A command line as its process would run it, without the second that a process takes to start."""
    words = [*arguments, *(() if data is None else ("--data", str(data)))]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tollbook", *words])
        for name in [name for name in os.environ if name.startswith("TOLLBOOK_")]:
            patch.delenv(name)
        for name, value in more.items():
            patch.setenv(name, value)
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def shown(*arguments: str, data: Path | None = None, **more: str) -> str:
    """What a command that succeeds prints."""
    done = run(*arguments, data=data, **more)
    assert (done.code, done.stderr) == (0, ""), done
    return done.stdout


def as_json(*arguments: str, data: Path | None = None, **more: str) -> Any:
    """The one document that a command prints with `--json`."""
    return json.loads(shown(*arguments, "--json", data=data, **more))


@pytest.fixture(scope="module")
def spent(ledger: Ledger) -> str:
    """A tenant with entries on several days, by several agents and models, in two runs."""
    name = "terminal-tenant"
    now = datetime.now(UTC)
    events = [
        {
            "tenant": name,
            "agent": AGENTS[number % len(AGENTS)],
            "model": MODELS[number % len(MODELS)],
            "run": f"run-{number % 2}",
            "input": 1_000 + number,
            "cache_read": number * 7,
            "output": number,
            "id": f"terminal-{number}",
            "ts": (now - timedelta(days=number % 5, hours=number % 3)).isoformat(),
        }
        for number in range(60)
    ]
    ledger.send([*events, {**events[0], **HOSTILE, "id": "hostile"}], ack="ledger")
    return name


def sums(rows: list[dict[str, Any]], *by: str) -> dict[tuple[str, ...], tuple[Decimal, int, int]]:
    """Dollars, calls and input tokens of rows, by some of their members."""
    found: dict[tuple[str, ...], tuple[Decimal, int, int]] = defaultdict(lambda: (Decimal(0), 0, 0))
    for row in rows:
        usd, calls, tokens = found[tuple(row[name] for name in by)]
        more = Decimal(row["cost_usd"]), int(row["calls"]), int(row["input"])
        found[tuple(row[name] for name in by)] = (usd + more[0], calls + more[1], tokens + more[2])
    return dict(found)


@pytest.mark.parametrize("by", ["", "day", "model", "agent,model", "tenant,day,agent", "hour,model"])
def test_a_report_is_what_the_api_sums(ledger: Ledger, spent: str, by: str) -> None:
    """The same rows and the same total to the nano-dollar, in JSON and in CSV."""
    asked = ("report", "--by", by, "--tenant", spent, "--from", "10d")
    found = as_json(*asked, data=ledger.data)
    first = (date.fromisoformat(found["to"]) - timedelta(days=9)).isoformat()
    served = ledger.get("/v1/spend", **{"tenant": spent, "from": first, "to": found["to"], "by": by})
    names = [name for name in by.split(",") if name]
    assert found["total"] == served["total"]
    assert sums(found["rows"], *names) == sums(served["rows"], *names)
    assert len(found["rows"]) == len(served["rows"])
    lines = list(csv.DictReader(io.StringIO(shown(*asked, "--csv", data=ledger.data))))
    assert sum(Decimal(line["cost_usd"]) for line in lines) == Decimal(served["total"]["cost_usd"])
    plain = [{name: line[name].removeprefix("'") for name in line} for line in lines]
    assert sums(plain, *names) == sums(served["rows"], *names)


@pytest.mark.parametrize("by", ["month", "week", "month,model", "week,tenant"])
def test_weeks_and_months_add_up_to_the_days(ledger: Ledger, spent: str, by: str) -> None:
    found = as_json("report", "--by", by, "--tenant", spent, "--from", "10d", data=ledger.data)
    assert sum(Decimal(row["cost_usd"]) for row in found["rows"]) == Decimal(found["total"]["cost_usd"])
    assert sum(row["calls"] for row in found["rows"]) == found["total"]["calls"] == 61


def test_what_a_report_leaves_out_stands_in_one_line(ledger: Ledger, spent: str) -> None:
    asked = ("report", "--by", "agent,model", "--tenant", spent, "--from", "10d", "--top", "3")
    found = as_json(*asked, data=ledger.data)
    listed = sum(Decimal(row["cost_usd"]) for row in found["rows"])
    assert len(found["rows"]) == 3
    assert listed + Decimal(found["others"]["cost_usd"]) == Decimal(found["total"]["cost_usd"])
    table = shown(*asked, data=ledger.data)
    assert f"{found['others']['groups']} more" in table
    assert "total" in table.splitlines()[-1]


def test_a_run_is_a_tree_whose_roots_are_its_total(ledger: Ledger, spent: str) -> None:
    served = ledger.get("/v1/runs/run-1", tenant=spent)
    found = as_json("run", "run-1", "--tenant", spent, data=ledger.data)
    (tree,) = found["rows"]
    assert tree["total"] == served["total"]
    roots = [each for each in tree["instances"] if each["parent"] is None]
    assert sum(Decimal(each["inclusive"]["cost_usd"]) for each in roots) == Decimal(served["total"]["cost_usd"])
    own = {each["agent"]: Decimal(each["own"]["cost_usd"]) for each in tree["instances"]}
    assert own.keys() >= {row["agent"] for row in served["rows"]}
    for agent in {row["agent"] for row in served["rows"]}:
        assert own[agent] == sum(Decimal(row["cost_usd"]) for row in served["rows"] if row["agent"] == agent)
    text = shown("run", "run-1", "--tenant", spent, data=ledger.data)
    assert "researcher#2" not in shown("run", "run-1", "--tenant", spent, "--roles", data=ledger.data)
    assert "◀ marks the costliest path" in text
    assert "total" in text.splitlines()[-1]


def test_no_name_acts_on_a_terminal(ledger: Ledger, spent: str) -> None:
    """Marks of direction, invisible characters and markup of our own tables are shown, not obeyed."""
    for asked in (
        ("report", "--by", "agent,model", "--tenant", spent, "--from", "10d"),
        ("report", "--by", "agent,model", "--tenant", spent, "--from", "10d", "--json"),
        ("tail", "-n", "1000", "--no-follow", "--tenant", spent),
        ("tail", "-n", "1000", "--no-follow", "--tenant", spent, "--json"),
        ("key", "list"),
    ):
        text = shown(*asked, data=ledger.data)
        acting = {each for each in text if unicodedata.category(each) in {"Cc", "Cf", "Zl", "Zp"}} - {"\n"}
        assert not acting, (asked, acting)
        if "report" in asked or "tail" in asked:
            assert "[red]b[/red]" in text, asked
            assert "\\u202eevil" in text, asked


def test_lists_are_the_apis(ledger: Ledger, tenant: str) -> None:
    """What a list prints in JSON is what the route answers, row by row."""
    run("budget", "set", tenant, "7.5", data=ledger.data)
    run("webhook", "create", "ci", "--tenant", tenant, data=ledger.data)
    run("alert", "add", "https://hooks.example/x", "--tenant", tenant, data=ledger.data)
    made = as_json("key", "create", "read", "--tenant", tenant, data=ledger.data)
    assert (made["role"], made["tenant"], made["key"][:3]) == ("read", tenant, "tb_")
    for command, route in (
        ("key", "/v1/keys"),
        ("webhook", "/v1/webhooks"),
        ("alert", "/v1/alert-hooks"),
        ("budget", "/v1/budgets"),
    ):
        listed = as_json(command, "list", data=ledger.data)["rows"]
        assert listed == ledger.get(route)["rows"], command
        assert any(row["tenant"] == tenant for row in listed), command
    kept = as_json("budget", "show", tenant, data=ledger.data)["rows"]
    assert kept == ledger.get("/v1/budgets/daily/changes", tenant=tenant)["rows"]
    priced = as_json("price", "show", "gpt-4o", "--at", "2026-11-05", "--all")
    served = ledger.get("/v1/prices", model="gpt-4o", at="2026-11-05T00:00:00Z")
    assert priced["rows"] == served["rows"]


class _Elsewhere(BaseHTTPRequestHandler):
    """A server that is something else."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a server that is no tollbook."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_failure_says_what_to_do_and_ends_with_its_code(
    ledger: Ledger, tenant: str, elsewhere: str, tmp_path: Path
) -> None:
    """One line on standard error; 2 to be put right, 4 away, 5 refused."""
    ingest = as_json("key", "create", "ingest", "--tenant", tenant, data=ledger.data)["key"]
    admin = ledger.access["admin_key"]
    gone = f"http://127.0.0.1:{choose_port(None)}"
    cases = (
        (4, gone, admin, "nothing answers at"),
        (5, ledger.api, "tb_000000000000_nonsense", "set TOLLBOOK_API_KEY to a key with the role `read`"),
        (5, ledger.api, ingest, "set TOLLBOOK_API_KEY to a key with the role `read`"),
        (2, elsewhere, admin, "is no tollbook of this version"),
        (2, "ledger.example", admin, "http://"),
        (2, ledger.api, "", "set TOLLBOOK_API_KEY"),
    )
    for code, url, key, why in cases:
        done = run("report", TOLLBOOK_URL=url, TOLLBOOK_API_KEY=key)
        assert (done.code, done.stdout) == (code, ""), done
        assert done.stderr.startswith("tollbook: ")
        assert done.stderr.count("\n") == 1
        assert why in done.stderr, done.stderr
    done = run("report", data=tmp_path / "none")
    assert (done.code, "no server known" in done.stderr) == (2, True)
    done = run("run", "no-such-run", data=ledger.data)
    assert (done.code, "nothing is booked in a run" in done.stderr) == (2, True)
    stores = {"TOLLBOOK_POSTGRES_URL": f"postgresql://x@127.0.0.1:{choose_port(None)}/x", "TOLLBOOK_VALKEY_URL": ""}
    done = run("key", "list", **{**stores, "TOLLBOOK_VALKEY_URL": ledger.access["valkey_url"]})
    assert (done.code, done.stderr.count("\n")) == (4, 1), done


SHELLS = {
    "bash": (
        ["bash", "--norc", "-c"],
        'eval "$(_TOLLBOOK_COMPLETE=source_bash tollbook)"; COMP_WORDS=({words}); COMP_CWORD={last}; '
        '_tollbook_completion tollbook; printf "%s\\n" "${{COMPREPLY[@]}}"',
    ),
    "zsh": (
        ["zsh", "-f", "-c"],
        "autoload -U compinit; compinit -D; eval \"$(_TOLLBOOK_COMPLETE=source_zsh tollbook)\"; words=({words}); "
        "CURRENT={current}; _arguments() {{ print -l -- \"$@\" }}; _tollbook_completion",
    ),
    "fish": (
        ["fish", "--no-config", "-c"],
        '_TOLLBOOK_COMPLETE=source_fish tollbook | source; complete -C "{words}"',
    ),
}  # fmt: skip


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_commands_and_tenants(ledger: Ledger, shell: str, tmp_path: Path) -> None:
    """Also beside a tenant whose name would be a command, were it evaluated."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    marker = tmp_path / "evaluated"
    names = ["complete-me", f"complete-$(touch\t{marker})".replace("\t", "$IFS"), "complete-`id`", 'complete-"; id; "']
    event = {"agent": "a", "model": "gpt-4o-mini", "input": 1, "output": 1}
    ledger.send(
        [{**event, "tenant": name.replace(":", "").replace("{", "").replace("}", "")} for name in names], ack="ledger"
    )
    home = tmp_path / "bin"
    home.mkdir()
    script = home / "tollbook"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tollbook.cli.main "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    env = environment(PATH=f"{home}{os.pathsep}{os.environ['PATH']}", TOLLBOOK_DATA_DIR=str(ledger.data))
    command, template = SHELLS[shell]

    def completed(*words: str) -> str:
        typed = " ".join(words)
        text = template.format(words=typed, last=len(words) - 1, current=len(words))
        done = subprocess.run(
            [*command, text], env=env, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
        assert done.returncode == 0, done
        return done.stdout

    assert {"report", "reprice"} <= set(completed("tollbook", "rep").replace('"', " ").split())
    assert "complete-me" in completed("tollbook", "report", "--tenant", "complete-")
    assert not marker.exists()


def test_what_is_left_of_the_dimensions_completes() -> None:
    assert complete_by("day,") == [f"day,{name}" for name in ("tenant", "month", "week", "hour", "agent", "model")]
    assert complete_by("mo") == ["month", "model"]


def test_completion_is_silent_where_no_server_answers(tmp_path: Path) -> None:
    done = subprocess.run(
        COMMAND,
        env=environment(
            _TOLLBOOK_COMPLETE="complete_bash",
            COMP_WORDS="tollbook report --tenant a",
            COMP_CWORD="3",
            TOLLBOOK_URL=f"http://127.0.0.1:{choose_port(None)}",
            TOLLBOOK_API_KEY="tb_x",
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
