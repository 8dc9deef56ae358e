"""Pieces of streamed answers: told from whole answers, and put together by the stream that they are of.

Figures of a stream are cumulative or come once, at its end: taken one by one its pieces would count several times.
"""

from collections.abc import Iterable
from typing import Any

from tollbook.ingest.refusal import ItemRefused
from tollbook.usage.fields import part, text

_ANTHROPIC = frozenset(
    {
        "message_start",
        "message_delta",
        "message_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
    }
)
_CONVERSE = frozenset(
    {"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
)
_OPENERS = frozenset({"message_start", "response.created"})
_CLOSERS = frozenset({"message_stop", "response.completed", "response.incomplete", "response.failed", "response.done"})


class Stream(dict[str, Any]):
    """The pieces of one stream, in their order. A dict, so that it is an item like any other."""

    def __init__(self, pieces: list[Any]) -> None:
        super().__init__()
        self.pieces = pieces

    @property
    def last(self) -> Any:
        """The piece that says when: the response of the last event, or the last piece."""
        for piece in reversed(self.pieces):
            inner = part(piece, "response")
            if isinstance(inner, dict):
                return inner
        return self.pieces[-1] if self.pieces else {}


def is_piece(item: dict[str, Any]) -> bool:
    """Whether an object is a piece of a stream that needs its neighbours."""
    kind = item.get("type")
    if isinstance(kind, str) and (kind in _ANTHROPIC or (kind.startswith("response.") and kind != "response.done")):
        return True
    if kind in ("ping", "error") or text(item, "object") == "chat.completion.chunk":
        return True
    if item.keys() <= _CONVERSE and item:
        return True
    if item.get("done") is False:
        return True
    return isinstance(item.get("candidates"), list) and not any(
        text(candidate, "finishReason", "finish_reason") for candidate in item["candidates"]
    )


def _key(item: dict[str, Any]) -> str | None:
    """What pieces of one stream have in common, where they say it."""
    return text(item, "id", "responseId", "response_id")


def streams_of(found: Iterable[dict[str, Any] | ItemRefused]) -> list[dict[str, Any] | ItemRefused]:
    """The items of a body that holds streams: each stream is one, what is no piece stays what it is."""
    made: list[dict[str, Any] | ItemRefused] = []
    open_: Stream | None = None
    key: str | None = None
    for one in found:
        if isinstance(one, ItemRefused):
            made.append(one)
            continue
        kind = text(one, "type")
        belongs = open_ is not None and kind not in _OPENERS and (key is None or _key(one) in (None, key) or kind)
        if not belongs:
            if not is_piece(one) and kind not in _CLOSERS:
                made.append(one)
                continue
            open_, key = Stream([]), None
            made.append(open_)
        if open_ is not None:
            open_.pieces.append(one)
        key = key or (_key(one) if not kind else None)
        if kind in _CLOSERS or one.get("done") is True or "metadata" in one:
            open_ = None
    return made
