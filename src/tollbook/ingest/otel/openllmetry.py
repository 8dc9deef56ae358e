"""OpenLLMetry (Traceloop): GenAI names, older ones of its own, and spans of workflows and tasks around the calls.

Seen with opentelemetry-instrumentation-openai and -anthropic 0.62.4; names of semantic-conventions-ai 0.5.1.
"""

from tollbook.ingest.otel import genai
from tollbook.ingest.otel.reading import Call, plain
from tollbook.ingest.otel.signals import Attributes, Origin

DIALECT = "openllmetry"
_MARKS = frozenset({"traceloop.span.kind", "traceloop.workflow.name", "traceloop.entity.name", "llm.request.type"})
_SCOPE = "opentelemetry.instrumentation."
_OFFICIAL = (f"{_SCOPE}genai.", f"{_SCOPE}google_genai", f"{_SCOPE}openai_v2")
_CALLS = frozenset({"chat", "completion", "embedding", "rerank"})


def speaks(attributes: Attributes, origin: Origin) -> bool:
    """Whether a span is OpenLLMetry's."""
    if not _MARKS.isdisjoint(attributes):
        return True
    return origin.scope.startswith(_SCOPE) and not origin.scope.startswith(_OFFICIAL) and genai.is_call(attributes)


def call(attributes: Attributes, origin: Origin) -> Call | None:
    """The call of a span; a workflow's, task's or agent's span repeats what its calls report."""
    kind = plain(attributes.get("llm.request.type"))
    if kind and kind not in _CALLS:
        return None
    return genai.call(attributes, origin, DIALECT)
