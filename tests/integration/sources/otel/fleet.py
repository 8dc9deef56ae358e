"""Small fleets under real instrumentations: `python -m tests.integration.sources.otel.fleet NAME RECEIVER PROVIDER`.

One process a fleet, because instrumentations and the global tracer provider are one a process. What it emits leaves by
the SDK's own OTLP exporters, with the headers that `OTEL_EXPORTER_OTLP_HEADERS` names, from the process that
`OTEL_RESOURCE_ATTRIBUTES` describes.
"""

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

MODEL = {"openai": "gpt-5.6-sol", "anthropic": "claude-opus-4-7"}
_DELTA = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}


def _openai(provider: str) -> Any:
    return import_module("openai").OpenAI(base_url=f"{provider}/v1", api_key="k", max_retries=0)


def _anthropic(provider: str) -> Any:
    return import_module("anthropic").Anthropic(base_url=provider, api_key="k", max_retries=0)


def _ask_openai(provider: str) -> None:
    with _openai(provider) as client:
        messages = [{"role": "user", "content": "Say it."}]
        client.chat.completions.create(model=MODEL["openai"], messages=messages)
        stream = client.chat.completions.create(
            model=MODEL["openai"], messages=messages, stream=True, stream_options={"include_usage": True}
        )
        for _ in stream:
            pass
        client.responses.create(model=MODEL["openai"], input="Say it.")
        client.embeddings.create(model="text-embedding-3-small", input="word")


def _ask_anthropic(provider: str) -> None:
    with _anthropic(provider) as client:
        for stream in (False, True):
            answer = client.messages.create(
                model=MODEL["anthropic"],
                max_tokens=100,
                messages=[{"role": "user", "content": "Say it."}],
                stream=stream,
            )
            if stream:
                for _ in answer:
                    pass


def _ask_agents(provider: str) -> None:
    """A planner that asks a researcher as a tool."""
    agents = import_module("agents")
    openai = import_module("openai")
    client = openai.AsyncOpenAI(base_url=f"{provider}/v1", api_key="k", max_retries=0)
    model = agents.OpenAIResponsesModel(model=MODEL["openai"], openai_client=client)
    researcher = agents.Agent(name="researcher", instructions="[agent=researcher]", model=model)
    tool = researcher.as_tool(tool_name="research", tool_description="finds out")
    planner = agents.Agent(name="planner", instructions="[agent=planner]", model=model, tools=[tool])
    agents.Runner.run_sync(planner, "Go.")


def _instrument(*places: str) -> None:
    for place in places:
        module, _, name = place.rpartition(".")
        getattr(import_module(module), name)().instrument()


_OTEL = "opentelemetry.instrumentation"
_FLEETS: dict[str, tuple[tuple[str, ...], Callable[[str], None]]] = {
    "genai-openai": ((f"{_OTEL}.genai.openai.OpenAIInstrumentor",), _ask_openai),
    "genai-anthropic": ((f"{_OTEL}.genai.anthropic.AnthropicInstrumentor",), _ask_anthropic),
    "genai-openai-agents": (
        (f"{_OTEL}.genai.openai_agents.OpenAIAgentsInstrumentor", f"{_OTEL}.genai.openai.OpenAIInstrumentor"),
        _ask_agents,
    ),
    "openinference-openai": (("openinference.instrumentation.openai.OpenAIInstrumentor",), _ask_openai),
    "openinference-anthropic": (("openinference.instrumentation.anthropic.AnthropicInstrumentor",), _ask_anthropic),
    "traceloop-openai": ((f"{_OTEL}.openai.OpenAIInstrumentor",), _ask_openai),
    "traceloop-anthropic": ((f"{_OTEL}.anthropic.AnthropicInstrumentor",), _ask_anthropic),
    "anthropic-own": ((), _ask_anthropic),
    "openai-twice": (
        (f"{_OTEL}.genai.openai.OpenAIInstrumentor", "openinference.instrumentation.openai.OpenAIInstrumentor"),
        _ask_openai,
    ),
    "anthropic-twice": ((f"{_OTEL}.genai.anthropic.AnthropicInstrumentor",), _ask_anthropic),
}
NAMES = tuple(_FLEETS)


def run(name: str, receiver: str, provider: str) -> None:
    """Make the calls of a fleet and export what was seen of them."""
    places, ask = _FLEETS[name]
    # Anthropic's SDK traces by itself unless told otherwise: only the fleets that mean it let it.
    os.environ["ANTHROPIC_OPEN_TELEMETRY"] = "true" if name in {"anthropic-own", "anthropic-twice"} else "false"
    os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "0" if "agents" in name else "1"
    resource = Resource.create({"service.name": "fleet"})
    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{receiver}/v1/traces")))
    trace.set_tracer_provider(tracers)
    exporter = OTLPMetricExporter(endpoint=f"{receiver}/v1/metrics", preferred_temporality=_DELTA)
    meters = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)], resource)
    metrics.set_meter_provider(meters)
    _instrument(*places)
    with trace.get_tracer("fleet").start_as_current_span("task"):
        ask(provider)
    tracers.shutdown()
    meters.shutdown()


if __name__ == "__main__":
    run(*sys.argv[1:4])
