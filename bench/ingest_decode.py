"""CPU time of decoding native events: `python bench/ingest.py` prints microseconds an event, best of many."""

import timeit

import msgspec

from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.native import decode

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


def _report(name: str, body: bytes, events: int, media_type: str = "application/json") -> None:
    limits = IntakeLimits()
    rounds = max(1, 5000 // events)
    best = min(timeit.repeat(lambda: decode(body, media_type, limits), number=rounds, repeat=40))
    print(f"{name:28} {best / rounds / events * 1e6:6.2f} us/event  {len(body) // events} bytes/event")


def main() -> None:
    one = msgspec.json.encode(EVENT)
    brief = msgspec.json.encode({name: EVENT[name] for name in BRIEF})
    distinct = [
        EVENT | {"id": f"0199c2f0-7a2b-7cc3-9f6e-{number:012}", "agent": f"planner/fetcher#{number}"}
        for number in range(BATCH)
    ]
    aliased = EVENT | {"input_tokens": EVENT["input"], "output_tokens": EVENT["output"]}
    del aliased["input"], aliased["output"]
    _report("array of 500", b"[" + b", ".join([one] * BATCH) + b"]", BATCH)
    _report("array, distinct agents", msgspec.json.encode(distinct), BATCH)
    _report("array, brief's five fields", b"[" + b",".join([brief] * BATCH) + b"]", BATCH)
    _report("array, aliases", msgspec.json.encode([aliased] * BATCH), BATCH)
    _report("array, times in ms", msgspec.json.encode([EVENT | {"ts": 1782907200123}] * BATCH), BATCH)
    _report("array, costs as numbers", msgspec.json.encode([EVENT | {"cost_usd": 0.0213}] * BATCH), BATCH)
    _report("array, not plain", msgspec.json.encode([EVENT | {"run": "löwe"}] * BATCH), BATCH)
    _report("array with one bad item", b"[" + b",".join([one] * (BATCH - 1)) + b",{}]", BATCH)
    _report("array with one wrong type", b"[" + b",".join([one] * (BATCH - 1)) + b',{"input":"x"}]', BATCH)
    _report("500 lines", b"\n".join([one] * BATCH), BATCH, "application/x-ndjson")
    _report("single object", one, 1)
    _report("single, brief's five fields", brief, 1)


if __name__ == "__main__":
    main()
