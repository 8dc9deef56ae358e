"""The command line: every command explains itself, does what it says, and fails in one line."""

import re
import sys
from pathlib import Path

import pytest
import requests
from typer.testing import CliRunner

from tests.integration.e2e.running import PATIENCE_S, Ledger, cli, said
from tollbook.cli.app import build
from tollbook.cli.main import main
from tollbook.embedded.process import wait_until

EVENT = {"agent": "planner", "input": 12, "output": 3, "model": "claude-opus-4-7"}


def commands_of(text: str) -> list[str]:
    """The commands that a help page lists."""
    _, _, listed = text.partition("Commands:\n")
    return re.findall(r"^  ([a-z][a-z-]*)", listed, re.MULTILINE)


def test_a_mapping_is_tried_on_a_file(tmp_path: Path) -> None:
    """Events on standard output, refusals and the sum on standard error; a mapping that is none says what is wrong."""
    mapping, file = tmp_path / "bot.toml", tmp_path / "calls.jsonl"
    mapping.write_text('[fields]\nmodel = "m"\ninput = "i"\noutput = "o"\n', encoding="utf-8")
    file.write_text('{"m": "m-1", "i": 9, "o": 2}\n{"m": "m-1"}\n', encoding="utf-8")
    done = CliRunner().invoke(build(), ["source", "test", str(mapping), str(file), "--tenant", "acme"])
    assert done.exit_code == 1
    assert '"tenant":"acme","agent":"unknown","model":"m-1","input":9,"output":2' in done.stdout
    assert "item 1: usage_missing" in done.stderr
    assert "2 items: 1 events, 0 ignored, 1 refused" in done.stderr
    mapping.write_text("[fields]\nmodle = 'm'\n", encoding="utf-8")
    done = cli("source", "test", str(mapping), str(file))
    assert (done.returncode, done.stderr) == (2, "tollbook: mapping bot: `modle` is no field of an event\n")


