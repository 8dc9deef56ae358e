"""Every setting is in docs/settings.md with the default it has, and nothing else is."""

import re
from typing import Literal

import msgspec
import pytest

from tests.docs.tables import table_under
from tollbook.app.config import Settings

SECTIONS = (
    "Stores",
    "Serving",
    "Events and prices",
    "Gate",
    "OpenTelemetry",
    "Draining",
    "Alerts",
    "Files, logs and metrics",
)
TABLE = {name: cells for section in SECTIONS for name, cells in table_under("settings.md", section).items()}
FIELDS = {f"TOLLBOOK_{field.name.upper()}": field for field in msgspec.structs.fields(Settings)}
CHOICES = {
    name: field.type.__args__ for name, field in FIELDS.items() if getattr(field.type, "__origin__", None) is Literal
}


def test_every_setting_is_documented_once() -> None:
    assert TABLE.keys() == FIELDS.keys()
    assert sum(len(table_under("settings.md", section)) for section in SECTIONS) == len(FIELDS)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_a_setting_says_its_default_its_unit_and_what_it_is_for(name: str) -> None:
    default, unit, meaning = TABLE[name]
    field = FIELDS[name]
    assert default == (f"`{field.default}`" if field.default != "" else "unset")
    assert unit
    assert meaning.endswith(".")


@pytest.mark.parametrize("name", sorted(CHOICES))
def test_a_setting_with_choices_names_them_all(name: str) -> None:
    meaning = TABLE[name][2]
    assert set(CHOICES[name]) <= set(re.findall(r"`(\w+)`", meaning))
