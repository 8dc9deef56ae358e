"""The ledger's SQL, read from files: one statement each."""

from importlib import resources


class Queries:
    """Statements by the name of their file."""

    def __init__(self) -> None:
        folder = resources.files("tollbook.ledger") / "queries"
        self._texts = {
            file.name.removesuffix(".sql"): file.read_text() for file in folder.iterdir() if file.name.endswith(".sql")
        }

    def __getitem__(self, name: str) -> str:
        return self._texts[name]
