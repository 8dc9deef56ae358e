"""What an address asks for, as forms write it: an empty field asks for nothing, a day is its midnight in UTC."""

from tollbook.web.session import PageRequest

_DAY_CHARS = len("2026-11-05")


def asked(request: PageRequest, name: str) -> str | None:
    """A parameter of the address; None where it is missing or empty."""
    text: str | None = request.query_params.get(name)
    return text.strip() or None if text else None


def asked_moment(request: PageRequest, name: str) -> str | None:
    """An instant, or a day's beginning in UTC."""
    text = asked(request, name)
    return f"{text}T00:00:00Z" if text is not None and len(text) == _DAY_CHARS else text
