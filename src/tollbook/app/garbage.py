"""How often a process that makes many objects and few cycles looks for cycles."""

import gc

_GARBAGE_SOUGHT_EVERY = 10_000
"""Containers made and not let go since the last search; requests make few cycles."""


def spare_collector() -> None:
    """Leave what stands for good, the price book most of all, out of searches for garbage, and search less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_SOUGHT_EVERY)
