"""`tollbook run`."""

from typing import Annotated

import typer

from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer
from tollbook.cli.server import AccessData, TenantOption, Url, asking, own
from tollbook.domain.errors import ConfigError
from tollbook.terminal.answers import Run
from tollbook.terminal.api import AskRefused, part
from tollbook.terminal.figures import count, moment, percent, share, span, usd
from tollbook.terminal.names import safe
from tollbook.terminal.tables import console_for, is_plain, show_table, tree_table
from tollbook.terminal.tree import Tree, trees_of

_TIME = "%H:%M:%S"
_MOMENT = "%Y-%m-%d %H:%M:%S"

EXAMPLES = examples(
    "tollbook run ticket-4711",
    "tollbook run ticket-4711 --roles --depth 2",
    "tollbook run ticket-4711 --tenant acme --json",
)


def run(
    name: Annotated[str, typer.Argument(metavar="RUN", help="The run, as its events name it.")],
    tenant: TenantOption = None,
    *,
    roles: Annotated[bool, typer.Option("--roles", help="Add up the instances of each role.")] = False,
    depth: Annotated[int | None, typer.Option(help="Show so many levels.", min=1, show_default="all")] = None,
    as_json: AsJson = False,
    url: Url = None,
    data: AccessData = None,
) -> None:
    """Show a run as a tree of agent instances: what each spent itself, and with all below it.

    The costliest path from the top is marked. Where several tenants use a run's name, each has its own tree.
    """
    with asking(url, data) as reader:
        try:
            found = reader.get(f"/v1/runs/{part(name)}", Run, {"tenant": own(tenant)})
        except AskRefused as refused:
            if refused.status == 404:
                raise ConfigError(
                    f"nothing is booked in a run {name!r}: what was sent a moment ago may still be in the journal, and "
                    "`tollbook top` lists runs"
                ) from refused
            raise
    trees = trees_of(found, by_role=roles)
    if as_json:
        answer(True, {"run": found.run, "rows": [tree.document() for tree in trees]}, "")
        return
    for tree in trees:
        show(tree, depth)


def show(tree: Tree, depth: int | None) -> None:
    """One tree as a table, below what the run came to."""
    console = console_for()
    first, last = moment(tree.first_ts), moment(tree.last_ts)
    total = tree.total
    cached = percent(share(total.cache_read, total.input)) or "0%"
    console.print(
        f"run {safe(tree.run)} of {safe(tree.tenant)}: {usd(total.cost_nanos)}, {total.calls:,} calls, "
        f"{count(total.input)} tokens in ({cached} cached), {count(total.output)} out"
    )
    until = f"{last:{_TIME if first.date() == last.date() else _MOMENT}}"
    console.print(
        f"{first:{_MOMENT}}Z to {until}Z, {span((last - first).total_seconds())}; "
        f"{'<' if is_plain(console) else '◀'} marks the costliest path",
        style="dim",
    )
    console.print()
    show_table(tree_table(tree, console, depth=depth), console)
