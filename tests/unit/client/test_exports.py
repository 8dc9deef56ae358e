"""What `import tollbook` offers, and how little it costs."""

import subprocess
import sys

import pytest

import tollbook
from tests.integration.e2e.running import environment

HEAVY = ("httpx2", "httpx", "redis", "asyncpg", "litestar", "sqlite3", "asyncio", "msgspec")
IMPORT_S_MAX = 0.1


def python(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


@pytest.mark.parametrize("name", tollbook.__all__)
def test_every_exported_name_is_there_and_documented(name: str) -> None:
    found = getattr(tollbook, name)
    assert name == "__version__" or found.__doc__


def test_names_that_are_not_exported_are_missing() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = tollbook.nothing  # type: ignore[attr-defined]
    assert dir(tollbook) == sorted(tollbook.__all__)


def test_importing_the_package_imports_nothing_heavy() -> None:
    loaded = python("import sys, tollbook; print(*sys.modules)").split()
    assert not {name for name in HEAVY if name in loaded}


def test_a_client_is_built_without_the_http_library() -> None:
    script = "import sys, tollbook; tollbook.Client('http://x', tenant='a'); print(*sys.modules)"
    assert not {"httpx2", "redis"} & set(python(script).split())


def test_importing_takes_less_than_a_tenth_of_a_second() -> None:
    # CPU time: what else runs on the machine is no part of it.
    script = "import time; t = time.process_time(); import tollbook; print(time.process_time() - t)"
    assert min(float(python(script)) for _ in range(5)) < IMPORT_S_MAX


def test_importing_the_client_takes_little_more() -> None:
    script = "import time; t = time.process_time(); from tollbook import Client; print(time.process_time() - t)"
    assert min(float(python(script)) for _ in range(5)) < 2 * IMPORT_S_MAX
