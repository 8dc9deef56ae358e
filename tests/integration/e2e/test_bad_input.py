"""Whatever is sent, the answer is one that the documentation knows, and the ledger holds exactly what was accepted."""

import http.client
import json
import select
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.docs.tables import table_under
from tests.integration.e2e import hostile
from tests.integration.e2e.hostile import BOUND, ENCODING_HEADERS, VICTIM, Sent
from tests.integration.e2e.running import PATIENCE_S, Ledger, running

LANES = 4
TOGETHER = 5
STATUSES = {
    code: {int(cells[0])}
    for heading in ("Refusals", "Answers of the API")
    for code, cells in table_under("errors.md", heading).items()
}
# A code of an item can be the answer of the whole request, then with its own status; request_invalid is in two tables.
EVENT = {"tenant": "trent", "agent": "a", "input": 1, "output": 1, "model": "gpt-4o"}


class Front:
    """The door of one ledger: keeps connections alive, judges each answer, and counts what they accepted."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.accepted = 0
        self.answers = 0
        self.codes: set[str] = set()
        self.pool = ThreadPoolExecutor(LANES)
        self._lock = threading.Lock()
        self._connections: dict[int, http.client.HTTPConnection] = {}
        self._keys = self._made_keys()
        token = ledger.webhook.rpartition("/")[2]
        bound = self._made("/v1/webhooks", source="bound", tenant=BOUND)
        self._paths = {
            "events": "/v1/events",
            "webhook": f"/webhook/receive/{token}",
            "bound": bound["receive_path"],
            "unknown": f"/webhook/receive/{uuid4()}",
        }

    def _made_keys(self) -> dict[str, str | None]:
        made = {
            role: self._made("/v1/keys", role=role.split()[0], **extra)
            for role, extra in (("ingest", {}), ("read", {}), ("ingest bound", {"tenant": BOUND}), ("ingest gone", {}))
        }
        gone = self.ledger.http.delete(
            f"{self.ledger.api}/v1/keys/{made['ingest gone']['key_id']}", headers=self.ledger.bearer, timeout=PATIENCE_S
        )
        assert gone.status_code == 204, gone.text
        return {
            "admin": self.ledger.bearer["Authorization"],
            "ingest": f"bearer {made['ingest']['key']}",
            "read": f"Bearer {made['read']['key']}",
            "bound": f"Bearer {made['ingest bound']['key']}",
            "revoked": f"Bearer {made['ingest gone']['key']}",
            "garbage": "Bearer tb_\xff_\xfe",
            "basic": "Basic dTpw",
            "none": None,
        }

    def _made(self, path: str, **body: str) -> Any:
        url = f"{self.ledger.api}{path}"
        answer = self.ledger.http.post(url, json=body, headers=self.ledger.bearer, timeout=PATIENCE_S)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def close(self) -> None:
        """Let the connections go."""
        self.pool.shutdown()
        for connection in self._connections.values():
            connection.close()

    def exchange(self, sent: Sent) -> None:
        """Send a request, once or again, and judge what comes back."""
        body = sent.with_ids()
        headers = [(name, value.replace("{id}", uuid4().hex)) for name, value in sent.headers if value]
        if sent.encoding:
            headers.append(("Content-Encoding", ENCODING_HEADERS.get(sent.encoding, sent.encoding)))
        authorization = self._keys[sent.key]
        if authorization is not None and sent.route == "events":
            headers.append(("Authorization", authorization))
        accepted = self.judged(sent, *self._sent(sent, headers, body))
        if sent.again and accepted:
            assert self.judged(sent, *self._sent(sent, headers, body)) == accepted
        with self._lock:
            self.accepted += accepted
            self.answers += 1

    def _sent(self, sent: Sent, headers: list[tuple[str, str]], body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        connection = self._connections.get(threading.get_ident())
        if connection is None:
            at = urlsplit(self.ledger.api)
            connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=PATIENCE_S)
            self._connections[threading.get_ident()] = connection
        try:
            return self._exchanged(connection, sent, headers, body)
        except OSError:
            # What it says next would belong to this request.
            connection.close()
            raise

    def _exchanged(
        self, connection: http.client.HTTPConnection, sent: Sent, headers: list[tuple[str, str]], body: bytes
    ) -> tuple[http.client.HTTPResponse, bytes]:
        query = f"?ack={sent.ack}" if sent.ack else ""
        connection.putrequest(sent.method, self._paths[sent.route] + query)
        for name, value in headers:
            connection.putheader(name, value.encode("latin-1"))
        if sent.chunked:
            connection.putheader("Transfer-Encoding", "chunked")
            pieces = [body[: len(body) // 2], body[len(body) // 2 :]]
            connection.endheaders(iter([piece for piece in pieces if piece]), encode_chunked=True)
        else:
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
        answer = connection.getresponse()
        return answer, answer.read()

    def judged(self, sent: Sent, answer: http.client.HTTPResponse, body: bytes) -> int:
        """How many events an answer says were accepted; fails where it is none that the documentation knows."""
        facts = (sent, answer.status, body[:500])
        if answer.status in {200, 202}:
            said = json.loads(body)
            assert sent.route != "unknown", facts
            assert sent.route != "events" or (sent.key in {"admin", "ingest", "bound"} and sent.method == "POST"), facts
            indexes = [item["index"] for item in said["rejected"]]
            assert indexes == sorted(set(indexes)), facts
            codes = {item["code"] for item in said["rejected"]}
            assert codes <= STATUSES.keys(), facts
            self.codes |= codes
            return int(said["accepted"])
        assert 400 <= answer.status < 500, facts
        assert answer.headers["content-type"] == "application/problem+json", facts
        if sent.method == "HEAD":
            return 0
        problem = json.loads(body)
        assert problem["status"] == answer.status, facts
        assert answer.status in STATUSES[problem["code"]], facts
        assert "accepted" not in problem or problem["accepted"] == 0, facts
        self.codes.add(problem["code"])
        if sent.route == "unknown":
            assert answer.status == 404, facts
        elif sent.route == "events" and sent.method == "POST" and sent.key in {"revoked", "none", "garbage", "basic"}:
            assert answer.status == 401, facts
        elif sent.route == "events" and sent.method == "POST" and sent.key == "read":
            assert answer.status == 403, facts
        return 0


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A ledger of its own: what it holds in the end is compared with what the answers said."""
    with running(tmp_path_factory.mktemp("front") / "data") as ledger:
        door = Front(ledger)
        yield door
        door.close()