def test_every_command_explains_itself() -> None:
    """`--help` of the whole tree succeeds, and each page says what its command does."""
    done = cli("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert {"up", "doctor", "key", "budget", "webhook", "tenant"} <= set(commands_of(done.stdout))
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        command = waiting.pop()
        page = CliRunner().invoke(build(), [*command, "--help"], prog_name="tollbook")
        assert page.exit_code == 0, page
        usage, _, rest = page.stdout.strip().partition("\n")
        assert usage.startswith(f"Usage: {' '.join(('tollbook', *command))} ")
        assert rest.strip().partition("\n")[0].strip(), f"{command} does not say what it does"
        waiting += [(*command, name) for name in commands_of(page.stdout)]


def refused(ledger: Ledger, key: str, tenant: str) -> int:
    """The status of one event sent with a key."""
    return requests.post(
        f"{ledger.api}/v1/events",
        json={**EVENT, "tenant": tenant},
        headers={"Authorization": f"Bearer {key}"},
        timeout=PATIENCE_S,
        proxies={"http": ""},
    ).status_code


def test_keys_from_making_to_revoking(ledger: Ledger, tenant: str) -> None:
    """A key works within a second of its making, is listed without its secret, and stops at its revocation."""
    key = said("key", "create", "ingest", "--tenant", tenant, "--note", "for the test", data=ledger.data)
    assert re.fullmatch(r"tb_[0-9a-f]{12}_\S{32}", key)
    assert wait_until(lambda: refused(ledger, key, tenant) == 202, deadline_seconds=PATIENCE_S)
    assert refused(ledger, key, "somebody-else") == 403
    key_id = key.split("_")[1]
    (line,) = (row for row in said("key", "list", data=ledger.data).splitlines() if row.startswith(key_id))
    assert line.split() == [key_id, "ingest", tenant, "in", "force", "for", "the", "test"]
    assert said("key", "revoke", key_id, data=ledger.data) == f"{key_id} is revoked"
    assert wait_until(lambda: refused(ledger, key, tenant) == 401, deadline_seconds=PATIENCE_S)
    assert "revoked" in said("key", "list", data=ledger.data)
    again = cli("key", "revoke", key_id, data=ledger.data)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == f"tollbook: no key {key_id} is in force; `tollbook key list` shows them all\n"


def test_webhooks_from_making_to_revoking(ledger: Ledger, tenant: str) -> None:
    """A webhook of one tenant takes that tenant's events and no other's, until it is revoked."""
    path = said("webhook", "create", "ci", "--tenant", tenant, data=ledger.data)
    url = f"{ledger.api}{path}"

    def status(whose: str) -> int:
        return ledger.http.post(url, json={**EVENT, "tenant": whose}, timeout=PATIENCE_S).status_code

    assert wait_until(lambda: status(tenant) == 200, deadline_seconds=PATIENCE_S)
    assert status("somebody-else") == 403
    (line,) = (row for row in said("webhook", "list", data=ledger.data).splitlines() if tenant in row)
    token_id, source, whose, *state = line.split()
    assert (source, whose, state) == ("ci", tenant, ["in", "force"])
    assert path.rpartition("/")[2] not in line
    assert said("webhook", "revoke", token_id, data=ledger.data) == f"{token_id} is revoked"
    assert wait_until(lambda: status(tenant) == 404, deadline_seconds=PATIENCE_S)
    assert cli("webhook", "revoke", token_id, data=ledger.data).returncode == 2


def test_budgets_from_setting_to_removing(ledger: Ledger, tenant: str) -> None:
    """A limit as the command sets it is what the list and the API show."""
    assert said("budget", "set", tenant, "120", "--per", "day", data=ledger.data) == (
        f"{tenant} may spend $120.000000000 a day"
    )
    (line,) = (row for row in said("budget", "list", data=ledger.data).splitlines() if row.startswith(tenant))
    assert "$120.000000000 a day, throttle" in line
    assert ledger.get(f"/v1/tenants/{tenant}/budget")["limit_usd"] == "120.000000000"
    assert said("budget", "remove", tenant, data=ledger.data) == f"{tenant} is under the default again"
    assert ledger.get(f"/v1/tenants/{tenant}/budget")["default"] is True
    assert tenant not in said("budget", "list", data=ledger.data)


def test_a_budget_of_an_agent_and_what_became_of_it(ledger: Ledger, tenant: str) -> None:
    """Set by the command with an id made of what it limits; listed, shown with its history, removed."""
    name = "agent:planner:tokens:month"
    options = ("--per", "month", "--scope", "agent", "--match", "planner", "--unit", "tokens", "--action", "block")
    text = f"{tenant} {name}: 5000 tokens a month of agent planner, block"
    assert said("budget", "set", tenant, "5000", *options, data=ledger.data) == text
    assert f"{name}" in said("budget", "list", "--tenant", tenant, data=ledger.data)
    assert ledger.get(f"/v1/budgets/{name}", tenant=tenant)["limit_tokens"] == 5000
    assert said("budget", "remove", tenant, name, data=ledger.data) == f"{tenant} {name} is removed"
    removed, made = said("budget", "show", tenant, name, data=ledger.data).splitlines()
    assert removed.endswith("removed")
    assert made.endswith("5000 tokens a month of agent planner, block")


def test_a_file_of_budgets_is_applied(ledger: Ledger, tenant: str, tmp_path: Path) -> None:
    """A dry run says what would change; applied it is in force, twice changes nothing, and what is left out stays."""
    file = tmp_path / "budgets.toml"
    file.write_text(
        f"""
        [tenants."{tenant}".budgets.daily]
        window = "day"
        limit_usd = "7.50"

        [tenants."{tenant}".budgets.run-cap]
        scope = "run"
        window = "run"
        limit_usd = 2
        action = "degrade"
        degrade_to = "small"
        """
    )
    planned = said("budget", "apply", str(file), "--dry-run", data=ledger.data)
    assert planned.splitlines() == [
        f"+ {tenant} daily: $7.500000000 a day, throttle",
        f"+ {tenant} run-cap: $2.000000000 a run of run *, degrade to small",
        "2 to change",
    ]
    assert ledger.get(f"/v1/tenants/{tenant}/budget")["default"] is True
    assert said("budget", "apply", str(file), data=ledger.data).endswith("2 changed")
    assert ledger.get(f"/v1/tenants/{tenant}/budget")["limit_usd"] == "7.500000000"
    assert said("budget", "apply", str(file), data=ledger.data) == "0 changed"
    file.write_text("")
    pruned = said("budget", "apply", str(file), "--prune", "--dry-run", data=ledger.data)
    assert f"- {tenant} run-cap: $2.000000000 a run of run *, degrade to small" in pruned
    assert "- everyone daily" not in pruned
    said("budget", "remove", tenant, "run-cap", data=ledger.data)
    file.write_text("[budgets.x]\nlimit_usd = 0.5\nwindow = 'day'")
    assert cli("budget", "apply", str(file), data=ledger.data).returncode == 2


def test_a_time_zone_as_the_command_sets_it(ledger: Ledger, tenant: str) -> None:
    """The zone is in force from the tenant's next midnight on, as the API says too."""
    text = said("tenant", "time-zone", tenant, "Asia/Kolkata", data=ledger.data)
    path = f"/v1/tenants/{tenant}/time-zone"
    ledger.await_true(lambda: ledger.get(path)["next_from"] is not None)
    shown = ledger.get(path)
    assert text == f"from {shown['next_from']} on, days of {tenant} end at midnight of Asia/Kolkata"
    assert (shown["time_zone"], shown["next_time_zone"]) == ("UTC", "Asia/Kolkata")


def test_doctor_and_migrate_and_rebuild_on_a_ledger_that_runs(ledger: Ledger, tenant: str) -> None:
    """What an operator may type while all is well says so and changes no number."""
    ledger.send([{**EVENT, "tenant": tenant, "id": f"{tenant}-{number}"} for number in range(20)])
    ledger.await_drained()
    before = ledger.get("/v1/spend", tenant=tenant)
    said("doctor", data=ledger.data)
    assert said("migrate", data=ledger.data) == "the schema is up to date"
    rebuilt = cli("rebuild", data=ledger.data)
    assert (rebuilt.returncode, rebuilt.stdout) == (0, "rebuilt 1 partition\n"), "a log line is no answer"
    assert ledger.get("/v1/spend", tenant=tenant) == before
    status = ledger.get(f"/v1/tenants/{tenant}/status")
    assert status["spent_usd"] == before["total"]["cost_usd"]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("budget", "set", "acme", "many"), "many"),
        (("budget", "set", "acme", "nan"), "nan"),
        (("budget", "set", "acme", "1e999999999"), "1e999999999"),
        (("budget", "set", "acme", "99999999999999999999"), "a limit is between"),
        (("budget", "set", "", "5"), "tenant"),
        (("budget", "set", "a:b", "5"), "tenant"),
        (("budget", "remove", "default"), "default"),
        (("key", "create", "ingest", "--tenant", "a:b"), "tenant"),
        (("key", "revoke", "none"), "none"),
        (("webhook", "create", ""), "source"),
        (("webhook", "revoke", "none"), "none"),
        (("tenant", "time-zone", "acme", "Mars/Olympus"), "Mars/Olympus"),
        (("tenant", "time-zone", "acme", "../../etc/passwd"), "etc/passwd"),
        (("tenant", "time-zone", "a{b}", "UTC"), "tenant"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_said_in_one_line(
    ledger: Ledger,
    command: tuple[str, ...],
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What the user can put right ends with code 2 and one line that names it: never a traceback, never a half."""
    monkeypatch.setattr(sys, "argv", ["tollbook", *command, "--data", str(ledger.data)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("tollbook: ")
    assert printed.err.count("\n") == 1, printed.err
    assert why in printed.err


def test_without_a_ledger_the_commands_say_what_is_missing(tmp_path: Path) -> None:
    """A directory without one, a setting that is none, a number that does not fit: one line each."""
    for command, env, why in (
        (("key", "list"), {}, "no stores known"),
        (("serve",), {}, "TOLLBOOK_POSTGRES_URL"),
        (("drain",), {"TOLLBOOK_PORTT": "1"}, "TOLLBOOK_PORTT"),
        (("up",), {"TOLLBOOK_PORT": "many"}, "TOLLBOOK_"),
        (("up", "--port", "70000"), {}, "port"),
    ):
        data = None if command[0] in {"serve", "drain"} else tmp_path / "none"
        done = cli(*command, data=data, **env)
        assert (done.returncode, done.stdout) == (2, ""), (command, done)
        assert done.stderr.count("\n") == 1, (command, done.stderr)
        assert why in done.stderr, (command, done.stderr)
