"""Names as they come in addresses, and as they go out in them."""

from urllib.parse import quote

from tollbook.web.refusing import invalid

SLASH_INSIDE = "\x1f"
"""A slash inside one segment of a path, as the front hands it to the handlers; no name may hold this character."""
_NAME_CHARS_MAX = 256


def name_of(text: str, what: str) -> str:
    """A name as it came in a path, a query or a form; raises a 400 where no event could bear it."""
    name = text.replace(SLASH_INSIDE, "/")
    if not name or len(name) > _NAME_CHARS_MAX or not name.isprintable() or name != name.strip():
        raise invalid(f"{what} is no name: 1 to {_NAME_CHARS_MAX} printable characters")
    return name


def path_text(path: str) -> str:
    """A path to be put into an address."""
    return quote(path).replace("%1F", "%2F")


def segment(name: str) -> str:
    """A name as one segment of a path.

    >>> segment("org/team a")
    'org%2Fteam%20a'
    """
    return quote(name, safe="")
