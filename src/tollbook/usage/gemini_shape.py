"""Usage in the shapes of Gemini: `usageMetadata`, by its JSON names or the Python SDK's, and Interactions.

Sources: the types of google-genai 3.4. The prompt includes what came from the cache and leaves out what tools
fed in; candidates leave thoughts out. `total = prompt + candidates + tool use + thoughts`.
"""

from tollbook.usage.fields import count, part, text
from tollbook.usage.outcome import UsageRead, counted
from tollbook.usage.units import of_gemini, within


def read_gemini(usage: object, response: object = None) -> UsageRead:
    """Read the usage of generate_content, of a Live session or of one chunk (they are cumulative)."""
    thoughts = count(usage, "thoughtsTokenCount", "thoughts_token_count")
    answer = count(
        usage, "candidatesTokenCount", "candidates_token_count", "responseTokenCount", "response_token_count"
    )
    prompt = count(usage, "promptTokenCount", "prompt_token_count")
    tools = count(usage, "toolUsePromptTokenCount", "tool_use_prompt_token_count")
    used = counted(
        input_=prompt + tools,
        output=answer + thoughts,
        cache_read=count(usage, "cachedContentTokenCount", "cached_content_token_count"),
        reasoning=thoughts,
    )
    return UsageRead(
        usage=used,
        units=within(used, of_gemini(usage, response)),
        model=text(response, "modelVersion", "model_version"),
        provider="google",
        service_tier=_tier(text(usage, "trafficType", "traffic_type", "serviceTier", "service_tier")),
        call_id=text(response, "responseId", "response_id"),
    )


def read_interaction(usage: object, response: object = None) -> UsageRead:
    """Read the usage of an Interaction, which counts thoughts and tool use beside the totals too."""
    thoughts = count(usage, "total_thought_tokens")
    used = counted(
        input_=count(usage, "total_input_tokens") + count(usage, "total_tool_use_tokens"),
        output=count(usage, "total_output_tokens") + thoughts,
        cache_read=count(usage, "total_cached_tokens"),
        reasoning=thoughts,
    )
    return UsageRead(
        usage=used,
        units=within(used, of_gemini(usage, response)),
        model=text(response, "model"),
        provider="google",
        call_id=text(response, "id"),
    )


def read_embedding(response: object) -> UsageRead | None:
    """Read the token counts that Vertex states with each embedding; None where the API states none."""
    statistics = [part(one, "statistics") for one in part(response, "embeddings") or ()]
    tokens = sum(count(one, "token_count", "tokenCount") for one in statistics)
    return UsageRead(usage=counted(input_=tokens, output=0), provider="google") if tokens else None


def _tier(name: str | None) -> str | None:
    return None if name is None else name.lower()
