"""Real payloads, broken in one of many ways; the seed gives the same again."""

import json
import random
from collections.abc import Iterator
from typing import Any

from tests.payloads import Payload

_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**31,
    2**63,
    10**40,
    1e308,
    0.5,
    "",
    " ",
    "\x00",
    "\ud800",
    "a:b",
    "x" * 600,
    "1e999999",
    [],
    {},
    [[]],
    {"usage": 1},
    "2026-11-28T00:00:00Z",
)


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        yield from _places(one, (*way, name))


def _changed(value: Any, way: tuple[Any, ...], chance: random.Random) -> Any:
    if not way:
        return chance.choice(_VALUES)
    copy = dict(value) if isinstance(value, dict) else list(value)
    head, rest = way[0], way[1:]
    if not rest and chance.random() < 0.3:
        del copy[head]
    elif not rest and isinstance(copy, dict) and chance.random() < 0.2:
        copy[f"{head}_"] = copy.pop(head)
    else:
        copy[head] = _changed(copy[head], rest, chance)
    return copy


def _documents(payload: Payload) -> list[Any] | None:
    try:
        return [json.loads(payload.body)]
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in payload.body.splitlines()]
    except ValueError:
        return None


def mutated(payload: Payload, count: int, seed: int) -> Iterator[bytes]:
    """So many bodies made of one payload: fields replaced, renamed, left out, doubled; bytes cut, turned, repeated."""
    chance = random.Random(f"{payload.name} {seed}")
    documents = _documents(payload)
    for _ in range(count):
        if documents is None or chance.random() < 0.25:
            yield _of_bytes(payload.body, chance)
            continue
        made = list(documents)
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(len(made))
            made[place] = _changed(made[place], chance.choice(list(_places(made[place]))), chance)
        if chance.random() < 0.2:
            made = [made] if chance.random() < 0.5 else made * 2
        yield "\n".join(json.dumps(one, ensure_ascii=chance.random() < 0.5) for one in made).encode("utf-8", "replace")


def _of_bytes(body: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(body))
    match chance.randrange(5):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]
        case 2:
            return body[:at] + body[chance.randrange(len(body)) :]
        case 3:
            return body[:at] + b"[" * chance.choice([3, 70, 3000]) + body[at:]
        case _:
            return body[:at] + body[at : at + chance.randrange(200)] * 3 + body[at:]
