"""Progress of long work: a bar on standard error where a person looks at it, and nothing anywhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from tollbook.terminal.names import safe


def progress_bar(*columns: ProgressColumn) -> Progress:
    """A bar with its description before the given columns and the time that is left behind them."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def note(line: str, *, above: Progress | None = None) -> None:
    """A remark on standard error, above a bar where there is one."""
    console = Console(stderr=True) if above is None else above.console
    console.print(safe(line), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A sign on standard error that something goes on whose length nobody knows; nothing where nobody looks."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(safe(what)):
        yield
