"""Providers' reports as their APIs answer and their pages export: every amount exact, every trap told."""

from datetime import date

import pytest

from tollbook.ports.reconcile import Item
from tollbook.sources.reports import anthropic, openai, openrouter
from tollbook.sources.reports.table import ReportUnreadable

DAY = date(2026, 11, 5)
START = 1_793_836_800

OPENAI_COSTS = f"""{{"object": "page", "data": [{{"object": "bucket", "start_time": {START},
"end_time": {START + 86400}, "results": [
 {{"object": "organization.costs.result", "amount": {{"value": 0.1000000000000000055511151231257827,
   "currency": "usd"}}, "line_item": "gpt-5.6-sol-2026-03-05, cached input", "project_id": null}},
 {{"object": "organization.costs.result", "amount": {{"value": "1.25", "currency": "usd"}},
   "line_item": "web search tool calls", "project_id": null}},
 {{"object": "organization.costs.result", "amount": {{"value": 2, "currency": "usd"}}, "line_item": null}}]}}],
"has_more": false, "next_page": null}}"""

OPENAI_USAGE = f"""{{"data": [{{"start_time": {START}, "results": [
 {{"object": "organization.usage.completions.result", "input_tokens": 100, "output_tokens": 20,
   "input_cached_tokens": 40, "num_model_requests": 3, "model": "gpt-5.6-sol",
   "batch": true, "service_tier": "default", "input_audio_tokens": 0}},
 {{"input_tokens": 7, "output_tokens": 2, "num_model_requests": 1, "model": "gpt-5.6-sol", "batch": false,
   "service_tier": "priority"}}]}}]}}"""

OPENAI_CSV = (
    "start_time\tend_time\tstart_time_iso\tend_time_iso\tamount_value\tamount_currency\tline_item\n"
    f"{START}\t{START + 86400}\t2026-11-05T00:00:00+00:00\t2026-11-06T00:00:00+00:00\t0.8958740000000000\tusd\t"
    "gpt-5, input\n"
    f"{START + 86400}\t0\t2026-11-06T00:00:00+00:00\t2026-11-07T00:00:00+00:00\t\t\t\n"
)

ANTHROPIC_COSTS = """{"data": [{"starting_at": "2026-11-05T00:00:00Z", "ending_at": "2026-11-06T00:00:00Z", "results": [
 {"currency": "USD", "amount": "123.78912", "workspace_id": null, "description": "Claude Opus 4.7 Usage - Input Tokens",
  "cost_type": "tokens", "context_window": "0-200k", "model": "claude-opus-4-7", "service_tier": "batch",
  "token_type": "uncached_input_tokens", "inference_geo": "global"},
 {"currency": "USD", "amount": "5", "cost_type": "code_execution", "description": "Code Execution Usage",
  "model": null}]}], "has_more": false, "next_page": null}"""

ANTHROPIC_USAGE = """{"data": [{"starting_at": "2026-11-05T00:00:00Z", "results": [
 {"uncached_input_tokens": 100, "cache_creation": {"ephemeral_1h_input_tokens": 10, "ephemeral_5m_input_tokens": 5},
  "cache_read_input_tokens": 40, "output_tokens": 20, "server_tool_use": {"web_search_requests": 1},
  "model": "claude-opus-4-7", "service_tier": "standard"}]}]}"""

ANTHROPIC_CSV = (
    "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,cost_type\n"
    '2026-11-05,claude-opus-4-7,Default,"a, key",message,≤ 200k,input_no_cache,"1,234.56",token\n'
)

ANTHROPIC_TOKENS_CSV = (
    "usage_date_utc,model_version,usage_type,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,"
    "usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens\n"
    "2026-11-05,claude-opus-4-7,batch,100,5,10,40,20\n"
)

OPENROUTER = """{"data": [{"date": "2026-11-05", "model": "openai/gpt-4.1",
 "model_permaslug": "openai/gpt-4.1-2025-04-14", "endpoint_id": "550e8400-e29b-41d4-a716-446655440000",
 "provider_name": "OpenAI", "usage": 0.015,
 "byok_usage_inference": 0.012, "requests": 5, "prompt_tokens": 50, "completion_tokens": 125,
 "reasoning_tokens": 25}]}"""

