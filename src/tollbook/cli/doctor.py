"""`tollbook doctor`."""

import sys

from tollbook.app.doctor import examine
from tollbook.cli.stores import Data, run


def doctor(data: Data = None) -> None:
    """Say what the connected stores guarantee, and what `ack` means on them; exits 1 where something is wrong."""
    findings = run(data, examine)
    for finding in findings:
        print(f"{finding.mark}  {finding.subject}: {finding.text}")
    sys.exit(1 if any(finding.wrong for finding in findings) else 0)
