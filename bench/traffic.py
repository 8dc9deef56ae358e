"""Bodies of requests, made once and given new ids in place.

Every event of a body is padded to one width, so that a digit of all 500 ids is one strided write: a body costs the
sender 20 microseconds, a hundredth of what the ledger spends on it.
"""

import os
from random import Random
from time import time

import msgspec

from tollbook.app.fleet import FLEET, drawn

AGENTS = (
    "planner",
    "planner/researcher#1",
    "planner/researcher#2",
    "planner/researcher#3/fetcher",
    "planner/writer",
    "reviewer",
)
MODELS = tuple(dict.fromkeys(model for tenant in FLEET for model in tenant.models))
ZIPF_S = 1.1
_STEP = 7_919
"""A prime: hot tenants are not neighbours by name."""
_RUN_BODIES = 64
_EVENT = (
    '{"id":"%(high)8s-%(low)04x-%(version)s%(sender)03x-8%(sender)03x-%(nonce)8s%(index)04x","run":"run-%(run)06d",'
    '"tenant":"%(tenant)s","agent":"%(agent)s","model":"%(model)s","input":%(input)d,"output":%(output)d}'
)
_ID_AT = len('{"id":"')
_NONCE_AT = _ID_AT + 24
_RUN_AT = _ID_AT + 36 + len('","run":"run-')
_SPREAD = tuple(bytes([code]) for code in range(128))


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent: how many tenants, how they are drawn, how many events a body holds.

    `ids` is v7 (the id carries its own time, as tollbook's client mints them) or v4 (it carries none). One event is
    sent as an object, several as an array.
    """

    batch: int = 500
    tenants: int = 100
    draw: str = "uniform"
    ids: str = "v7"
    pool: int = 64
    seed: int = 1


def tenant_name(number: int) -> str:
    """The tenant of a number."""
    return f"tenant-{number:06d}"


def draw_tenant(random: Random, tenants: int, draw: str) -> int:
    """One tenant: any alike, or by a continuous Zipf law with the exponent ZIPF_S, the ranks scattered."""
    if draw == "uniform":
        return random.randrange(tenants)
    tail = 1 - ZIPF_S
    rank = int((1 + random.random() * (tenants**tail - 1)) ** (1 / tail)) - 1
    return min(rank, tenants - 1) * _STEP % tenants


class Bodies:
    """An endless supply of distinct bodies of one kind of traffic."""

    def __init__(self, traffic: Traffic) -> None:
        random = Random(traffic.seed)
        # Two senders never mint the same id, nor one sender after a restart.
        sender = int.from_bytes(os.urandom(2), "big") & 0xFFF
        events = [
            [_event(traffic, random, sender, index) for index in range(traffic.batch)] for _ in range(traffic.pool)
        ]
        self._width = max(len(event) for body in events for event in body) + 1
        self._bodies = [self._joined(body) for body in events]
        self._spread = [code * traffic.batch for code in _SPREAD]
        self._batch = traffic.batch
        self._timed = traffic.ids == "v7"
        self._next = int.from_bytes(os.urandom(2), "big") << 16
        self._made = 0

    def next(self) -> bytes:
        """A body with ids that no other has."""
        self._next = (self._next + 1) & 0xFFFF_FFFF
        body = self._bodies[self._made % len(self._bodies)]
        self._made += 1
        if self._timed:
            # The upper 32 of the 48 bits of milliseconds; the lower ones differ event by event, within the last minute.
            self._write(body, _ID_AT, b"%08x" % ((int(time() * 1000) >> 16) - 1))
        else:
            self._write(body, _ID_AT, os.urandom(4).hex().encode())
        self._write(body, _NONCE_AT, b"%08x" % self._next)
        self._write(body, _RUN_AT, b"%06d" % (self._made // _RUN_BODIES))
        return bytes(body) if self._batch > 1 else bytes(body[1:-1])

    def _joined(self, events: list[bytes]) -> bytearray:
        body = bytearray(b"[" + b"".join(event + b",".rjust(self._width - len(event)) for event in events))
        body[-1] = ord("]")
        return body

    def _write(self, body: bytearray, at: int, text: bytes) -> None:
        for position, code in enumerate(text, 1 + at):
            body[position :: self._width] = self._spread[code]


def _event(traffic: Traffic, random: Random, sender: int, index: int) -> bytes:
    tenant = draw_tenant(random, traffic.tenants, traffic.draw)
    sizes = FLEET[tenant % len(FLEET)].workload
    return (
        _EVENT
        % {
            "high": "0" * 8,
            "low": random.getrandbits(16),
            "version": traffic.ids[1:],
            "sender": sender,
            "nonce": "0" * 8,
            "index": index,
            "run": 0,
            "tenant": tenant_name(tenant),
            "agent": random.choice(AGENTS),
            # Two models a tenant, as fleets have them.
            "model": MODELS[(tenant + random.randrange(2)) % len(MODELS)],
            "input": drawn(sizes[0], random.random()),
            "output": drawn(sizes[1], random.random()),
        }
    ).encode()
