"""A server across the network that speaks docs/rooms/gate.md: one budget of dollars, flat prices."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tollbook.domain.money import nanos_from_usd, usd_text

INPUT_NANOS = 1_000
OUTPUT_NANOS = 4_000
STEP_TOKENS = 1_024
_ENDS = "2099-01-01T00:00:00Z"


class Gate:
    """The budget and its holds; every method that decides takes the lock."""

    def __init__(self, limit_nanos: int) -> None:
        self.lock = threading.Lock()
        self.limit = limit_nanos
        self.spent = 0
        self.holds: dict[str, int] = {}
        self.by_caller: dict[str, str] = {}
        self.consumed: set[str] = set()
        self.events: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.highest = 0
        self.answers: list[tuple[int, dict[str, Any] | None]] = []
        """Answers to give before any other, oldest first: (status, body); status 0 cuts the connection."""
        self.watchers: list[queue.SimpleQueue[str | None]] = []
        self.state: dict[str, Any] = {"tenant": "acme", "throttled": False, "budgets": [], "version": 0}
        self.numbered = 0
        self.gone: set[str] = set()
        self.moved = threading.Condition()

    def note(self, method: str, path: str, body: Any) -> None:
        """Keep what was asked, and wake who waits for it."""
        with self.moved:
            self.requests.append((method, path, body))
            self.moved.notify_all()

    def await_request(self, method: str, start: str, count: int = 1) -> list[tuple[str, str, Any]]:
        """Wait until so many requests of a method on a path came; all of them."""

        def found() -> list[tuple[str, str, Any]]:
            return [one for one in self.requests if one[0] == method and one[1].startswith(start)]

        with self.moved:
            assert self.moved.wait_for(lambda: len(found()) >= count, 30), self.requests
            return found()

    def await_events(self, count: int) -> None:
        """Wait until so many events are booked."""
        with self.moved:
            assert self.moved.wait_for(lambda: len(self.events) >= count, 30), len(self.events)

    @property
    def held(self) -> int:
        """What open holds and leases hold."""
        return sum(self.holds.values())

    def hold(self, body: dict[str, Any], *, reserve: bool) -> tuple[int, dict[str, Any]]:
        """Decide a call."""
        with self.lock:
            known = self.by_caller.get(body.get("id", ""))
            if known is not None:
                return 200, self._allow(known, body)
            output = body.get("max_output_tokens", STEP_TOKENS)
            least = body.get("min_output_tokens", output)
            given = body.get("input_tokens", 0) * INPUT_NANOS
            room = self.limit - self.spent - self.held
            if self.spent >= self.limit:
                return 402, self._refusal("spent")
            if given + least * OUTPUT_NANOS > room:
                whole = given + least * OUTPUT_NANOS > self.limit - self.spent
                return (402, self._refusal("spent")) if whole else (429, self._refusal("busy", retry_ms=20))
            granted = min(output, (room - given) // OUTPUT_NANOS)
            if not reserve:
                return 200, {"decision": "allow", "granted_max_output_tokens": granted, "detail": ""}
            hold_id = self._open(given + granted * OUTPUT_NANOS)
            self.by_caller[body.get("id", "")] = hold_id
            return 200, self._allow(hold_id, {**body, "granted": granted})

    def lease(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Grant an eighth of the room at most, one call at least."""
        with self.lock:
            output = body.get("max_output_tokens", STEP_TOKENS)
            one = body.get("input_tokens", 0) * INPUT_NANOS + output * OUTPUT_NANOS
            room = self.limit - self.spent - self.held
            if one > room:
                return 429, self._refusal("busy", retry_ms=20)
            amount = max(one, min(one * body["calls"], room // 8))
            lease_id = self._open(amount)
            rates = {"input_nanos_per_token": INPUT_NANOS, "output_nanos_per_token": OUTPUT_NANOS}
            lease = {"id": lease_id, "amount_usd": usd_text(amount), "tokens": None, "calls": None}
            return 200, {"decision": "allow", "lease": {**lease, "expires_at": _ENDS, "rates": rates}, "detail": ""}

    def extend(self, hold_id: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Another life, another size."""
        with self.lock:
            if hold_id not in self.holds or hold_id in self.gone:
                return 404, {"code": "not_found", "detail": "no such hold is open"}
            output = body.get("output_tokens")
            if output is not None:
                if output * OUTPUT_NANOS > self.limit - self.spent - self.held + self.holds[hold_id]:
                    return 429, self._refusal("busy", retry_ms=20)
                self.holds[hold_id] = output * OUTPUT_NANOS
                self._look()
            return 200, self._allow(hold_id, {"granted": output})

    def release(self, hold_id: str, keep_nanos: int) -> tuple[int, dict[str, Any]]:
        """Give back all but what is to be kept."""
        with self.lock:
            if self.holds.pop(hold_id, None) is None:
                return 404, {"code": "not_found", "detail": "no such hold is open"}
            if keep_nanos:
                self.holds[hold_id] = keep_nanos
            return 200, {"id": hold_id, "state": "released"}

    def book(self, events: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        """Book what is new; an event of the model `bad` is refused."""
        rejected = []
        with self.moved:
            with self.lock:
                for index, event in enumerate(events):
                    if event["model"] == "bad":
                        rejected.append({"index": index, "code": "field_invalid", "detail": "a bad model"})
                    elif event["id"] not in self.events:
                        self.events[event["id"]] = event
                        self._count(event)
            self.moved.notify_all()
        if len(rejected) == len(events):
            return 422, {"code": "field_invalid", "accepted": 0, "rejected": rejected}
        return 202, {"accepted": len(events) - len(rejected), "rejected": rejected}

    def _count(self, event: dict[str, Any]) -> None:
        cost = event["input"] * INPUT_NANOS + event["output"] * OUTPUT_NANOS
        self.spent += cost
        name, _, part = event.get("hold", "").partition(".")
        if part and name in self.holds:
            assert event["hold"] not in self.consumed
            self.consumed.add(event["hold"])
            self.holds[name] = max(0, self.holds[name] - cost)
        else:
            self.holds.pop(name, None)
        self._look()

    def push(self, *, throttled: bool = False, budgets: list[dict[str, Any]] | None = None) -> None:
        """Tell every watcher a new state."""
        with self.moved:
            version = self.state["version"] + 1
            self.state = {**self.state, "throttled": throttled, "budgets": budgets or [], "version": version}
            for watcher in self.watchers:
                watcher.put(f"event: state\ndata: {json.dumps(self.state)}\n\n")

    def hang_up(self) -> None:
        """End every watcher's stream."""
        with self.moved:
            for watcher in self.watchers:
                watcher.put(None)
            self.watchers.clear()

    def _open(self, nanos: int) -> str:
        self.numbered += 1
        hold_id = f"hold-{self.numbered}"
        self.holds[hold_id] = nanos
        self._look()
        return hold_id

    def _look(self) -> None:
        self.highest = max(self.highest, self.spent + self.held)

    def _allow(self, hold_id: str, body: dict[str, Any]) -> dict[str, Any]:
        hold = {"id": hold_id, "amount_usd": usd_text(self.holds[hold_id]), "expires_at": _ENDS}
        granted = body.get("granted", body.get("max_output_tokens"))
        less = granted is not None and granted < body.get("max_output_tokens", granted)
        decision = "allow_degraded" if less else "allow"
        return {"decision": decision, "hold": hold, "granted_max_output_tokens": granted, "detail": ""}

    def _refusal(self, decision: str, **more: Any) -> dict[str, Any]:
        facts = {
            "id": "daily", "tenant": "acme", "scope": "tenant", "match": "*", "window": "day", "unit": "usd",
            "limit": usd_text(self.limit), "spent": usd_text(self.spent), "held": usd_text(self.held),
            "reset_at": _ENDS,
        }  # fmt: skip
        return {"decision": decision, "code": f"budget_{decision}", "budget": facts, "detail": "no room", **more}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gate: Gate

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        path, gate = urlsplit(self.path).path, self.gate
        gate.note(self.command, self.path, body)
        if path == "/v1/watch":
            self._watch()
            return
        with gate.lock:
            planned = gate.answers.pop(0) if gate.answers else None
        if planned is not None and planned[0] == 0:
            self.close_connection = True
            self.connection.close()
            return
        status, answer = planned if planned is not None else self._route(path, body)
        sent = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815 - the names that http.server calls

    def _route(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        gate = self.gate
        hold_id = path.rpartition("/")[2]
        keep = parse_qs(urlsplit(self.path).query).get("keep_usd", ["0"])[0]
        match self.command, path.removesuffix(f"/{hold_id}") if self.command in ("PATCH", "DELETE") else path:
            case "POST", "/v1/holds":
                return gate.hold(body, reserve=True)
            case "POST", "/v1/check":
                return gate.hold(body, reserve=False)
            case "POST", "/v1/leases":
                return gate.lease(body)
            case "POST", "/v1/events":
                return gate.book(body)
            case "PATCH", "/v1/holds":
                return gate.extend(hold_id, body)
            case "DELETE", "/v1/holds":
                return gate.release(hold_id, int(nanos_from_usd(keep)))
        return 404, {"code": "not_found", "detail": "no such route"}

    def _watch(self) -> None:
        states: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        with self.gate.moved:
            self.gate.watchers.append(states)
            states.put(f": hello\n\nevent: state\ndata: {json.dumps(self.gate.state)}\n\n")
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        while (state := states.get()) is not None:
            try:
                self.wfile.write(state.encode())
                self.wfile.flush()
            except OSError:
                return


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


@contextmanager
def serving(limit_usd: str = "50", port: int = 0) -> Iterator[tuple[str, Gate]]:
    """The server's address and its gate."""
    gate = Gate(int(nanos_from_usd(limit_usd)))
    server = _Server(("127.0.0.1", port), type("Handler", (_Handler,), {"gate": gate}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", gate
    finally:
        gate.hang_up()
        server.shutdown()
        thread.join()
        server.server_close()
