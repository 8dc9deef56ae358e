"""What is in `deploy/` holds together, and tools of its trade find nothing wrong with it.

No container is built and no unit is started: neither a Docker daemon nor systemd runs where tests do.
"""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from tests.ecosystem.conftest import ROOT, TOOLS, tool
from tollbook.app.config import Settings
from tollbook.cli.app import build

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
COMPOSE_FILE = DEPLOY / "docker/compose.yaml"
DOCKERFILE = (DEPLOY / "docker/Dockerfile").read_text()
COMMANDS: dict[str, Any] = typer.main.get_command(build()).commands
EXPOSURE_MAX = 20
"""Of `systemd-analyze security`, in tenths: from 0 to 100."""


def ran(*words: str | Path) -> str:
    """What a command that must succeed says."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def directives(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def require_command(words: list[str]) -> None:
    """Raise where the words are no command line of tollbook."""
    COMMANDS[words[0]].make_context(words[0], words[1:])


def test_promtool_finds_nothing_wrong_with_the_rules_and_they_ring_as_their_tests_say() -> None:
    promtool = tool("promtool")
    ran(promtool, "check", "rules", DEPLOY / "prometheus/tollbook.rules.yml")
    ran(promtool, "test", "rules", DEPLOY / "prometheus/tollbook.rules.test.yml")


def test_systemd_takes_the_units_and_rates_them_as_hardened(tmp_path: Path) -> None:
    analyze = tool("systemd-analyze")
    for unit in UNITS:
        # systemd looks whether the command is there.
        text = unit.read_text().replace("/opt/tollbook/bin/tollbook", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    assert ran(analyze, "verify", "--man=no", *sorted(tmp_path.glob("*.service"))) == ""
    for unit in sorted(tmp_path.glob("*.service")):
        ran(analyze, "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager", unit)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_runs_a_command_of_tollbook_as_a_user_of_its_own(unit: Path) -> None:
    said = directives(unit)
    (command,) = said["ExecStart"]
    binary, *words = shlex.split(command)
    assert binary == "/opt/tollbook/bin/tollbook"
    require_command(words)
    assert said["DynamicUser"] == ["yes"]
    hardened = UNITS[0].read_text().partition("# What the process may do")[2]
    assert unit.read_text().partition("# What the process may do")[2] == hardened


def test_there_is_a_unit_for_each_role() -> None:
    assert {unit.stem for unit in UNITS} == {f"tollbook-{role}" for role in ("migrate", "serve", "drain", "mcp")}


def test_the_example_of_settings_is_one() -> None:
    lines = (DEPLOY / "systemd/tollbook.env").read_text().splitlines()
    found = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    Settings.from_environment(found).require_stores()


def test_hadolint_finds_nothing_wrong_with_the_dockerfile() -> None:
    assert ran(tool("hadolint"), "--no-color", "--failure-threshold", "info", DEPLOY / "docker/Dockerfile") == ""


def test_the_image_runs_as_nobody_and_watches_its_health() -> None:
    stages = DOCKERFILE.split("\nFROM ")
    assert len(stages) == 3
    assert re.findall(r"^USER (\S+)$", stages[2], re.MULTILINE) == ["10001"]
    assert "HEALTHCHECK" in stages[2]
    assert "/readyz" in stages[2]
    for base in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE):
        assert re.fullmatch(r"python:3\.\d+-slim-\w+", base), "a base is named by its version"
    assert "--require-hashes" in DOCKERFILE


def test_what_the_image_copies_is_there_and_let_through() -> None:
    let_through = (ROOT / ".dockerignore").read_text()
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists(), name
            assert f"!{name}\n" in let_through, name


def test_the_compose_file_is_one() -> None:
    """By a parser of the Compose specification, after what the shell would put in."""
    python = TOOLS / "python"
    if not python.exists():
        pytest.skip("not run: no compose-spec here; `make ecosystem` installs it")
    text = COMPOSE_FILE.read_text().replace("${POSTGRES_PASSWORD:?}", "a").replace("${VALKEY_PASSWORD:?}", "b")
    program = (
        "import sys, compose_spec; file = compose_spec.PyCompose.from_json(sys.stdin.read()); file.validate(); "
        "print(*file.service_names())"
    )
    # The parser does not merge keys (`<<`) by itself, as Docker does.
    merged = json.dumps(yaml.safe_load(text))
    done = subprocess.run(
        [python, "-c", program], input=merged, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["postgres", "valkey", "migrate", "serve", "drain"]


def test_the_services_of_tollbook_are_confined_and_run_its_commands() -> None:
    compose = yaml.safe_load(COMPOSE_FILE.read_text())
    ours = {name: one for name, one in compose["services"].items() if one["image"] == "tollbook"}
    assert ours.keys() == {"migrate", "serve", "drain"}
    for name, service in ours.items():
        require_command(service["command"])
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        Settings.from_environment(service["environment"]).require_stores()
        assert service["build"] == {"context": "../..", "dockerfile": "deploy/docker/Dockerfile"}
        assert service.get("healthcheck", {}).get("disable", False) is (name != "serve")
        for needed in service["depends_on"]:
            assert needed in compose["services"]
    assert ours["serve"]["ports"] == ["127.0.0.1:8787:8787"], "without TLS the loopback alone"
    for name in ("postgres", "valkey"):
        assert re.search(r":\d+-bookworm$", compose["services"][name]["image"]), "a base is named by its version"
        assert "ports" not in compose["services"][name]
        (volume,) = compose["services"][name]["volumes"]
        assert volume.partition(":")[0] in compose["volumes"]


def test_the_journal_of_the_compose_file_keeps_what_was_acknowledged() -> None:
    words = yaml.safe_load(COMPOSE_FILE.read_text())["services"]["valkey"]["command"]
    said = dict(zip(words[1::2], words[2::2], strict=True))
    assert (said["--appendonly"], said["--appendfsync"]) == ("yes", "always")
    assert said["--maxmemory-policy"] == "noeviction"
