"""What an address asks for, as forms write it: an empty field asks for nothing, a day is its midnight in UTC."""

from tollbook.web.session import PageRequest

_DAY_CHARS = len("2026-11-05")
_ROWS_SHOWN = 50
_ROWS_OF_FILES = 1_000


def asked(request: PageRequest, name: str) -> str | None:
    """A parameter of the address; None where it is missing or empty."""
    text: str | None = request.query_params.get(name)
    return text.strip() or None if text else None


def asked_moment(request: PageRequest, name: str) -> str | None:
    """An instant, or a day's beginning in UTC."""
    text = asked(request, name)
    return f"{text}T00:00:00Z" if text is not None and len(text) == _DAY_CHARS else text


def rows_asked(request: PageRequest, shown: int = _ROWS_SHOWN) -> int:
    """How many rows a view has: so many on a screen, and more in a file, which is paged through less gladly."""
    return shown if asked(request, "format") in (None, "html", "events") else _ROWS_OF_FILES