OPENROUTER_CSV = (
    "generation_id,created_at,cost_total,model_permaslug,tokens_prompt,tokens_completion\n"
    "gen-1,2026-11-05 10:11:12.5,0.000123,openai/gpt-4.1-2025-04-14,50,12\n"
)


def test_openai_costs_are_exact_by_model_and_item() -> None:
    assert openai.read(OPENAI_COSTS).items == (
        Item(DAY, "gpt-5.6-sol-2026-03-05", "cached input", cost_nanos=100_000_000),
        Item(DAY, None, "web search tool calls", cost_nanos=1_250_000_000),
        Item(DAY, None, "all models together", cost_nanos=2_000_000_000),
    )


def test_openai_usage_tells_batch_and_tiers_apart() -> None:
    first, second = openai.read(OPENAI_USAGE).items
    counts = {"calls": 3, "input": 100, "cache_read": 40, "output": 20}
    assert first == Item(DAY, "gpt-5.6-sol", "usage", **counts, tier="batch")
    assert (second.tier, second.calls, second.cache_read) == ("priority", 1, None)


def test_openai_export_is_read_with_days_without_anything() -> None:
    assert openai.read(OPENAI_CSV).items == (Item(DAY, "gpt-5", "input", cost_nanos=895_874_000),)
    assert openai.read(OPENAI_CSV.replace("\t", ",").replace("gpt-5, input", '"gpt-5, input"')) == openai.read(
        OPENAI_CSV
    )


def test_pages_saved_one_behind_another_are_one_report() -> None:
    lines = "\n".join(page.replace("\n", "") for page in (OPENAI_COSTS, OPENAI_USAGE))
    assert openai.read(lines).items == (*openai.read(OPENAI_COSTS).items, *openai.read(OPENAI_USAGE).items)


def test_anthropic_amounts_are_cents_with_places() -> None:
    report = anthropic.read(ANTHROPIC_COSTS)
    assert report.items == (
        Item(DAY, "claude-opus-4-7", "uncached_input_tokens", cost_nanos=1_237_891_200, tier="batch"),
        Item(DAY, None, "code_execution", cost_nanos=50_000_000),
    )
    assert "priority" in report.remarks[0]


@pytest.mark.parametrize("text", [ANTHROPIC_USAGE, ANTHROPIC_TOKENS_CSV])
def test_anthropic_input_is_made_whole(text: str) -> None:
    (item,) = anthropic.read(text).items
    assert (item.input, item.cache_read, item.cache_write, item.output) == (155, 40, 15, 20)


def test_anthropic_export_is_in_dollars() -> None:
    report = anthropic.read(ANTHROPIC_CSV)
    assert report.items == (Item(DAY, "claude-opus-4-7", "input_no_cache", cost_nanos=1_234_560_000_000),)
    assert report.step_nanos == 10_000_000


def test_openrouter_costs_are_credits_and_what_ones_own_provider_charged() -> None:
    counts = {"calls": 5, "input": 50, "output": 125}
    expected = Item(DAY, "openai/gpt-4.1", "activity", cost_nanos=27_000_000, **counts, tier="byok")
    assert openrouter.read(OPENROUTER).items == (expected,)
    (row,) = openrouter.read(OPENROUTER_CSV).items
    assert (row.day, row.calls, row.cost_nanos, row.input) == (DAY, 1, 123_000, 50)


@pytest.mark.parametrize(
    ("read", "text", "says"),
    [
        (openai.read, '{"error": {"message": "no"}}', "not a page"),
        (anthropic.read, '{"type": "error"}', "not a page"),
        (openrouter.read, '{"error": {}}', "not a page"),
        (openai.read, "", "empty"),
        (openai.read, OPENAI_COSTS.replace('"usd"', '"eur"', 1), "in eur"),
        (openai.read, OPENAI_CSV.replace("0.8958740000000000", "a lot"), "not an amount"),
        (anthropic.read, "a,b\n1,2\n", "not a day"),
        (anthropic.read, "date,b\n2026-11-05,2\n", "no column of costs or tokens"),
        (openrouter.read, "model,cost\nm,1\n", "needs columns of day"),
        (anthropic.read, ANTHROPIC_COSTS.replace("123.78912", "NaN"), "not"),
    ],
)
def test_what_is_no_report_is_never_an_empty_one(read: object, text: str, says: str) -> None:
    with pytest.raises(ReportUnreadable, match=says):
        read(text)
