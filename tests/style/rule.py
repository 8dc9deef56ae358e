"""What a style rule is: a ban, what to write instead, the check, and samples that prove the check."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.style.tree import Check

Sample = Mapping[str, str]
"""A small tree: text by path."""


@dataclass(frozen=True)
class Rule:
    """One ban. Each of `bad` must be found, none of `good` may be."""

    name: str
    instead: str
    check: Check
    bad: tuple[Sample, ...]
    good: tuple[Sample, ...]
