"""What one span says of where it stands: which agent, which run, what kind of step. Its ancestors say the rest."""

from enum import Enum

import msgspec

from tollbook.ingest.otel import anthropic_sdk, claude_code, codex, openinference
from tollbook.ingest.otel.reading import plain, text
from tollbook.ingest.otel.signals import Attributes, Origin, Span


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """Which attributes of a span or its resource name whose money it is, the agent's whole path and the run.

    `tags` are kept with the entry, by the attribute's own name.
    """

    tenant: tuple[str, ...] = ("tollbook.tenant", "tenant.id")
    agent: tuple[str, ...] = ("tollbook.agent",)
    run: tuple[str, ...] = ("tollbook.run",)
    tags: tuple[str, ...] = ()


class Claim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
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

    @property
    def is_silent(self) -> bool:
        """Whether the span says neither an agent nor a run: its ancestors decide."""
        return (
            not self.names and not self.whole and self.path is None and self.run is None and self.conversation is None
        )


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
_OPERATION = frozenset({"gen_ai.operation.name"})
_PLACING = frozenset(
    {
        *(*_CONVERSATION, *_NODE, *_AGENT_NAME, *_OPERATION, openinference.KIND, "traceloop.span.kind"),
        *("graph.node.id", "graph.node.name", "graph.node.parent_id", "traceloop.entity.name"),
    }
)
_BEFORE_NAME = ("invoke_agent ", "agent ")


class Speaker(Enum):
    """Who wrote the spans of a scope, where its name or its process tells; else their attributes do."""

    CLAUDE_CODE = "claude_code"
    CODEX = "codex"
    ANTHROPIC_SDK = "anthropic_sdk"
    ANY = "any"


class Process(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is the same for every span of one scope and process, under one mapping.

    `tenant`, `path` and `run` are what the resource names, for spans that do not. `placing` are the attributes by which
    a span itself says anything of its place, `owning` those by which it says whose money it is. `service` is who the
    process says it is.
    """

    speaker: Speaker
    placing: frozenset[str]
    owning: frozenset[str]
    tenant: str | None
    path: str | None
    run: str | None
    service: str | None


def process_of(origin: Origin, mapping: Mapping) -> Process:
    """What the spans of a scope share."""
    resource = origin.resource
    service = resource.get("service.name")
    return Process(
        speaker=_speaker(origin.scope, plain(service)),
        placing=_PLACING.union(mapping.agent, mapping.run),
        owning=frozenset(mapping.tenant),
        tenant=text(resource, *mapping.tenant),
        path=text(resource, *mapping.agent),
        run=text(resource, *mapping.run),
        service=service if isinstance(service, str) and not service.startswith("unknown_service") else None,
    )


def _speaker(scope: str, service: str) -> Speaker:
    if scope.startswith(claude_code.SCOPE):
        return Speaker.CLAUDE_CODE
    # Codex's scope is that of its tracing library.
    if service.startswith("codex"):
        return Speaker.CODEX
    return Speaker.ANTHROPIC_SDK if scope.startswith(anthropic_sdk.SCOPE) else Speaker.ANY


def claim_of(span: Span, process: Process, mapping: Mapping, *, bills: bool) -> Claim:
    """What a span says of its place; `bills` says that a dialect found a call in it."""
    attributes = span.attributes
    whole = process.speaker in (Speaker.CLAUDE_CODE, Speaker.CODEX)
    if not whole and process.path is None and process.run is None:
        said = process.placing.intersection(attributes)
        if not said or said == _OPERATION:
            kind = _kind(attributes, bills=bills)
            if kind != AGENT:
                return _OF_KIND[kind]
    path = text(attributes, *mapping.agent) or process.path
    run = text(attributes, *mapping.run) or process.run
    if not attributes and path is None and run is None:
        return _OF_KIND[OTHER]
    kind = _kind(attributes, bills=bills)
    conversation = text(attributes, *_CONVERSATION)
    if not whole:
        names, spawns = _names(span.name, attributes, kind)
        return Claim(kind=kind, names=names, spawns=spawns, path=path, run=run, conversation=conversation)
    if process.speaker is Speaker.CLAUDE_CODE:
        conversation = claude_code.session(attributes) or claude_code.session(span.origin.resource) or conversation
        names = claude_code.agent(attributes)
    else:
        conversation, names = codex.conversation(attributes), codex.agent(attributes)
    return Claim(kind=kind, names=names, whole=True, path=path, run=run, conversation=conversation)


_OF_KIND = {kind: Claim(kind=kind) for kind in (AGENT, INFERENCE, TOOL, WORKFLOW, OTHER)}
"""What most spans say: what kind they are, and nothing of their place."""


def tenant_of(attributes: Attributes, resource: Attributes, mapping: Mapping) -> str | None:
    """Whose money it is, as the mapping finds it."""
    return text(attributes, *mapping.tenant) or text(resource, *mapping.tenant)


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
