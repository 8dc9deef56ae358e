"""The spans that anthropic's own SDK writes: GenAI names with inclusive input, cache writes by life, compaction.

Seen with anthropic 2.14; the scope is `com.anthropic.sdk.python`. `genai` reads the names; here is whose they are.
"""

import msgspec

from tollbook.ingest.otel import genai
from tollbook.ingest.otel.reading import Call
from tollbook.ingest.otel.signals import Attributes, Origin

DIALECT = "anthropic-sdk"
SCOPE = "com.anthropic.sdk."
_RANK = 100
"""Above other leaves: it alone tells a cache write of an hour from one of five minutes."""


def call(attributes: Attributes, origin: Origin) -> Call | None:
    """The call of one `anthropic.messages.create` span. A leaf: its figures are the SDK's, its ids the provider's."""
    found = genai.call(attributes, origin, DIALECT)
    return None if found is None else msgspec.structs.replace(found, rank=_RANK)
