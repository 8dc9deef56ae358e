"""Reads the usage of a streamed answer, event by event, and reckons it where the stream was cut short.

Providers bill what they generated, heard or not. A stream that ends without its usage is therefore an estimate and
never nothing: output from the text that came, at four bytes of UTF-8 a token, input from what the caller reckoned.
"""

from collections.abc import Callable, Iterable

import msgspec

from tollbook.usage import anthropic_shape
from tollbook.usage.fields import items, part, text
from tollbook.usage.outcome import UsageRead, counted
from tollbook.usage.shapes import read_answer, read_usage

BYTES_PER_TOKEN = 4
"""English text has four to five bytes of UTF-8 a token, Chinese three to four, code three."""

_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})


def tokens_of(bytes_: int) -> int:
    """The estimate for so many bytes of text, in tokens, rounded up.

    >>> tokens_of(0), tokens_of(5)
    (0, 2)
    """
    return -(-bytes_ // BYTES_PER_TOKEN)


class StreamReader:
    """Takes the events of one stream, as objects of an SDK or as decoded JSON, of any provider.

    `complete` says that the final usage has come. `text_bytes` is the length of the text that came, in UTF-8.
    """

    __slots__ = ("_deltas", "_finished", "_last", "_named", "_start", "complete", "text_bytes")

    def __init__(self) -> None:
        self.complete = False
        self.text_bytes = 0
        self._last: UsageRead | None = None
        self._named: object = None
        self._start: object = None
        self._deltas: list[object] = []
        self._finished = False

    @property
    def output_tokens(self) -> int:
        """The output so far: what was reported, or reckoned from the text."""
        reported = 0 if self._last is None else self._last.usage.output
        return max(reported, tokens_of(self.text_bytes))

    def feed(self, event: object) -> None:
        """Take the next event. An unknown one changes nothing."""
        kind = part(event, "type")
        if isinstance(kind, str):
            self._typed(kind, event)
        elif part(event, "choices") is not None:
            self._chat(event)
        elif part(event, "candidates", "usage_metadata", "usageMetadata") is not None:
            self._gemini(event)
        elif part(event, "contentBlockDelta", "metadata") is not None:
            self._converse(event)
        elif part(event, "done") is not None:
            self._ollama(event)
        else:
            self._plain(event)

    def read(self, *, input_tokens: int = 0) -> UsageRead | None:
        """The usage, flagged `estimated` unless `complete`; None where no event came at all.

        `input_tokens` is the caller's own estimate, for a stream that told nothing of its input.
        """
        if self.complete:
            return self._last
        if self._last is None and self._named is None and not self.text_bytes:
            return None
        known = self._last
        if known is None:
            return UsageRead(
                usage=counted(input_=input_tokens, output=self.output_tokens),
                model=text(self._named, "model", "modelVersion", "model_version"),
                call_id=text(self._named, "id", "responseId", "response_id"),
                service_tier=text(self._named, "service_tier"),
                estimated=True,
            )
        usage = msgspec.structs.replace(known.usage, output=self.output_tokens)
        return msgspec.structs.replace(known, usage=usage, estimated=True)

    def _typed(self, kind: str, event: object) -> None:
        handle = _TYPED.get(kind)
        if handle is not None:
            handle(self, event)
        elif kind in _TERMINAL:
            self._named = part(event, "response")
            self._last = read_answer(self._named) or self._last
            self.complete = part(self._named, "usage") is not None
        elif kind.startswith("response."):
            self._named = part(event, "response") or self._named
            if kind.endswith(".delta"):
                self._hear(part(event, "delta"))
        else:
            self._plain(event)

    def _message_start(self, event: object) -> None:
        self._named = part(event, "message")
        self._start = part(self._named, "usage")
        self._last = anthropic_shape.read_messages(self._start, self._named)

    def _message_delta(self, event: object) -> None:
        usage = part(event, "usage")
        if usage is not None:
            self._deltas.append(usage)
        if text(part(event, "delta"), "stop_reason") is not None:
            self._finished = True
        merged = anthropic_shape.merged(self._start, self._deltas)
        self._last = anthropic_shape.read_messages(merged, self._named)
        self.complete = self._finished and bool(self._deltas)

    def _block_delta(self, event: object) -> None:
        delta = part(event, "delta")
        self._hear(part(delta, "text", "partial_json", "thinking"))

    def _block_start(self, event: object) -> None:
        self._hear(text(part(event, "content_block"), "text", "name"))

    def _chat(self, event: object) -> None:
        if self._named is None:
            self._named = event
        for choice in items(event, "choices"):
            delta = part(choice, "delta")
            self._hear(part(delta, "content"))
            self._hear(part(delta, "reasoning_content", "reasoning"))
            self._hear(part(delta, "refusal"))
            self._hear(part(choice, "text"))
            for tool in items(delta, "tool_calls"):
                function = part(tool, "function")
                self._hear(part(function, "name"))
                self._hear(part(function, "arguments"))
            if text(choice, "finish_reason") is not None:
                self._finished = True
        usage = part(event, "usage") or part(part(event, "x_groq"), "usage")
        if usage is not None:
            self._last = read_usage(usage, event)
            # The last chunk has no choices; servers that repeat the usage on every chunk end with a reason instead.
            self._finished = self._finished or not items(event, "choices")
        self.complete = self._finished and self._last is not None

    def _gemini(self, event: object) -> None:
        self._named = self._named or event
        for candidate in items(event, "candidates"):
            for piece in items(part(candidate, "content"), "parts"):
                self._hear(part(piece, "text"))
            if text(candidate, "finishReason", "finish_reason") is not None:
                self._finished = True
        usage = part(event, "usageMetadata", "usage_metadata")
        if usage is not None:
            self._last = read_usage(usage, event)
        self.complete = self._finished and self._last is not None

    def _converse(self, event: object) -> None:
        self._hear(part(part(part(event, "contentBlockDelta"), "delta"), "text"))
        metadata = part(event, "metadata")
        if part(metadata, "usage") is not None:
            self._last = read_answer(metadata)
            self.complete = True

    def _ollama(self, event: object) -> None:
        self._named = self._named or event
        self._hear(part(part(event, "message"), "content") or part(event, "response"))
        if part(event, "done") is True:
            self._last = read_answer(event)
            self.complete = self._last is not None

    def _plain(self, event: object) -> None:
        found = read_answer(event)
        if found is not None:
            self._last = found
            self.complete = True

    def _hear(self, said: object) -> None:
        if isinstance(said, str):
            self.text_bytes += len(said) if said.isascii() else len(said.encode("utf-8", "replace"))


def read_stream(events: Iterable[object]) -> UsageRead | None:
    """The usage of a stream whose events were kept."""
    reader = StreamReader()
    for event in events:
        reader.feed(event)
    return reader.read()


def _ignore(_reader: StreamReader, _event: object) -> None:
    """Nothing to read."""


_TYPED: dict[str, Callable[[StreamReader, object], None]] = {
    "message_start": StreamReader._message_start,
    "message_delta": StreamReader._message_delta,
    "message_stop": _ignore,
    "content_block_start": StreamReader._block_start,
    "content_block_delta": StreamReader._block_delta,
    "content_block_stop": _ignore,
    "ping": _ignore,
    "error": _ignore,
}
