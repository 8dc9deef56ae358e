"""Reads the mappings of other systems' payloads from their folder, once, when a receiver starts."""

from pathlib import Path

from tollbook.domain.errors import ConfigError
from tollbook.ingest.mapping import Mapping, MappingBook, Reading, mapping_of

_FILES_MAX = 1_000
_BYTES_MAX = 1 << 20


def load_mappings(directory: str) -> MappingBook:
    """Every `*.toml` and `*.json` of the folder; an empty book where none is set. Raises `ConfigError`."""
    if not directory:
        return MappingBook()
    folder = Path(directory)
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in (".toml", ".json"))
    except OSError as error:
        raise ConfigError(f"the folder of mappings cannot be read: {error}") from error
    if len(paths) > _FILES_MAX:
        raise ConfigError(f"more than {_FILES_MAX} mappings in {folder}")
    return MappingBook.of([load_mapping(path) for path in paths])


def load_mapping(path: Path, reading: Reading = Reading.PAYLOAD) -> Mapping:
    """One mapping; its name is that of the file unless it says another. Raises `ConfigError`."""
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise ConfigError(f"mapping {path.name} is larger than {_BYTES_MAX} bytes")
        return mapping_of(path.read_bytes(), path.stem, is_json=path.suffix == ".json", reading=reading)
    except OSError as error:
        raise ConfigError(f"mapping {path.name} cannot be read: {error}") from error