def check_ledger(front: Front) -> None:
    """The ledger holds what the answers accepted, once, and each of its sums agrees."""
    ledger = front.ledger
    ledger.await_drained()
    ((entries, nanos),) = ledger.rows("SELECT count(*), sum(cost_nanos)::bigint FROM entry")
    assert entries == front.accepted
    for table in ("daily_spend", "rollup_hour"):
        assert ledger.rows(f"SELECT sum(calls)::bigint, sum(cost_nanos)::bigint FROM {table}") == [(entries, nanos)]
    assert ledger.rows("SELECT 1 FROM entry WHERE tenant = $1", VICTIM) == []
    assert ledger.rows("SELECT code, detail FROM dead_letter") == []
    for tenant, day, cents in ledger.rows("SELECT tenant_id, day, cents FROM daily_spend WHERE window_end > now()"):
        with ledger.valkey() as store:
            assert store.get(f"spend:{tenant}:{day}") == str(cents)
    for log in ("serve.log", "drain.log"):
        assert "Traceback" not in (ledger.data / log).read_text()


def bombard(front: Front, rounds: int) -> None:
    """Send rounds of requests, a few at once on connections kept alive."""

    # Without shrinking: the failing request is in the message, and a server that has state gives no smaller one.
    @settings(
        max_examples=rounds,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
    )
    @given(st.lists(hostile.requests(), min_size=TOGETHER, max_size=TOGETHER))
    def run(together: list[Sent]) -> None:
        for done in [front.pool.submit(front.exchange, sent) for sent in together]:
            done.result()

    before = front.answers
    run()
    # A drawing that repeats an earlier one is not run again, hence not quite all.
    assert front.answers - before >= rounds * TOGETHER * 0.9
    assert front.accepted > 0
    check_ledger(front)


@pytest.mark.timeout(600)
def test_every_answer_is_documented_and_nothing_is_half_counted(front: Front) -> None:
    """Two thousand bodies and headers gone wrong in every way that `hostile` knows."""
    bombard(front, 400)
    reached = {"json_invalid", "field_invalid", "too_deep", "encoding_invalid", "media_type_unsupported"}
    assert reached | {"unauthorized", "tenant_forbidden", "not_found", "method_not_allowed"} <= front.codes
    assert front.accepted > front.answers / 5, "most were refused before their events were looked at"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_bodies(front: Front) -> None:
    """The same, for longer."""
    bombard(front, 2_000)


def raw(ledger: Ledger, text: bytes) -> bytes:
    """What the server answers to some bytes until it closes the connection, the start of it."""
    at = urlsplit(ledger.api)
    with socket.create_connection((at.hostname or "", at.port or 0), timeout=PATIENCE_S) as connection:
        connection.sendall(text)
        return connection.recv(65_536)


@pytest.mark.parametrize(
    "text",
    [
        b"GARBAGE\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n{}{}",
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nA: \x00\r\nContent-Length: 0\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"POST /webhook/receive/%FF%C3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /webhook/receive/\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /v1/tenants/%ED%A0%80/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/none HTTP/1.1\r\n" + b"A: b\r\n" * 5_000 + b"\r\n",
    ],
    ids=["garbage", "negative", "two lengths", "nul", "chunk", "utf8", "byte", "surrogate", "long", "many"],
)
def test_what_is_no_http_is_refused(ledger: Ledger, text: bytes) -> None:
    """The server below answers such requests itself, with a 4xx, and goes on."""
    first, _, _ = raw(ledger, text).partition(b"\r\n")
    assert first == b"" or 400 <= int(first.split()[1]) < 500, first
    assert ledger.get("/healthz")["ok"]


@pytest.mark.parametrize("route", ["/v1/events", "webhook"])
def test_a_body_beyond_the_bound_is_told_so(ledger: Ledger, route: str) -> None:
    """The sender gets the 413 itself, not a connection cut while it still sends."""
    url = ledger.webhook if route == "webhook" else f"{ledger.api}{route}"
    body = json.dumps([EVENT]).encode() + b" " * (6 << 20)
    answer = ledger.http.post(url, data=body, headers=ledger.bearer, timeout=PATIENCE_S)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    chunked = ledger.http.post(
        url, data=iter([body[: 3 << 20], body[3 << 20 :]]), headers=ledger.bearer, timeout=PATIENCE_S
    )
    assert (chunked.status_code, chunked.json()["code"]) == (413, "body_too_large")


def test_a_refusal_waits_for_the_body(ledger: Ledger) -> None:
    """A 401 before the body is in would close the connection under its sender, who would never see it."""
    at = urlsplit(ledger.api)
    with socket.create_connection((at.hostname or "", at.port or 0), timeout=PATIENCE_S) as connection:
        connection.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{}")
        readable, _, _ = select.select([connection], [], [], 0.5)
        assert not readable, connection.recv(200)
        connection.sendall(b"{}POST /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        with connection.makefile("rb") as answers:
            assert answers.read().count(b"HTTP/1.1 401 ") == 2, "the connection serves the next request"
