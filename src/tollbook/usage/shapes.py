"""Tells by its fields which provider's shape an answer has, and has it read."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from tollbook.domain.usage import Usage
from tollbook.usage import anthropic_shape, gemini_shape, openai_shape
from tollbook.usage.fields import count, decimal, decimal_text, has, part, text
from tollbook.usage.outcome import UsageRead, counted

_T = TypeVar("_T")

_USAGE = ("usage", "usage_metadata", "usageMetadata")
_WITHIN = ("response", "message", "body", "metadata", "current_message_snapshot", "current_completion_snapshot")
# A batch's line holds a response that holds a body that holds the answer: no provider nests deeper.
_DEPTH_MAX = 4

_GEMINI = (
    "promptTokenCount",
    "prompt_token_count",
    "candidatesTokenCount",
    "candidates_token_count",
    "totalTokenCount",
    "total_token_count",
)
_ANTHROPIC = ("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation", "server_tool_use")


def read_answer(answer: object, depth: int = 0) -> UsageRead | None:
    """The usage of one answer, or of the usage alone; None where there is none."""
    if answer is None or isinstance(answer, (str, bytes, int, float)):
        return None
    if isinstance(answer, UsageRead):
        return answer
    if isinstance(answer, Usage):
        return UsageRead(usage=answer)
    found = _of_frameworks(answer)
    if found is not None:
        return found
    usage = part(answer, *_USAGE)
    if usage is None and has(part(answer, "meta"), "billed_units"):
        # Cohere's embeddings and rankings.
        usage = part(answer, "meta")
    found = read_usage(answer, None) if usage is None else read_usage(usage, answer)
    if found is not None or depth >= _DEPTH_MAX:
        return found
    for name in _WITHIN:
        inner = _inner(answer, name)
        found = None if inner is None or inner is answer else read_answer(inner, depth + 1)
        if found is not None:
            return found
    return None


def _inner(answer: object, name: str) -> object:
    try:
        return part(answer, name)
    except (AssertionError, RuntimeError):
        # A stream of the openai or anthropic SDK, asked for what it has before its first event.
        return None


def read_usage(usage: object, answer: object) -> UsageRead | None:
    """The usage by the names of its fields; `answer` is what it stands in, None where that is not known."""
    if has(usage, "prompt_tokens"):
        return openai_shape.read_chat(usage, answer)
    if has(usage, "input_tokens"):
        return _read_snake(usage, answer)
    if has(usage, *_GEMINI):
        return gemini_shape.read_gemini(usage, answer)
    if has(usage, "inputTokens"):
        if has(usage, "costUSD", "webSearchRequests", "contextWindow"):
            return anthropic_shape.read_model_usage(usage)
        return anthropic_shape.read_converse(usage, answer)
    if has(usage, "total_input_tokens"):
        return gemini_shape.read_interaction(usage, answer)
    if text(usage, "type") == "duration":
        return openai_shape.read_duration(usage, answer)
    if has(usage, "usage_info"):
        return openai_shape.read_pages(usage)
    if has(usage, "billed_units"):
        return openai_shape.read_cohere(usage, answer)
    if has(usage, "prompt_eval_count", "eval_count"):
        return openai_shape.read_ollama(usage)
    if has(usage, "embeddings"):
        return gemini_shape.read_embedding(usage)
    return _read_own(usage)


def _read_snake(usage: object, answer: object) -> UsageRead:
    """`input_tokens` and `output_tokens` are everybody's names: the fields beside them tell whose."""
    if has(usage, *_ANTHROPIC) or (has(usage, "output_tokens") and text(answer, "type") == "message"):
        return anthropic_shape.read_messages(usage, answer)
    details = part(usage, "input_token_details")
    if has(answer, "response_metadata") or (details is not None and not has(details, "cached_tokens", "text_tokens")):
        return openai_shape.read_langchain(usage, answer)
    if has(usage, "cached_input_tokens", "cache_write_input_tokens"):
        return openai_shape.read_codex(usage)
    if has(usage, "cache_read_tokens", "cache_write_tokens") and not has(usage, "input_tokens_details"):
        return openai_shape.read_pydantic_ai(usage)
    return openai_shape.read_responses(usage, answer)


def _of_frameworks(answer: object) -> UsageRead | None:
    generations = part(answer, "generations")
    if isinstance(generations, list):
        return _summed([part(one, "message") for group in generations for one in group])
    by_model = part(answer, "model_usage", "modelUsage")
    if isinstance(by_model, dict):
        return _by_model(by_model)
    return None


def _summed(messages: list[object]) -> UsageRead | None:
    """A LangChain result: one message a prompt. Several choices of one prompt share one usage."""
    for message in messages:
        found = read_answer(message, 1)
        if found is not None:
            return found
    return None


def _by_model(by_model: dict[str, object]) -> UsageRead | None:
    """The result of the Claude Agent SDK: a sum for each model, all since the process began."""
    parts = []
    for model, usage in by_model.items():
        one = anthropic_shape.read_model_usage(usage)
        parts.append(UsageRead(usage=one.usage, model=one.model or model, provider=one.provider))
    if not parts:
        return None
    first = parts[0]
    return UsageRead(usage=first.usage, model=first.model, provider=first.provider, others=tuple(parts[1:]))


def _read_own(usage: object) -> UsageRead | None:
    """The fields of tollbook's own event."""
    if not (isinstance(part(usage, "input"), int) and isinstance(part(usage, "output"), int)):
        return None
    return UsageRead(
        usage=counted(
            input_=count(usage, "input"),
            output=count(usage, "output"),
            cache_read=count(usage, "cache_read"),
            cache_writes=(count(usage, "cache_write_5m"), count(usage, "cache_write_1h")),
            reasoning=count(usage, "reasoning"),
        ),
        model=text(usage, "model"),
        provider=text(usage, "provider"),
        service_tier=text(usage, "service_tier"),
        call_id=text(usage, "call_id"),
        own=True,
        cost_usd=decimal_text(decimal(usage, "cost_usd")),
        estimated=part(usage, "estimated") is True,
        units={name: amount for name, amount in _named(usage, "units", int) if amount >= 0} or None,
        context=dict(_named(usage, "context", str)) or None,
    )


def _named(usage: object, field: str, kind: type[_T]) -> Iterator[tuple[str, _T]]:
    held = part(usage, field)
    for name, value in held.items() if isinstance(held, Mapping) else ():
        if isinstance(name, str) and isinstance(value, kind) and not isinstance(value, bool):
            yield name, value
