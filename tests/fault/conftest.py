"""One small running system for the tests that do not need one of their own; its books grow from test to test."""

from collections.abc import Iterator

import pytest

from tests.fault.shared import LIMITS, Shared
from tests.fault.system import System


@pytest.fixture(scope="session")
def running_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A receiver, a drain and both stores, for the whole test process."""
    with System(tmp_path_factory.mktemp("system"), serves=1, drains=1, partitions=2, limits=LIMITS).running() as system:
        yield Shared(system)


@pytest.fixture
def shared(running_system: Shared) -> Shared:
    """The system with everything up, whatever the test before did to it."""
    running_system.system.revive()
    running_system.system.await_ready()
    return running_system
