"""One running ledger, and the tools that `make ecosystem` installs beside the environment of the tests."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.e2e.running import Ledger, running

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".venv-tools" / "bin"


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger that runs, shared by the tests of this process."""
    with running(tmp_path_factory.mktemp("ledger") / "data") as up:
        yield up


@pytest.fixture
def tenant() -> str:
    """The name of a tenant that no other test uses."""
    return f"tenant-{secrets.token_hex(6)}"


def tool(name: str) -> str:
    """The path of a tool of `.venv-tools`, or else of this machine; skips the test where there is none."""
    found = shutil.which(name, path=str(TOOLS)) or shutil.which(name)
    if found is None:
        pytest.skip(f"not run: no {name} here; `make ecosystem` installs what Python packages bring")
    return found
