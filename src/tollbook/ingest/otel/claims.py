"""What one span says of where it stands: which agent, which run, what kind of step. Its ancestors say the rest."""

import msgspec

from tollbook.ingest.otel import claude_code, codex, openinference
from tollbook.ingest.otel.reading import plain, text
from tollbook.ingest.otel.signals import Attributes, Span


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """Which attributes of a span or its resource name whose money it is, the agent's whole path and the run.

    `tags` are kept with the entry, by the attribute's own name.
    """

    tenant: tuple[str, ...] = ("tollbook.tenant", "tenant.id")
    agent: tuple[str, ...] = ("tollbook.agent",)
    run: tuple[str, ...] = ("tollbook.run",)
    tags: tuple[str, ...] = ()


class Claim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a span says of its place.

    `names` are agents, outermost first, each a role with an optional `#instance`; `spawns` says that the span is that
    agent's work and does not only belong to it, `whole` that the names begin at the root. `path` and `run` are what the
    mapping found.
    """

    kind: str = "other"
    names: tuple[str, ...] = ()
    spawns: bool = False
    whole: bool = False
    path: str | None = None
    run: str | None = None
    conversation: str | None = None


AGENT, INFERENCE, TOOL, WORKFLOW, OTHER = "agent", "inference", "tool", "workflow", "other"

_CONVERSATION = (
    "gen_ai.conversation.id",
    "session.id",
    "traceloop.association.properties.session_id",
    "traceloop.association.properties.thread_id",
    "langgraph.thread_id",
)
_NODE = ("langgraph_node", "langgraph.node", "traceloop.association.properties.langgraph_node")
_AGENT_NAME = ("gen_ai.agent.name", "agent.name", "gen_ai.agent.id", "lc_agent_name")
_KINDS = {
    "execute_tool": TOOL,
    "invoke_workflow": WORKFLOW,
    "invoke_agent": AGENT,
    "AGENT": AGENT,
    "TOOL": TOOL,
    "LLM": INFERENCE,
    "EMBEDDING": INFERENCE,
    "RERANKER": INFERENCE,
    "agent": AGENT,
    "tool": TOOL,
    "workflow": WORKFLOW,
}
_BEFORE_NAME = ("invoke_agent ", "agent ")


def claim_of(span: Span, mapping: Mapping, *, bills: bool) -> Claim:
    """What a span says of its place; `bills` says that a dialect found a call in it."""
    attributes, resource = span.attributes, span.origin.resource
    path = _mapped(attributes, resource, mapping.agent)
    run = _mapped(attributes, resource, mapping.run)
    if not attributes and path is None and run is None:
        return _NOTHING
    kind = _kind(attributes, bills=bills)
    conversation = text(attributes, *_CONVERSATION)
    if span.origin.scope.startswith(claude_code.SCOPE):
        conversation = claude_code.session(attributes) or claude_code.session(resource) or conversation
        names = claude_code.agent(attributes)
        return Claim(kind=kind, names=names, whole=True, path=path, run=run, conversation=conversation)
    if is_codex(span):
        conversation = codex.conversation(attributes)
        return Claim(
            kind=kind, names=codex.agent(attributes), whole=True, path=path, run=run, conversation=conversation
        )
    names, spawns = _names(span.name, attributes, kind)
    return Claim(kind=kind, names=names, spawns=spawns, path=path, run=run, conversation=conversation)


_NOTHING = Claim()


def is_codex(span: Span) -> bool:
    """Whether Codex itself wrote a span; its scope is that of its tracing library, its process says who it is."""
    return plain(span.origin.resource.get("service.name")).startswith("codex")


def tenant_of(attributes: Attributes, resource: Attributes, mapping: Mapping) -> str | None:
    """Whose money it is, as the mapping finds it."""
    return _mapped(attributes, resource, mapping.tenant)


def _mapped(attributes: Attributes, resource: Attributes, names: tuple[str, ...]) -> str | None:
    return text(attributes, *names) or text(resource, *names)


def _kind(attributes: Attributes, *, bills: bool) -> str:
    for name in ("gen_ai.operation.name", openinference.KIND, "traceloop.span.kind"):
        found = _KINDS.get(plain(attributes.get(name)))
        if found is not None:
            return found
    return INFERENCE if bills else OTHER


def _names(name: str, attributes: Attributes, kind: str) -> tuple[tuple[str, ...], bool]:
    agent = text(attributes, *_AGENT_NAME)
    node = text(attributes, *_NODE)
    graph = text(attributes, "graph.node.id", "graph.node.name")
    if kind == AGENT:
        agent = agent or graph or text(attributes, "traceloop.entity.name") or _behind(name)
        above = text(attributes, "graph.node.parent_id")
        return ((above, agent) if above and above != agent else (agent,)), True
    found = tuple(dict.fromkeys(one for one in (agent, text(attributes, "graph.node.parent_id"), graph, node) if one))
    return found, False


def _behind(name: str) -> str:
    """The agent in the name of its span: `invoke_agent planner` is of planner."""
    for prefix in _BEFORE_NAME:
        if name.startswith(prefix) and len(name) > len(prefix):
            return name[len(prefix) :]
    return name or "agent"


CONTENT = (
    *("gen_ai.input", "gen_ai.output", "gen_ai.prompt", "gen_ai.completion", "gen_ai.system_instructions"),
    *("gen_ai.tool.definitions", "gen_ai.tool.call", "gen_ai.content", "llm.input_messages", "llm.output_messages"),
    *("llm.prompts", "llm.prompt_template", "llm.tools", "llm.function_call", "input.value", "output.value"),
    *("traceloop.entity.input", "traceloop.entity.output", "embedding.embeddings", "retrieval.documents"),
    *("reranker.input", "reranker.output", "reranker.query", "tool.parameters", "prompt", "user_prompt", "message"),
    *("body", "response", "request", "tool_input", "tool_result", "exception", "db.statement", "db.query.text", "url."),
    *("http.url", "http.request.header", "http.response.header"),
)
"""Prefixes of attributes that hold what people and models said, or secrets in addresses; left out by default."""
