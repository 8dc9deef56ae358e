"""Which dialect a request speaks: by its path, its content type, and on a webhook by the shape of what came."""

from collections.abc import Callable
from functools import partial

from tollbook.domain.errors import RequestError
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest import cloudevents, frameworks, litellm, native, openmeter, raw
from tollbook.ingest.decoded import Decoded
from tollbook.ingest.foreign import Fields, fields_of, items_of
from tollbook.ingest.mapping import Mapping, MappingBook
from tollbook.ingest.origin import Origin
from tollbook.ingest.pieces import is_piece
from tollbook.ingest.refusal import ItemRefused
from tollbook.usage.fields import has, part

Decode = Callable[[bytes, str | None, IntakeLimits], Decoded]
"""A body without its content encoding, its content type, the bounds -> what it holds."""

_USAGE = ("usage", "usageMetadata", "usage_metadata", "usage_info", "response", "prompt_eval_count", "eval_count")


def events_dialect(media_type: str | None, origin: Callable[[], Origin], *, is_binary: bool) -> Decode:
    """What `/v1/events` takes: native events, or CloudEvents where the request says so."""
    if is_binary or cloudevents.is_structured(media_type):
        return partial(cloudevents.decode, origin=origin())
    return native.decode


def usage_dialect(name: str, origin: Origin) -> Decode:
    """What `/v1/usage/<name>` takes: answers of a provider, or a framework's messages."""
    if name in frameworks.NAMES:
        return partial(frameworks.decode, framework=name, origin=origin)
    if name == "litellm":
        return partial(litellm.decode, origin=origin)
    return partial(raw.decode, provider=name, origin=origin)


def openmeter_dialect(mappings: MappingBook, origin: Origin) -> Decode:
    """What `/api/v1/events` takes."""
    return partial(openmeter.decode, origin=origin, mapping=mappings.named.get(openmeter.MAPPING))


def mapped_dialect(mapping: Mapping, origin: Origin) -> Decode:
    """What `/v1/mapped/<name>` takes."""
    return partial(mapping.decode, origin=origin)


def webhook_dialect(
    media_type: str | None, origin: Callable[[], Origin], *, is_binary: bool, mapping: Mapping | None
) -> Decode:
    """What a webhook takes: by its source's mapping, by content type, else native events, else what it looks like."""
    if mapping is not None:
        return partial(mapping.decode, origin=origin())
    if is_binary or cloudevents.is_structured(media_type):
        return partial(cloudevents.decode, origin=origin())
    if media_type is not None and media_type.partition(";")[0].strip().lower() == raw.EVENT_STREAM:
        return _raw(origin)
    return partial(_by_shape, origin=origin)


def _by_shape(body: bytes, media_type: str | None, limits: IntakeLimits, *, origin: Callable[[], Origin]) -> Decoded:
    """Native events first, at no cost to them; a body without a single one is looked at again."""
    try:
        found = native.decode(body, media_type, limits)
    except RequestError:
        other = _looked_at(body, media_type, limits, origin)
        if other is None:
            raise
        return other(body, media_type, limits)
    if found.events:
        return found
    other = _looked_at(body, media_type, limits, origin)
    return found if other is None else other(body, media_type, limits)


def _looked_at(
    body: bytes, media_type: str | None, limits: IntakeLimits, origin: Callable[[], Origin]
) -> Decode | None:
    if raw.is_sse(body):
        return _raw(origin)
    try:
        first: Fields = fields_of(items_of(body, media_type, limits)[0])
    except (ItemRefused, RequestError, IndexError):
        return None
    if "specversion" in first and "source" in first:
        return partial(cloudevents.decode, origin=origin())
    if litellm.is_payload(first):
        return partial(litellm.decode, origin=origin())
    if has(first, *_USAGE) or has(part(first, "meta"), "billed_units") or is_piece(first):
        return _raw(origin)
    return None


def _raw(origin: Callable[[], Origin]) -> Decode:
    """An answer whose provider its shape tells, where the request does not name it."""
    return partial(raw.decode, provider=origin().provider or "", origin=origin())
