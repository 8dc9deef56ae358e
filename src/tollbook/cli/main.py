"""The `tollbook` command."""

import io
import sys

from tollbook.app.config import share_metrics
from tollbook.domain.errors import TollbookError

_SERVER_EXTRA = "tollbook's commands need the server: pip install 'tollbook[all]'"

MENDABLE = 2
"""Something that whoever called can put right."""
AWAY = 4
"""A store or the server does not answer: the same command may succeed later."""
REFUSED = 5
"""The server refuses the key."""
_STORES = ": is `tollbook up` running, are TOLLBOOK_POSTGRES_URL and TOLLBOOK_VALKEY_URL right?"
_HINTS = {"journal_unavailable": _STORES, "ledger_unavailable": _STORES}
_REFUSALS = frozenset({"server_refused", "gate_refused"})


def main() -> None:
    """Run the command line; a failure ends with one line that says what to do, and a code for its kind.

    docs/cli.md lists the codes.
    """
    share_metrics()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Where a terminal's encoding has no such character, a name is shown by its number, and nothing fails.
            stream.reconfigure(errors="backslashreplace")
    try:
        from tollbook.cli.app import build  # noqa: PLC0415 - the bare install brings the SDK alone
        from tollbook.terminal.names import safe  # noqa: PLC0415 - as above
    except ModuleNotFoundError as missing:
        sys.exit(f"{_SERVER_EXTRA} (missing: {missing.name})")
    try:
        # Named here, so that `python -m` and every script complete and explain themselves alike.
        build()(prog_name="tollbook")
    except TollbookError as error:
        print(f"tollbook: {safe(str(error))}{_HINTS.get(error.code, '')}", file=sys.stderr)
        sys.exit(exit_code(error))


def exit_code(error: TollbookError) -> int:
    """The code that a failure ends with."""
    if error.code in _REFUSALS:
        return REFUSED
    return AWAY if error.retryable else MENDABLE


if __name__ == "__main__":
    main()
