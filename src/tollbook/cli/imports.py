"""`tollbook import`."""

from pathlib import Path
from types import TracebackType
from typing import Annotated, NamedTuple, Self

import typer
from rich.progress import DownloadColumn, TextColumn

from tollbook.app.importing import Job, inputs, run_import, transcripts
from tollbook.app.mappings import load_mapping
from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer
from tollbook.cli.progress import note, progress_bar
from tollbook.cli.stores import Data, run, source_named, tenant_named
from tollbook.domain.errors import ConfigError
from tollbook.imports.pages import Form, files_below, form_of
from tollbook.ingest.exports.codex import Codex
from tollbook.ingest.exports.found import Bounds, Export, Refused
from tollbook.ingest.exports.langfuse import Langfuse
from tollbook.ingest.exports.mapping import Mapped, Native
from tollbook.ingest.exports.openmeter import OpenMeter
from tollbook.ingest.exports.spend_logs import SpendLogs
from tollbook.ingest.mapping import Reading
from tollbook.pipeline.importing import Page, Told

app = typer.Typer(
    help="Bring what other programs have recorded into the ledger, each call once; run it again at any time.",
    no_args_is_help=True,
)

Tenant = Annotated[str, typer.Option(help="Whose calls they are.")]
TenantOrRow = Annotated[str | None, typer.Option(help="Whose calls they are.", show_default="as the rows say")]
Source = Annotated[str | None, typer.Option(help="The source of the ids.", show_default="the command's name")]
Agent = Annotated[str | None, typer.Option(help="The agent where a row names none.", show_default="the source")]
Files = Annotated[list[Path], typer.Argument(help="Files to import, plain or .gz.")]

_TOLD_REFUSED_MAX = 10
_CLAUDE = Path("~/.claude/projects")
_CODEX = Path("~/.codex/sessions")


