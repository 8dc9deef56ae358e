"""What production code does not do: each ban closes a door that a failure once came through."""

import ast
from collections.abc import Iterator

from tests.style.rule import Rule
from tests.style.tree import FUNCTIONS, Finding, Source, dotted, each

_SRC = r"src/.*\.py$"
_ALL = r"(src|tests|bench)/.*\.py$"
_BROAD = {"Exception", "BaseException"}
_ENVIRONMENT = {"os.environ", "os.getenv", "os.putenv", "os.environb"}
_SLEEPS = {"time.sleep", "asyncio.sleep", "anyio.sleep", "sleep"}
_NAIVE = {"utcnow", "utcfromtimestamp"}


def _asserts(source: Source) -> Iterator[Finding]:
    for node in source.nodes(ast.Assert):
        yield source.finding(node, "assert, which -O removes")


def _caught(kind: ast.expr | None) -> Iterator[str]:
    if kind is None:
        yield "everything"
    elif isinstance(kind, ast.Tuple):
        for part in kind.elts:
            yield from _caught(part)
    elif dotted(kind).rpartition(".")[2] in _BROAD:
        yield dotted(kind)


def _broad_excepts(source: Source) -> Iterator[Finding]:
    for node in source.nodes(ast.ExceptHandler):
        for caught in _caught(node.type):
            yield source.finding(node, f"catches {caught}")
    for node in source.nodes(ast.Call):
        if dotted(node.func).rpartition(".")[2] == "suppress":
            for caught in (name for arg in node.args for name in _caught(arg)):
                yield source.finding(node, f"suppresses {caught}")


def _globals(source: Source) -> Iterator[Finding]:
    for node in source.nodes(ast.Global):
        yield source.finding(node, f"global {', '.join(node.names)}")


def _local_imports(source: Source) -> Iterator[Finding]:
    for function in source.nodes(*FUNCTIONS):
        for node in ast.walk(function):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                yield source.finding(node, "an import inside a function")


def _environment(source: Source) -> Iterator[Finding]:
    for node in source.nodes(ast.Attribute):
        if dotted(node) in _ENVIRONMENT:
            yield source.finding(node, f"reads {dotted(node)}")
    for node in source.nodes(ast.ImportFrom):
        if node.module == "os":
            for alias in node.names:
                if f"os.{alias.name}" in _ENVIRONMENT:
                    yield source.finding(node, f"imports os.{alias.name}")


def _sleeps(source: Source) -> Iterator[Finding]:
    for node in source.nodes(ast.Call):
        if dotted(node.func) not in _SLEEPS:
            continue
        # sleep(0) only yields to the loop; anything else bets on how fast this machine is.
        pause = node.args[0] if node.args else None
        if not (isinstance(pause, ast.Constant) and pause.value == 0):
            yield source.finding(node, f"{dotted(node.func)}({ast.unparse(pause) if pause else ''})")


def _naive_times(source: Source) -> Iterator[Finding]:
    for node in source.nodes(ast.Call):
        if not isinstance(node.func, ast.Attribute):
            continue
        owner, _, method = dotted(node.func).rpartition(".")
        if owner.rpartition(".")[2] != "datetime":
            continue
        bare_now = method == "now" and not node.args and not node.keywords
        if bare_now or method in _NAIVE:
            yield source.finding(node, f"{owner}.{method}() has no time zone")


def _at(code: str, path: str = "src/tollbook/pipeline/a.py") -> dict[str, str]:
    return {path: code}


RULES = (
    Rule(
        "assert-in-src",
        "invariant(condition, why), which raises in production too; RequestError for bad input",
        each(_SRC, _asserts),
        bad=(_at("def f(x):\n    assert x\n"),),
        good=(_at("def f(x):\n    invariant(x, 'why')\n"), _at("assert 1\n", "tests/test_a.py")),
    ),
    Rule(
        "broad-except",
        "catch the named failures of domain/errors.py; a supervisor loop is listed in exceptions.PERMITTED",
        each(_SRC, _broad_excepts),
        bad=(
            _at("try:\n    f()\nexcept:\n    pass\n"),
            _at("try:\n    f()\nexcept Exception as e:\n    pass\n"),
            _at("try:\n    f()\nexcept (KeyError, builtins.BaseException):\n    raise\n"),
            _at("with contextlib.suppress(Exception):\n    f()\n"),
        ),
        good=(
            _at("try:\n    f()\nexcept* StoreError:\n    pass\n"),
            _at("with suppress(KeyError):\n    f()\n"),
        ),
    ),
    Rule(
        "global-statement",
        "keep the state in an object that app/wiring.py builds",
        each(_ALL, _globals),
        bad=(_at("def f():\n    global x\n    x = 1\n"),),
        good=(_at("def f():\n    nonlocal_x = 1\n"),),
    ),
    Rule(
        "local-import",
        "import at the top; a cycle means that something lies in the wrong room",
        each(_SRC, _local_imports),
        bad=(_at("def f():\n    import json\n"), _at("async def f():\n    if x:\n        from a import b\n")),
        good=(_at("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import json\n"),),
    ),
    Rule(
        "environment",
        "a field of Settings in app/config.py, handed down by app/wiring.py; for the SDK, which runs in a process "
        "without app/, a field of ClientSettings",
        each(_SRC, _environment, but=r"src/tollbook/(app/config|client/settings)\.py$"),
        bad=(
            _at("import os\nx = os.environ['A']\n"),
            _at("import os\nx = os.getenv('A')\n"),
            _at("from os import environ as e\n"),
        ),
        good=(
            _at("import os\nx = os.environ\n", "src/tollbook/app/config.py"),
            _at("import os\nx = os.environ\n", "src/tollbook/client/settings.py"),
            _at("import os\nos.getpid()\n"),
        ),
    ),
    Rule(
        "sleep-in-tests",
        "wait for the event itself: a condition, a blocking read, the clock double",
        each(r"tests/.*\.py$", _sleeps),
        bad=(
            _at("time.sleep(0.1)\n", "tests/a.py"),
            _at("async def f():\n    await asyncio.sleep(pause)\n", "tests/a.py"),
        ),
        good=(_at("await asyncio.sleep(0)\n", "tests/a.py"), _at("time.sleep(1)\n")),
    ),
    Rule(
        "naive-datetime",
        "datetime.now(UTC), and only behind the clock port",
        each(_ALL, _naive_times),
        bad=(_at("x = datetime.now()\n"), _at("x = datetime.datetime.utcnow()\n")),
        good=(_at("x = datetime.now(UTC)\n"), _at("x = clock.now()\n"), _at("x = datetime.now(tz=zone)\n")),
    ),
)
