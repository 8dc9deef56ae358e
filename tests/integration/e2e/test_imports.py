"""Imports as their users run them: whatever is read again, by whatever command, is in the ledger once."""

import csv
import gzip
import io
import json
import re
import subprocess
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from typer.testing import CliRunner

from tests.integration.e2e.running import COMMAND, Ledger, environment, query
from tests.transcripts.claude import Writer
from tests.transcripts.codex import session_lines
from tollbook.cli.app import build

DAYS_AGO = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=12)
YEARS_AGO = datetime(2024, 2, 3, tzinfo=UTC)


def imported(ledger: Ledger, *arguments: str) -> tuple[int, ...]:
    """Rows read, calls taken, calls known of old, rows refused."""
    # Within this process: starting Python and loading prices would take longer than everything else here.
    done = CliRunner().invoke(build(), ["import", *arguments, "--data", str(ledger.data)])
    assert done.exit_code == 0, done.output
    return tuple(int(word.replace(",", "")) for word in re.findall(r"[0-9][0-9,]*(?= )", done.stdout))


def tokens(ledger: Ledger, tenant: str) -> dict[tuple[str, str], Counter[str]]:
    """Tokens by (day, model) as Anthropic counts them, from the entries."""
    asked = "sum(input - cache_read - cache_write_5m - cache_write_1h)"
    counts = f"{asked}, sum(output), sum(cache_write_5m + cache_write_1h), sum(cache_read)"
    day = "(ts AT TIME ZONE 'UTC')::date::text"
    rows = ledger.rows(f"SELECT {day}, model, {counts} FROM entry WHERE tenant = $1 GROUP BY 1, 2", tenant)
    names = ("input", "output", "cache_write", "cache_read")
    return {(day, model): Counter(dict(zip(names, map(int, found), strict=True))) for day, model, *found in rows}


def entries(ledger: Ledger, tenant: str) -> int:
    return int(ledger.rows("SELECT count(*) FROM entry WHERE tenant = $1", tenant)[0][0])


def test_claude_code_counts_each_answer_once(ledger: Ledger, tenant: str, tmp_path: Path) -> None:
    """Blocks, sub-agents, resumed sessions and made-up messages: what was billed, by day and model; twice is once."""
    made = Writer(11, DAYS_AGO).write(tmp_path / "projects", sessions=6, answers=12)
    for _ in range(2):
        imported(ledger, "claude-code", str(tmp_path / "projects"), "--tenant", tenant)
        assert tokens(ledger, tenant) == made.tokens
        assert entries(ledger, tenant) == made.answers
    agents = {row[0].partition("#")[0] for row in ledger.rows("SELECT agent FROM entry WHERE tenant = $1", tenant)}
    assert agents == {"claude-code", "claude-code/subagent"}
    tagged = ledger.rows("SELECT DISTINCT tags->>'project' FROM entry WHERE tenant = $1", tenant)
    assert {row[0] for row in tagged} == {"app0", "app1", "app2"}


def test_what_is_older_than_the_ledger_remembers_is_looked_for_among_the_entries(
    ledger: Ledger, tenant: str, tmp_path: Path
) -> None:
    """Transcripts of two years ago: from another folder, with no identity left, they are still the same calls."""
    made = Writer(12, YEARS_AGO).write(tmp_path / "one", sessions=3, answers=10)
    imported(ledger, "claude-code", str(tmp_path / "one"), "--tenant", tenant)
    assert tokens(ledger, tenant) == made.tokens
    forget = "DELETE FROM identity WHERE entry_id IN (SELECT entry_id FROM entry WHERE tenant = $1)"
    ledger.rows(f"WITH gone AS ({forget} RETURNING 1) SELECT count(*) FROM gone", tenant)
    (tmp_path / "one").rename(tmp_path / "two")
    _, taken, known, refused = imported(ledger, "claude-code", str(tmp_path / "two"), "--tenant", tenant)
    assert (taken, known, refused) == (0, made.answers, 0)
    assert tokens(ledger, tenant) == made.tokens