@app.command(
    "claude-code",
    epilog=examples(
        "tollbook import claude-code --tenant acme",
        "tollbook import claude-code ~/.claude/projects/shop --tenant acme --json",
    ),
)
def claude_code(
    tenant: Tenant,
    folder: Annotated[Path, typer.Argument(help="Where the transcripts are.")] = _CLAUDE,
    source: Source = None,
    agent: Agent = None,
    *,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Claude Code's transcripts below a folder, sub-agents among them."""
    bounds = _bounds("claude-code", tenant, source, agent)
    _work(
        _Told(data, as_json),
        "claude-code",
        transcripts(bounds),
        bounds,
        files_below(folder.expanduser(), ".jsonl"),
        whole=True,
    )


@app.command(epilog=examples("tollbook import codex --tenant acme"))
def codex(
    tenant: Tenant,
    folder: Annotated[Path, typer.Argument(help="Where the sessions are.")] = _CODEX,
    source: Source = None,
    agent: Agent = None,
    *,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Codex's sessions below a folder."""
    bounds = _bounds("codex", tenant, source, agent)
    _work(_Told(data, as_json), "codex", Codex(bounds), bounds, files_below(folder.expanduser(), ".jsonl"), whole=True)


@app.command(
    epilog=examples(
        "tollbook import litellm spend_logs.csv --tenant acme",
        "tollbook import litellm postgresql://reader@db.internal/litellm",
    )
)
def litellm(
    origin: Annotated[str, typer.Argument(help="A CSV or Parquet file, or the URL of LiteLLM's database.")],
    tenant: TenantOrRow = None,
    source: Source = None,
    agent: Agent = None,
    *,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """LiteLLM's spend logs, from a file or out of its database."""
    bounds = _bounds("litellm", tenant, source, agent)
    export = SpendLogs(bounds)
    if origin.startswith(("postgres://", "postgresql://")):
        _tell(_Told(data, as_json), Job("litellm", export, [], bounds.source, origin))
        return
    _work(_Told(data, as_json), "litellm", export, bounds, [Path(origin)])


@app.command(epilog=examples("tollbook import langfuse observations.jsonl --tenant acme"))
def langfuse(
    files: Files,
    tenant: TenantOrRow = None,
    source: Source = None,
    agent: Agent = None,
    *,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Langfuse's exports of observations: JSON, JSON lines or CSV."""
    bounds = _bounds("langfuse", tenant, source, agent)
    _work(_Told(data, as_json), "langfuse", Langfuse(bounds), bounds, files)


@app.command(epilog=examples("tollbook import openmeter events.csv"))
def openmeter(
    files: Files,
    tenant: TenantOrRow = None,
    source: Source = None,
    agent: Agent = None,
    *,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """OpenMeter's exports of events: JSON, JSON lines or CSV."""
    bounds = _bounds("openmeter", tenant, source, agent)
    _work(_Told(data, as_json), "openmeter", OpenMeter(bounds), bounds, files)


@app.command(
    "file",
    epilog=examples(
        "tollbook import file events.jsonl.gz",
        "tollbook import file usage.csv --mapping usage.toml --tenant acme",
    ),
)
def any_file(
    files: Files,
    mapping: Annotated[
        Path | None,
        typer.Option(help="Which column or JMESPath each field is read from.", show_default="native events"),
    ] = None,
    *,
    tenant: TenantOrRow = None,
    source: Source = None,
    agent: Agent = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Any CSV, JSON lines, JSON or Parquet file: native events, or others by a mapping."""
    bounds = _bounds("file", tenant, source, agent)
    forms = {form_of(path) for path in files}
    columns = forms <= {Form.CSV, Form.PARQUET}
    if mapping is not None and not columns and forms & {Form.CSV, Form.PARQUET}:
        raise ConfigError("a mapping names columns or expressions: import CSV and JSON files by two commands")
    _work(_Told(data, as_json), "file", _by(bounds, mapping, columns=columns), bounds, files)


def _by(bounds: Bounds, mapping: Path | None, *, columns: bool) -> Export:
    if mapping is None:
        return Native(bounds)
    return Mapped(bounds, load_mapping(mapping, Reading.TABLE if columns else Reading.ROW))


def _bounds(kind: str, tenant: str | None, source: str | None, agent: str | None) -> Bounds:
    name = source_named(source or kind)
    whose = None if tenant is None else tenant_named(tenant)
    return Bounds(tenant=whose, source=name, agent=agent or name)


class _Told(NamedTuple):
    """Which stores, and how the answer is printed."""

    data: Path | None
    as_json: bool


def _work(to: _Told, kind: str, export: Export, bounds: Bounds, files: list[Path], *, whole: bool = False) -> None:
    missing = next((path for path in files if not path.is_file()), None)
    if missing is not None:
        raise ConfigError(f"{missing} is no file")
    _tell(to, Job(kind, export, inputs(kind, bounds.source, files, whole=whole), bounds.source))


def _tell(to: _Told, job: Job) -> None:
    with _Bar(job) as bar:
        told = run(to.data, lambda world: run_import(world, job, bar))
    answer(
        to.as_json,
        told._asdict(),
        f"{told.rows:,} rows read, {told.events:,} calls in the ledger, {told.known:,} known from before the dedupe "
        f"window, {told.refused:,} refused",
    )


class _Bar:
    """A progress bar on standard error, and why rows were not taken."""

    def __init__(self, job: Job) -> None:
        self._progress = progress_bar(DownloadColumn(), TextColumn("{task.fields[rows]:,} rows"))
        total = sum(file.bytes for file in job.files) or None
        self._task = self._progress.add_task(job.kind, total=total, rows=0)
        self._refused = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def page(self, page: Page, told: Told) -> None:
        """A page is committed and will not be read again."""
        self._progress.update(self._task, advance=page.bytes, rows=told.rows)

    def refused(self, page: Page, refused: Refused) -> None:
        """A row was not taken."""
        self._refused += 1
        if self._refused <= _TOLD_REFUSED_MAX:
            name = page.name.rpartition("/")[2]
            note(f"{name}: row {refused.number}: {refused.code}: {refused.detail}", above=self._progress)
