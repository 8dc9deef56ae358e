"""What providers answer, as it came: one answer, many, or the pieces of streams, posted to `/v1/usage/<provider>`.

An answer does not say who asked: that is in the request's headers or query, or in an envelope
`{"tenant", "agent", "run", "response": {...}, "request": {...}}`.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tollbook.domain.errors import RejectCode, RequestError
from tollbook.domain.event import Event, Observer
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.decoded import Decoded, require_batch
from tollbook.ingest.foreign import Fields, Item, collect, fields_of, items_of, stripped, value_of, whole_or_items
from tollbook.ingest.observed import Maker, Observed
from tollbook.ingest.origin import Origin
from tollbook.ingest.pieces import Stream, is_piece, streams_of
from tollbook.ingest.refusal import ItemRefused
from tollbook.usage import StreamReader, UsageRead, read
from tollbook.usage.fields import count, part, text
from tollbook.usage.sse import Frames, payload

EVENT_STREAM = "text/event-stream"
_SSE = re.compile(rb"(?:data|event|id|retry)?:", re.ASCII)
_DONE = b"[DONE]"

PROVIDERS = {
    "anthropic": "anthropic",
    "aws": "aws",
    "azure": "azure",
    "bedrock": "aws",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "gemini": "google",
    "google": "google",
    "groq": "groq",
    "mistral": "mistral",
    "ollama": "ollama",
    "openai": "openai",
    "openrouter": "openrouter",
    "vertex": "google",
    "x-ai": "x-ai",
    "xai": "x-ai",
}
"""Names in the path -> the provider of the event. Any other stands for itself: most servers answer as OpenAI does."""

_ENVELOPE = frozenset(
    {"tenant", "agent", "run", "request", "model", "call", "id", "source", "ts", "tags", "hold", "headers"}
)
_CREATED = ("created", "created_at", "createTime", "create_time", "timestamp")
_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid", "x-goog-request-id", "x-ms-request-id")


def decode(body: bytes, media_type: str | None, limits: IntakeLimits, *, provider: str, origin: Origin) -> Decoded:
    """The events of the answers in a body. Raises `RequestError` where the whole body is refused.

    Pieces of one stream, as lines, as an array or as server-sent events, are one item.
    """
    is_stream = media_type is not None and media_type.partition(";")[0].strip().lower() == EVENT_STREAM
    refused: dict[int, ItemRefused] = {}
    if is_stream or is_sse(body):
        items = _grouped(_frames(stripped(body, limits)), refused)
    else:
        items = _grouped(items_of(body, media_type, limits), refused)
    require_batch(len(items), limits)
    if not items:
        raise RequestError(RejectCode.BODY_EMPTY, "the stream holds no event")
    reader = _Answers(provider, Maker(limits, origin, alone=len(items) == 1))
    return whole_or_items(collect(items, reader.events, refused=refused))


def is_sse(body: bytes) -> bool:
    """Whether a body begins as server-sent events do."""
    return _SSE.match(body.lstrip()) is not None


def _frames(body: bytes) -> Iterator[bytes]:
    frames = Frames()
    for frame in [*frames.feed(body), frames.rest]:
        data = payload(frame).strip()
        if data and data != _DONE:
            yield data


def _grouped(items: Any, refused: dict[int, ItemRefused]) -> list[Item]:
    """The items with the pieces of each stream as one; what is no JSON object stays an item that is refused."""
    found: list[Fields | ItemRefused] = []
    for item in items:
        try:
            found.append(fields_of(item))
        except ItemRefused as refusal:
            found.append(refusal)
    if not any(isinstance(one, dict) and is_piece(one) for one in found):
        kept: list[Item] = []
        for place, one in enumerate(found):
            kept.append(_refusal(place, one, refused) if isinstance(one, ItemRefused) else one)
        return kept
    return [
        stream if isinstance(stream, dict) else _refusal(place, stream, refused)
        for place, stream in enumerate(streams_of(found))
    ]


def _refusal(place: int, refusal: ItemRefused, refused: dict[int, ItemRefused]) -> Fields:
    refused[place] = refusal
    return {}


class _Answers:
    """Reads the answers of one provider."""

    def __init__(self, provider: str, maker: Maker) -> None:
        self._provider = PROVIDERS.get(provider, provider)
        self._maker = maker

    def events(self, item: Fields, index: int) -> list[Event]:
        """The events of one answer, which may stand in an envelope. Raises `ItemRefused`."""
        envelope: Fields = {}
        answer: Any = item
        if "response" in item and "type" not in item and (len(item) == 1 or item.keys() & _ENVELOPE):
            envelope, answer = item, item["response"]
            if isinstance(answer, str):
                answer = _posted_text(answer)
        tier = None
        body = part(answer, "body")
        if isinstance(body, dict) and count(answer, "status_code"):
            # A line of a batch's results: all that it holds was sold at the price of a batch.
            answer, tier = body, "batch"
        found = self._read(answer)
        request = part(envelope, "request")
        headers = part(envelope, "headers")
        origin = self._maker.origin
        last = answer.last if isinstance(answer, Stream) else answer
        return self._maker.events(
            Observed(
                found=found,
                by=Observer.SDK,
                tenant=_named(envelope, "tenant"),
                agent=_named(envelope, "agent"),
                run=_named(envelope, "run"),
                id=_named(envelope, "call", "id"),
                source=_named(envelope, "source"),
                ts=part(envelope, "ts") or part(last, *_CREATED),
                model=found.model or _named(envelope, "model") or text(request, "model", "modelId"),
                provider=self._provider or None,
                service_tier=tier or found.service_tier or text(request, "service_tier"),
                hold=_named(envelope, "hold"),
                tags=part(envelope, "tags") if isinstance(part(envelope, "tags"), dict) else {},
                request_id=found.request_id
                or text(headers, *_REQUEST_IDS)
                or next((origin.attributes[name] for name in _REQUEST_IDS if name in origin.attributes), None),
            ),
            index,
        )

    def _read(self, answer: Any) -> UsageRead:
        found = _of_stream(answer.pieces) if isinstance(answer, Stream) else None
        if found is None and isinstance(answer, list):
            found = _of_stream(answer)
        elif found is None and isinstance(answer, dict):
            found = read(self._inclusive(answer))
        if found is None:
            raise ItemRefused(
                RejectCode.USAGE_MISSING, "the answer states no usage; of a stream of OpenAI's, ask for include_usage"
            )
        return found

    def _inclusive(self, answer: Fields) -> Fields:
        """xAI's chat answers leave reasoning out of the completion, which their total tells; one without gets it."""
        usage = answer.get("usage")
        if self._provider != "x-ai" or not isinstance(usage, dict) or "prompt_tokens" not in usage:
            return answer
        if count(usage, "total_tokens"):
            return answer
        reasoning = count(usage.get("completion_tokens_details"), "reasoning_tokens")
        total = count(usage, "prompt_tokens") + count(usage, "completion_tokens") + reasoning
        return {**answer, "usage": {**usage, "total_tokens": total}}


def _of_stream(pieces: list[Any]) -> UsageRead | None:
    reader = StreamReader()
    for piece in pieces:
        reader.feed(piece)
    return reader.read()


def _posted_text(answer: str) -> Any:
    """An answer that an envelope holds as text: server-sent events, or JSON."""
    body = answer.encode("utf-8", "surrogatepass").strip()
    if is_sse(body):
        pieces = [fields_of(frame) for frame in _frames(body)]
        return Stream(pieces)
    return value_of(body)


def _named(envelope: Fields, *names: str) -> str | None:
    """A name that an envelope gives; one of another type than text is refused, for it was meant."""
    value = part(envelope, *names)
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < _WHOLE_MAX else None
    if isinstance(value, Decimal):
        return str(value)
    raise ItemRefused(RejectCode.FIELD_INVALID, f"`{names[0]}` of the envelope must be text")


_WHOLE_MAX = 1 << 63
