"""CPU time of decoding native events, beside parsing the same bytes into nothing in particular."""

from timeit import repeat

import msgspec

from bench.report import Figure, Options, Ratio, Result
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.native import decode

NAME = "ingest_decode"
EVENT = {
    "tenant": "acme",
    "agent": "planner/researcher#7/fetcher",
    "model": "claude-sonnet-4-5",
    "input": 12034,
    "output": 512,
    "cache_read": 8000,
    "id": "0199c2f0-7a2b-7cc3-9f6e-1f2d3c4b5a69",
    "ts": "2026-07-01T12:00:00.123Z",
    "run": "run-8812",
    "provider": "anthropic",
    "tags": {"team": "search", "env": "prod"},
}
BRIEF = ("tenant", "agent", "input", "output", "model")
BATCH = 500
LINES = "application/x-ndjson"
WHAT = (
    "CPU time an event of `ingest.native.decode`, which also validates, the best of many short runs. Baseline: "
    "`msgspec.json.decode` of the same bytes into plain dicts, which validates nothing. The figures stand in "
    "`src/tollbook/ingest/README.md`."
)


def bodies() -> dict[str, tuple[bytes, int, str]]:
    """Body, events and media type of each case."""
    one = msgspec.json.encode(EVENT)
    brief = msgspec.json.encode({name: EVENT[name] for name in BRIEF})
    distinct = [
        EVENT | {"id": f"0199c2f0-7a2b-7cc3-9f6e-{number:012}", "agent": f"planner/fetcher#{number}"}
        for number in range(BATCH)
    ]
    aliased = EVENT | {"input_tokens": EVENT["input"], "output_tokens": EVENT["output"]}
    del aliased["input"], aliased["output"]
    arrays = {
        "array of 500": [one] * BATCH,
        "array, distinct agents": [msgspec.json.encode(event) for event in distinct],
        "array, brief's five fields": [brief] * BATCH,
        "array, aliases": [msgspec.json.encode(aliased)] * BATCH,
        "array, times in ms": [msgspec.json.encode(EVENT | {"ts": 1782907200123})] * BATCH,
        "array, costs as numbers": [msgspec.json.encode(EVENT | {"cost_usd": 0.0213})] * BATCH,
        "array, not plain": [msgspec.json.encode(EVENT | {"run": "löwe"})] * BATCH,
        "array with one bad item": [*[one] * (BATCH - 1), b"{}"],
        "array with one wrong type": [*[one] * (BATCH - 1), b'{"input":"x"}'],
    }
    found = {name: (b"[" + b",".join(items) + b"]", BATCH, "application/json") for name, items in arrays.items()}
    found["500 lines"] = (b"\n".join([one] * BATCH), BATCH, LINES)
    found["single object"] = (one, 1, "application/json")
    found["single, brief's five fields"] = (brief, 1, "application/json")
    return found


def run(options: Options) -> Result:
    """Measure."""
    repeats = 10 if options.quick else 40
    limits = IntakeLimits()
    ours: dict[str, list[float]] = {}
    plain: dict[str, list[float]] = {}
    for _ in range(options.runs):
        for name, (body, events, media_type) in bodies().items():
            rounds = max(1, 5_000 // events)
            took = min(repeat(lambda b=body, m=media_type: decode(b, m, limits), number=rounds, repeat=repeats))
            ours.setdefault(name, []).append(took / rounds / events * 1e6)
            if media_type != LINES:
                took = min(repeat(lambda b=body: msgspec.json.decode(b), number=rounds, repeat=repeats))
                plain.setdefault(name, []).append(took / rounds / events * 1e6)
    figures = [Figure(name=name, unit="us/event", values=took) for name, took in ours.items()]
    figures += [Figure(name=f"{name}, plain parse", unit="us/event", values=took) for name, took in plain.items()]
    ratios = [
        Ratio(name=f"decode over plain parse, {name}", values=[a / b for a, b in zip(ours[name], took, strict=True)])
        for name, took in plain.items()
        if name in {"array of 500", "single object"}
    ]
    notes = [
        f"{name}: {len(body) // events} bytes an event." for name, (body, events, _) in bodies().items() if events == 1
    ]
    return Result(name=NAME, title="decoding an event", what=WHAT, figures=figures, ratios=ratios, notes=notes)
