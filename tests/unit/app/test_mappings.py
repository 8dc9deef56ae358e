"""The folder of mappings: what is read of it, and what stops a start."""

from pathlib import Path

import pytest

from tollbook.app.mappings import load_mappings
from tollbook.domain.errors import ConfigError

TOML = '[fields]\nmodel = "m"\ninput = "i"\noutput = "o"\n'


def test_each_file_is_a_mapping_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "bot.toml").write_text(f'source = "s"\n{TOML}', encoding="utf-8")
    (tmp_path / "other.json").write_text('{"name": "named", "usage": "u"}', encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not one", encoding="utf-8")
    book = load_mappings(str(tmp_path))
    assert book.named.keys() == {"bot", "named"}
    assert book.bound.keys() == {"s"}
    assert load_mappings("").named == {}


def test_a_folder_that_is_not_there_and_a_file_that_is_none_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_mappings(str(tmp_path / "none"))
    (tmp_path / "bot.toml").write_text("= 1", encoding="utf-8")
    with pytest.raises(ConfigError, match="mapping bot"):
        load_mappings(str(tmp_path))