def test_a_session_that_grew_is_taken_from_where_it_was(ledger: Ledger, tenant: str, tmp_path: Path) -> None:
    """A transcript is read again whole when it grew, and left alone when it did not."""
    Writer(13, DAYS_AGO).write(tmp_path / "all", sessions=2, answers=8)
    (path,) = (tmp_path / "all" / "-home-dev-app1").iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    middle = next(at for at in range(len(lines) // 2, len(lines)) if b'"type":"user"' in lines[at])
    path = tmp_path / "some" / path.name
    path.parent.mkdir()
    path.write_bytes(b"".join(lines[:middle]) + lines[middle][:40])
    imported(ledger, "claude-code", str(path.parent), "--tenant", tenant)
    half = entries(ledger, tenant)
    path.write_bytes(b"".join(lines))
    imported(ledger, "claude-code", str(path.parent), "--tenant", tenant)
    assert half < entries(ledger, tenant) == 8
    assert imported(ledger, "claude-code", str(path.parent), "--tenant", tenant) == (0, 0, 0, 0)


def test_codex_takes_the_difference_of_running_totals(ledger: Ledger, tenant: str, tmp_path: Path) -> None:
    """Repeated totals count nothing, a compaction starts anew, the model is that of its turn."""
    folder = tmp_path / "2026" / "11"
    folder.mkdir(parents=True)
    (folder / "rollout-a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in session_lines(DAYS_AGO)))
    for _ in range(2):
        imported(ledger, "codex", str(tmp_path), "--tenant", tenant)
        rows = ledger.rows(
            "SELECT model, input, cache_read, output, reasoning FROM entry WHERE tenant = $1 ORDER BY ts", tenant
        )
        assert rows == [
            ("gpt-5-codex", 1_000, 200, 100, 40),
            ("gpt-5-codex", 500, 300, 50, 0),
            ("gpt-5", 700, 0, 70, 10),
        ]


def spend_rows() -> list[dict[str, Any]]:
    """LiteLLM's rows: plain, cached, its own cache, a failure."""
    usage = {"prompt_tokens_details": {"cached_tokens": 400}, "completion_tokens_details": {"reasoning_tokens": 7}}
    common = {"startTime": (DAYS_AGO + timedelta(hours=3)).strftime("%Y-%m-%d %H:%M:%S.%f"), "model": "gpt-5"}
    common |= {
        "custom_llm_provider": "openai",
        "end_user": "",
        "user": "planner",
        "session_id": "s-1",
        "call_type": "c",
    }
    common |= {"cache_hit": "False", "team_id": "", "metadata": "{}"}
    return [
        {**common, "request_id": "chatcmpl-1", "spend": 0.25, "prompt_tokens": 1_000, "completion_tokens": 20}
        | {"metadata": json.dumps({"usage_object": usage})},
        {**common, "request_id": "chatcmpl-2", "spend": 0.5, "prompt_tokens": 10, "completion_tokens": 2},
        {**common, "request_id": "c-3", "spend": 0.0, "prompt_tokens": 10, "completion_tokens": 2, "cache_hit": "True"},
        {**common, "request_id": "c-4", "spend": 0.0, "prompt_tokens": 0, "completion_tokens": 0},
    ]


def csv_text(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def test_litellm_from_csv_parquet_and_its_database(ledger: Ledger, tenant: str, tmp_path: Path) -> None:
    """The same rows by three ways are the same calls; what LiteLLM answered itself is none."""
    rows = spend_rows()
    (tmp_path / "logs.csv").write_text(csv_text(rows))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "logs.parquet")
    for file in ("logs.csv", "logs.parquet"):
        imported(ledger, "litellm", str(tmp_path / file), "--tenant", tenant)
        found = ledger.rows(
            "SELECT event_id, agent, input, cache_read, output, reasoning, reported_nanos FROM entry WHERE tenant = $1"
            " ORDER BY event_id",
            tenant,
        )
        assert found == [
            ("chatcmpl-1", "planner", 1_000, 400, 20, 7, 250_000_000),
            ("chatcmpl-2", "planner", 10, 0, 2, 0, 500_000_000),
        ]
    url = ledger.access["postgres_url"]
    query(
        url,
        'CREATE TABLE "LiteLLM_SpendLogs" (request_id text, call_type text, spend double precision,'
        ' prompt_tokens integer, completion_tokens integer, "startTime" timestamp, model text,'
        ' custom_llm_provider text, "user" text, metadata jsonb, cache_hit text, team_id text, end_user text,'
        " session_id text)",
    )
    insert = (
        'INSERT INTO "LiteLLM_SpendLogs" SELECT * FROM json_populate_recordset(NULL::"LiteLLM_SpendLogs", $1::json)'
    )
    dumped = json.dumps([{**row, "metadata": json.loads(row["metadata"])} for row in rows])
    query(url, insert, dumped)
    assert imported(ledger, "litellm", url, "--tenant", tenant)[:2] == (4, 2)
    assert entries(ledger, tenant) == 2


def test_langfuse_and_openmeter(ledger: Ledger, tenant: str, tmp_path: Path) -> None:
    """Exclusive and inclusive details, spans left out; two halves of a call make what it costs."""
    at = DAYS_AGO.isoformat()
    common = {"traceId": "t-1", "startTime": at, "providedModelName": "claude-opus-4-7", "type": "GENERATION"}
    exclusive = {"input": 100, "input_cached_tokens": 900, "output": 50, "output_reasoning_tokens": 30, "total": 1_080}
    inclusive = {"input": 1_000, "input_cached_tokens": 900, "output": 80, "total": 1_080}
    observations = [
        {**common, "id": "o-1", "usageDetails": exclusive},
        {**common, "id": "o-2", "usageDetails": inclusive},
        {**common, "id": "o-3", "type": "AGENT", "usageDetails": inclusive},
        {**common, "id": "o-4"},
    ]
    (tmp_path / "observations.json").write_text(json.dumps({"data": observations}))
    imported(ledger, "langfuse", str(tmp_path / "observations.json"), "--tenant", tenant)
    found = ledger.rows(
        "SELECT event_id, input, cache_read, output, reasoning FROM entry WHERE tenant = $1 ORDER BY event_id", tenant
    )
    assert found == [("o-1", 1_000, 900, 80, 30), ("o-2", 1_000, 900, 80, 0)]
    data = {"model": "gpt-5"}
    events = [
        {
            "event": {
                "id": "1",
                "source": "s",
                "subject": "x",
                "time": at,
                "data": {**data, "tokens": "12", "type": "input"},
            }
        },
        {
            "event": {
                "id": "2",
                "source": "s",
                "subject": "x",
                "time": at,
                "data": {**data, "tokens": 3, "type": "output"},
            }
        },
        {"event": {"id": "3", "source": "s", "subject": "x", "time": at, "data": {**data, "tokens": 3}}},
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    other = f"{tenant}-om"
    assert imported(ledger, "openmeter", str(tmp_path / "events.jsonl"), "--tenant", other)[1:] == (2, 0, 1)
    assert ledger.rows("SELECT sum(input), sum(output) FROM entry WHERE tenant = $1", other) == [(12, 3)]


def test_any_file_by_a_mapping(ledger: Ledger, tenant: str, tmp_path: Path) -> None:
    """JMESPath for JSON, columns for CSV; rows without an id are the same rows when the file is read again."""
    rows = [
        {"who": {"name": tenant}, "m": "gpt-5", "use": [{"in": n, "out": 1}], "at": DAYS_AGO.isoformat()}
        for n in (5, 5)
    ]
    with gzip.open(tmp_path / "calls.jsonl.gz", "wt") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows))
    fields = 'tenant = "who.name"\nmodel = "m"\ninput = "use[0].in"\noutput = "use[0].out"\nts = "at"\n'
    (tmp_path / "map.toml").write_text(f'[fields]\n{fields}[constants]\nagent = "batch"\n')
    mapping = ("--mapping", str(tmp_path / "map.toml"))
    for name in ("calls.jsonl.gz", "calls.jsonl.gz", "moved.jsonl.gz"):
        imported(ledger, "file", str(tmp_path / name), *mapping)
        assert ledger.rows("SELECT agent, input FROM entry WHERE tenant = $1", tenant) == [("batch", 5), ("batch", 5)]
        if name == "calls.jsonl.gz":
            (tmp_path / "moved.jsonl.gz").write_bytes((tmp_path / "calls.jsonl.gz").read_bytes())
    (tmp_path / "calls.csv").write_text(f'Team,Model Name,In\n{tenant},"gpt-5",1\n{tenant},gpt-5\n{tenant},gpt-5,x\n')
    columns = '[fields]\ntenant = "Team"\nmodel = "Model Name"\ninput = "In"\n[constants]\noutput = 1\n'
    (tmp_path / "columns.toml").write_text(columns)
    rows_read, taken, _, refused = imported(
        ledger, "file", str(tmp_path / "calls.csv"), "--mapping", str(tmp_path / "columns.toml")
    )
    assert (rows_read, taken, refused) == (3, 1, 2)


def test_a_killed_import_goes_on_where_it_was(ledger: Ledger, tenant: str, tmp_path: Path) -> None:
    """kill -9 at several places of a file, and once more to its end: nothing twice, nothing lost."""
    path, rows = tmp_path / "calls.jsonl", 30_000
    with path.open("w") as file:
        for number in range(rows):
            row = {"tenant": tenant, "agent": "a", "model": "gpt-5", "input": number % 97, "output": 1}
            row |= {"ts": (DAYS_AGO + timedelta(seconds=number)).isoformat()}
            # Every other row has no id of its own.
            file.write(json.dumps(row | ({"id": f"r{number}"} if number % 2 else {})) + "\n")
    place = f"SELECT done FROM import_place WHERE name LIKE 'file:file:%{path.name}' AND name LIKE '%{tmp_path.name}%'"
    command = [*COMMAND, "import", "file", str(path), "--data", str(ledger.data)]
    reached = 0
    for _ in range(3):
        process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            before = reached

            def moved(before: int = before) -> bool:
                found = ledger.rows(place)
                return bool(found) and found[0][0] > before

            ledger.await_true(moved)
        finally:
            process.kill()
            process.wait()
        reached = ledger.rows(place)[0][0]
    assert reached < path.stat().st_size, "the import ended before it was killed: nothing was shown"
    imported(ledger, "file", str(path))
    assert ledger.rows("SELECT done FROM import_place WHERE name LIKE $1", f"%{path}")[0][0] == path.stat().st_size
    sums = ledger.rows("SELECT count(*), count(DISTINCT ts), sum(input) FROM entry WHERE tenant = $1", tenant)
    assert sums == [(rows, rows, sum(number % 97 for number in range(rows)))]
