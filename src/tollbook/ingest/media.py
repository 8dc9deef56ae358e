"""The content types that may carry native events."""

from enum import Enum

from tollbook.domain.errors import RejectCode, RequestError


class Media(Enum):
    """What a content type lets one expect of the body."""

    JSON = "json"
    LINES = "lines"
    FORM = "form"
    """What `curl -d '{...}'` claims to send."""


_LINES = frozenset(
    f"{top}/{sub}"
    for top in ("application", "text")
    for sub in ("x-ndjson", "ndjson", "jsonl", "x-jsonl", "jsonlines", "x-jsonlines", "json-lines")
)
_JSON = frozenset(
    {
        "",
        "application/json",
        "application/x-json",
        "text/json",
        "text/x-json",
        "text/plain",
        "application/octet-stream",
    }
)


def media_of(media_type: str | None) -> Media:
    """The kind of body that a `Content-Type` announces; parameters such as charset are not looked at.

    Raises `RequestError` MEDIA_TYPE_UNSUPPORTED (415).

    >>> media_of("application/x-ndjson; charset=utf-8")
    <Media.LINES: 'lines'>
    """
    if media_type is None or media_type == "application/json":
        return Media.JSON
    name = media_type.partition(";")[0].strip().lower()
    if name in _JSON or name.endswith("+json"):
        return Media.JSON
    if name in _LINES:
        return Media.LINES
    if name == "application/x-www-form-urlencoded":
        return Media.FORM
    raise RequestError(
        RejectCode.MEDIA_TYPE_UNSUPPORTED,
        "send events as application/json or application/x-ndjson",
        status=415,
    )
