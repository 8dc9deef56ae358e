"""`tollbook doctor`."""

import sys

from tollbook.app.doctor import examine
from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer, rows
from tollbook.cli.stores import Data, run

EXAMPLES = examples("tollbook doctor", "tollbook doctor --json")


def doctor(as_json: AsJson = False, data: Data = None) -> None:
    """Say what the connected stores guarantee, and what `ack` means on them; exits 1 where something is wrong."""
    findings = run(data, examine)
    lines = (f"{finding.mark}  {finding.subject}: {finding.text}" for finding in findings)
    answer(as_json, rows(finding._asdict() for finding in findings), lines)
    sys.exit(1 if any(finding.wrong for finding in findings) else 0)
