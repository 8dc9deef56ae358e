"""One span: whose dialect it speaks, the call in it, and its place."""

from functools import lru_cache
from typing import Any

import msgspec

from tollbook.ingest.otel import anthropic_sdk, claude_code, codex, genai, openinference, openllmetry
from tollbook.ingest.otel.claims import CONTENT, Claim, Mapping, Process, Speaker, claim_of
from tollbook.ingest.otel.reading import Call
from tollbook.ingest.otel.signals import Attributes, Span

_VALUE_CHARS_MAX = 256
_ATTRIBUTES_MAX = 64


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, array_like=True, gc=False):
    """What is made of a span once, and enough to say its place and its call anew later.

    `at_micros` is when it ended, `service` who its process says it is, `remote` that it asks something elsewhere.
    """

    claim: Claim
    call: Call | None
    at_micros: int
    service: str | None = None
    tags: dict[str, str] | None = None
    remote: bool = False


_CLIENT = 3


def facts_of(span: Span, process: Process, mapping: Mapping) -> Facts:
    """What a span of a process says. Raises `ItemRefused` where it is a call with a broken count."""
    call = call_of(span, process.speaker)
    tags = tags_of(span.attributes, span.origin.resource, mapping) if call is not None and mapping.tags else None
    return Facts(
        claim=claim_of(span, process, mapping, bills=call is not None),
        call=call,
        at_micros=(span.end_nanos or span.start_nanos) // 1_000,
        service=process.service,
        tags=tags,
        remote=span.kind == _CLIENT,
    )


def call_of(span: Span, speaker: Speaker) -> Call | None:
    """The call in a span, by the dialect it speaks. Raises `ItemRefused` where a count is broken."""
    attributes, origin = span.attributes, span.origin
    if not attributes:
        return None
    if speaker is Speaker.CLAUDE_CODE:
        return claude_code.span(span.name, attributes)
    if openinference.KIND in attributes:
        return openinference.call(attributes)
    if speaker is Speaker.CODEX:
        return codex.span(span.name, attributes)
    if speaker is Speaker.ANTHROPIC_SDK:
        return anthropic_sdk.call(attributes, origin)
    if openllmetry.speaks(attributes, origin):
        return openllmetry.call(attributes, origin)
    return genai.call(attributes, origin)


def tags_of(attributes: Attributes, resource: Attributes, mapping: Mapping) -> dict[str, str]:
    """The attributes that the mapping keeps as tags."""
    tags: dict[str, str] = {}
    for name in mapping.tags:
        value = attributes.get(name, resource.get(name))
        if isinstance(value, str | int | float):
            tags[name[:64]] = str(value)[:_VALUE_CHARS_MAX]
    return tags


@lru_cache(maxsize=4_096)
def _kept_name(name: str, content: bool) -> str | None:
    """The name under which an attribute is kept, None where it is left out."""
    return None if not content and name.startswith(CONTENT) else name[:_VALUE_CHARS_MAX]


def kept_attributes(attributes: Attributes, *, content: bool) -> dict[str, Any]:
    """The attributes that are kept: few, short, and without what was said unless `content`."""
    kept: dict[str, Any] = {}
    for name, value in attributes.items():
        if value.__class__ not in _KEPT:
            continue
        kept_name = _kept_name(name, content)
        if kept_name is None:
            continue
        if value.__class__ is str and len(value) > _VALUE_CHARS_MAX:
            kept[kept_name] = f"{value[:_VALUE_CHARS_MAX]}…"
        else:
            kept[kept_name] = value
        if len(kept) == _ATTRIBUTES_MAX:
            break
    return kept


_KEPT = frozenset({str, bool, int, float})
