"""Reads any provider's answer, streamed or not, into token counts."""

from tollbook.usage.outcome import UsageRead
from tollbook.usage.shapes import read_answer
from tollbook.usage.streams import BYTES_PER_TOKEN, StreamReader, read_stream, tokens_of

__all__ = ["BYTES_PER_TOKEN", "StreamReader", "UsageRead", "read", "tokens_of"]


def read(response: object) -> UsageRead | None:
    """The usage of a response, or None where it states none.

    Takes the response objects and usage objects of openai, anthropic, google-genai, mistralai, ollama, cohere and
    Bedrock's Converse, of LangChain, the OpenAI Agents SDK, the Claude Agent SDK, LiteLLM and Pydantic AI, the same as
    dicts of their JSON, and a list of the events of a stream. A stream that was cut short gives an estimate.

    >>> read({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}).usage
    Usage(input=9, output=2, cache_read=4, cache_write_5m=0, cache_write_1h=0, reasoning=0)
    >>> read({"input_tokens": 9, "output_tokens": 2, "cache_read_input_tokens": 4}).usage.input
    13
    """
    if isinstance(response, (list, tuple)):
        return read_stream(response)
    return read_answer(response)
