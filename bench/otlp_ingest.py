"""OTLP spans in protobuf until their calls are committed, beside native events in batches on the same stack."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from itertools import cycle
from random import Random
from time import perf_counter
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bench.batch_ingest import target_of
from bench.load import Order, generator
from bench.report import Figure, Options, Ratio, Result, ratio_of
from bench.stack import Stack, running
from bench.traffic import MODELS, Traffic
from tollbook.app.fleet import FLEET, drawn
from tollbook.domain.errors import StoreError

NAME = "otlp_ingest"
CONNECTIONS = 8
SPANS = 500
CALLS_A_TRACE = 4
TENANTS = 100
TARGET_RATIO = 0.25
WHAT = (
    "Requests of 500 spans in protobuf by `POST /v1/traces` on 8 keep-alive connections: traces of an `invoke_agent` "
    "span with 4 `chat` spans of 13 attributes each, as opentelemetry-instrumentation-genai writes them, 100 tenants, "
    "from the first byte until every call is committed and every span is kept. Baseline: the same number of native "
    "events in batches of 500. The runs alternate."
)


def _pair(key: str, value: str | int) -> KeyValue:
    pair = KeyValue(key=key)
    if isinstance(value, str):
        pair.value.string_value = value
    else:
        pair.value.int_value = value
    return pair


def _chat(span: Span, random: Random, tenant: int) -> None:
    model = MODELS[(tenant + random.randrange(2)) % len(MODELS)]
    sizes = FLEET[tenant % len(FLEET)].workload
    tokens_in, tokens_out = drawn(sizes[0], random.random()), drawn(sizes[1], random.random())
    texts = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic" if model.startswith("claude") else "openai",
        "gen_ai.request.model": model,
        "server.address": "api.example.com",
        "gen_ai.response.model": model,
        "gen_ai.response.id": f"resp_{random.getrandbits(128):032x}",
        "openai.response.service_tier": "default",
    }
    counts = {
        "server.port": 443,
        "gen_ai.usage.input_tokens": tokens_in,
        "gen_ai.usage.output_tokens": tokens_out,
        "gen_ai.usage.cache_read.input_tokens": tokens_in // 2,
        "gen_ai.request.max_tokens": 4_096,
    }
    span.attributes.extend(_pair(key, value) for key, value in {**texts, **counts}.items())
    reasons = span.attributes.add(key="gen_ai.response.finish_reasons")
    reasons.value.array_value.values.add(string_value="stop")
    span.name = f"chat {model}"
    span.kind = Span.SPAN_KIND_CLIENT


def body_of(random: Random, spans: int = SPANS) -> bytes:
    """A request of whole traces with ids that no other has."""
    request = ExportTraceServiceRequest()
    now = time.time_ns() - 1_000_000_000
    for _ in range(spans // (CALLS_A_TRACE + 1)):
        tenant = random.randrange(TENANTS)
        resource = request.resource_spans.add()
        resource.resource.attributes.extend([_pair("service.name", "fleet"), _pair("tollbook.tenant", f"t{tenant}")])
        scope = resource.scope_spans.add()
        scope.scope.name, scope.scope.version = "opentelemetry.instrumentation.genai.openai", "1.3b0"
        trace_id, agent_id = random.randbytes(16), random.randbytes(8)
        for number in range(CALLS_A_TRACE + 1):
            span = scope.spans.add(trace_id=trace_id, start_time_unix_nano=now, end_time_unix_nano=now + 900_000_000)
            if number < CALLS_A_TRACE:
                span.span_id, span.parent_span_id = random.randbytes(8), agent_id
                _chat(span, random, tenant)
            else:
                span.span_id, span.name = agent_id, "invoke_agent planner"
                span.attributes.extend(
                    [_pair("gen_ai.operation.name", "invoke_agent"), _pair("gen_ai.agent.name", "planner")]
                )
    return request.SerializeToString()


def _send_all(stack: Stack, bodies: list[bytes]) -> float:
    """Send every body, several at once; when the first byte left."""
    address = urlsplit(stack.access.api)
    headers = {"authorization": f"Bearer {stack.access.admin_key}", "content-type": "application/x-protobuf"}

    def send(share: list[bytes]) -> None:
        connection = HTTPConnection(address.hostname or "", address.port)
        for body in share:
            connection.request("POST", "/v1/traces", body, headers)
            answer = connection.getresponse()
            if answer.status != 200 or answer.read():
                raise StoreError(f"a request was answered {answer.status}")
        connection.close()

    shares: list[list[bytes]] = [[] for _ in range(CONNECTIONS)]
    for share, body in zip(cycle(shares), bodies, strict=False):
        share.append(body)
    began = perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(send, shares))
    return began


def run(options: Options) -> Result:
    """Measure."""
    requests = 40 if options.quick else 240
    calls = requests * SPANS * CALLS_A_TRACE // (CALLS_A_TRACE + 1)
    otlp: list[float] = []
    native: list[float] = []
    cpu: dict[str, list[float]] = {}
    random = Random(os.urandom(16))
    with running() as stack, generator(target_of(stack, Traffic())) as load:
        load.send(Order(events=calls // 10))
        _send_all(stack, [body_of(random) for _ in range(max(requests // 10, CONNECTIONS))])
        for _ in range(options.runs):
            bodies = [body_of(random) for _ in range(requests)]
            stack.empty()
            stack.postgres.execute("TRUNCATE span")
            since = stack.version()
            stack.mark_cpu()
            began = _send_all(stack, bodies)
            otlp.append(calls / (stack.await_committed(calls, since) - began))
            for role, us in stack.cpu_used().us_an_event(calls).items():
                cpu.setdefault(role, []).append(us)
            stack.empty()
            since = stack.version()
            load.begin(Order(events=calls))
            committed_at = stack.await_committed(calls, since)
            native.append(calls / (committed_at - load.end().began_at))
    return _result(calls, otlp, native, cpu)


def _result(calls: int, otlp: list[float], native: list[float], cpu: dict[str, list[float]]) -> Result:
    spans_a_call = (CALLS_A_TRACE + 1) / CALLS_A_TRACE
    spans = [rate * spans_a_call for rate in otlp]
    ratios: list[Ratio] = [
        ratio_of("spans, of native events", spans, native, target=TARGET_RATIO),
        ratio_of("calls, of native events", otlp, native, target=TARGET_RATIO),
    ]
    figures = [
        Figure(name="OTLP spans, to committed", unit="spans/s", values=spans),
        Figure(name="their calls, to committed", unit="calls/s", values=otlp),
        Figure(name="native events, to committed", unit="events/s", values=native),
        *(Figure(name=f"CPU of {role}, OTLP", unit="us/call", values=us) for role, us in cpu.items()),
    ]
    notes = [
        f"{calls:,} calls a run, {int(calls * spans_a_call):,} spans.",
        "The load generators and the stores share the cores with the ledger.",
    ]
    return Result(name=NAME, title="OTLP spans, to committed", what=WHAT, figures=figures, ratios=ratios, notes=notes)
