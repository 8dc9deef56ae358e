"""What an answer counts beside text tokens, by the units of the price data and tollbook's own.

A unit that measures part of the tokens (audio, pictures, lives of cache writes) lies inside `input` or `output` and is
cut to it, so that no leaf can become negative; a fee (searches, pages, seconds) stands beside them.
"""

import math
from collections.abc import Iterable, Mapping

from tollbook.domain.usage import Usage
from tollbook.usage.fields import count, decimal, items, part, text

_MODALITIES = ("audio", "image", "video")
_GEMINI_MODALITIES = {"AUDIO": "audio", "IMAGE": "image", "VIDEO": "video", "DOCUMENT": "image"}
"""Gemini counts pages as pictures, and so does the price data."""

_CALLS = {
    "web_search_call": "web_searches",
    "file_search_call": "file_searches",
    "x_search_call": "social_searches",
}


def within(usage: Usage, units: Mapping[str, int]) -> dict[str, int] | None:
    """The units that count something, those that are parts of tokens cut to what they are parts of.

    >>> within(Usage(input=5, output=1), {"input_audio_tokens": 9, "cache_audio_read_tokens": 9, "web_searches": 2})
    {'web_searches': 2, 'input_audio_tokens': 5}
    """
    kept = {name: amount for name, amount in units.items() if amount > 0 and not name.endswith("_tokens")}
    room = {"input": usage.input, "output": usage.output, "read": usage.cache_read}
    for modality in _MODALITIES:
        into = _take(kept, room, "input", f"input_{modality}_tokens", units)
        room_read = min(into, room["read"])
        read = min(units.get(f"cache_{modality}_read_tokens", 0), room_read)
        if read > 0:
            kept[f"cache_{modality}_read_tokens"] = read
            room["read"] -= read
        _take(kept, room, "output", f"output_{modality}_tokens", units)
    _take(kept, {"write": usage.cache_write_5m}, "write", "cache_write_30m_tokens", units)
    left = usage.cache_write_5m - kept.get("cache_write_30m_tokens", 0)
    _take(kept, {"write": left}, "write", "cache_write_12h_tokens", units)
    return kept or None


def _take(kept: dict[str, int], room: dict[str, int], of: str, name: str, units: Mapping[str, int]) -> int:
    amount = min(max(units.get(name, 0), 0), room[of])
    if amount > 0:
        kept[name] = amount
        room[of] -= amount
    return amount


def of_details(details_in: object, details_out: object) -> dict[str, int]:
    """The modalities and lives in the details of OpenAI's and all similar usage objects."""
    cached = part(details_in, "cached_tokens_details")
    lives = part(details_in, "cache_write_tokens_details")
    units = {
        "cache_write_30m_tokens": count(lives, "ttl_30m_tokens"),
        "cache_write_12h_tokens": count(lives, "ttl_12h_tokens"),
    }
    for modality in _MODALITIES:
        units[f"input_{modality}_tokens"] = count(details_in, f"{modality}_tokens")
        units[f"cache_{modality}_read_tokens"] = count(cached, f"{modality}_tokens")
        units[f"output_{modality}_tokens"] = count(details_out, f"{modality}_tokens")
    return units


def of_tools(usage: object, response: object) -> dict[str, int]:
    """The fees of OpenAI's and similar answers: of Responses by counting its output, elsewhere by the usage.

    A web search counts where it searched; opening a page that was found is free. Code is sold by the container.
    """
    units = _called(items(response, "output"))
    for container in (
        part(usage, "server_tool_use"),
        part(usage, "server_tool_use_details"),
        part(usage, "server_side_tool_usage_details"),
        part(response, "server_side_tool_usage"),
    ):
        _at_least(units, "web_searches", count(container, "web_search_requests", "web_search_calls"))
        _at_least(units, "web_fetches", count(container, "web_fetch_requests"))
        _at_least(units, "social_searches", count(container, "x_search_calls"))
        _at_least(units, "code_executions", count(container, "code_interpreter_calls", "code_execution_requests"))
        _at_least(units, "file_searches", count(container, "file_search_calls", "document_search_calls"))
    _at_least(units, "web_searches", count(usage, "num_search_queries"))
    _at_least(units, "audio_seconds", seconds(usage, "prompt_audio_seconds"))
    if text(usage, "type") == "duration":
        _at_least(units, "audio_seconds", seconds(usage, "seconds"))
    return units


