"""The `tollbook` command."""

import sys

from tollbook.app.config import share_metrics
from tollbook.domain.errors import TollbookError

_SERVER_EXTRA = "tollbook's commands need the server: pip install 'tollbook[all]'"


def main() -> None:
    """Run the command line; exits 2 on a failure that the user can act on, with one line that says how."""
    share_metrics()
    try:
        from tollbook.cli.app import build  # noqa: PLC0415 - the bare install brings the SDK alone
    except ModuleNotFoundError as missing:
        sys.exit(f"{_SERVER_EXTRA} (missing: {missing.name})")
    try:
        build()()
    except TollbookError as error:
        print(f"tollbook: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
