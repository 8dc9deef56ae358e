"""Progress of long work: a bar on standard error where a person looks at it, and nothing anywhere else."""

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


def note(line: str) -> None:
    """A remark on standard error, above the bar where there is one."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(safe(line), markup=False)