def _called(output: Iterable[object]) -> dict[str, int]:
    units: dict[str, int] = {}
    containers: set[str] = set()
    for position, item in enumerate(output):
        kind = text(item, "type") or ""
        unit = _CALLS.get(kind)
        if kind == "code_interpreter_call":
            containers.add(text(item, "container_id") or f"#{position}")
        elif unit is not None and text(part(item, "action"), "type") in (None, "search"):
            units[unit] = units.get(unit, 0) + 1
    if containers:
        units["code_executions"] = len(containers)
    return units


def of_messages(usage: object) -> dict[str, int]:
    """The fees of Anthropic's server tools."""
    tools = part(usage, "server_tool_use")
    return {
        "web_searches": count(tools, "web_search_requests"),
        "web_fetches": count(tools, "web_fetch_requests"),
        "code_executions": count(tools, "code_execution_requests"),
    }


def of_gemini(usage: object, response: object) -> dict[str, int]:
    """Gemini's modalities, by its JSON names or the SDK's, and its searches.

    The parts of what tools fed in are parts of the input too. Searches are the queries that were made, which is how
    the newer models are billed; an answer that rests on the web without naming a query made one.
    """
    units: dict[str, int] = {}
    for unit, names in _GEMINI_DETAILS:
        for name in names:
            for entry in items(usage, name):
                kind = text(entry, "modality") or ""
                modality = _GEMINI_MODALITIES.get(kind.upper())
                if modality is not None:
                    key = unit.format(modality)
                    units[key] = units.get(key, 0) + count(entry, "tokenCount", "token_count", "tokens")
    for candidate in items(response, "candidates"):
        grounding = part(candidate, "groundingMetadata", "grounding_metadata")
        queries = len(items(grounding, "webSearchQueries", "web_search_queries"))
        if not queries and items(grounding, "groundingChunks", "grounding_chunks"):
            queries = 1
        units["web_searches"] = units.get("web_searches", 0) + queries
    for entry in items(usage, "grounding_tool_count"):
        if text(entry, "type") in (None, "google_search"):
            units["web_searches"] = units.get("web_searches", 0) + count(entry, "count")
    return units


_GEMINI_DETAILS = (
    ("input_{}_tokens", ("promptTokensDetails", "prompt_tokens_details", "input_tokens_by_modality")),
    (
        "input_{}_tokens",
        ("toolUsePromptTokensDetails", "tool_use_prompt_tokens_details", "tool_use_tokens_by_modality"),
    ),
    ("cache_{}_read_tokens", ("cacheTokensDetails", "cache_tokens_details", "cached_tokens_by_modality")),
    (
        "output_{}_tokens",
        (
            "candidatesTokensDetails",
            "candidates_tokens_details",
            "responseTokensDetails",
            "response_tokens_details",
            "output_tokens_by_modality",
        ),
    ),
)


def seconds(source: object, *names: str) -> int:
    """A duration in whole seconds, a begun one counted; 0 where none is given.

    >>> seconds({"seconds": 3.2}, "seconds"), seconds({}, "seconds")
    (4, 0)
    """
    amount = decimal(source, *names)
    return 0 if amount is None or amount > _SECONDS_MAX else math.ceil(amount)


_SECONDS_MAX = 1_000_000_000


def _at_least(units: dict[str, int], name: str, amount: int) -> None:
    """Two places of one answer may tell of the same calls: the larger number stands."""
    if amount > units.get(name, 0):
        units[name] = amount
