"""A process that records until it is killed: `python -m tests.integration.client.dying SPOOL URL PREFIX`."""

import sys
from itertools import count

from tollbook.client.client import Client


def main() -> None:
    """Record one call after another, naming each on standard output once `record` has returned."""
    path, url, prefix = sys.argv[1:4]
    client = Client(url, tenant="acme", spool_path=path, gate="off")
    for number in count():
        with client.call("m") as call:
            event_id = call.record({"input": number, "output": 1, "call_id": f"{prefix}-{number}"})
        print(event_id, flush=True)


if __name__ == "__main__":
    main()
