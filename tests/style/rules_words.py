"""Names: money is never a float, and one thing has one word (DESIGN section 7)."""

import ast
import re
from collections.abc import Iterator

from tests.style.rule import Rule
from tests.style.tree import FUNCTIONS, Finding, Source, each, words

_MONEY = {"cost", "costs", "price", "prices", "spend", "spent", "amount", "nanos", "usd", "cents", "money"}
# A quotient of two amounts, or a time, is no amount.
_NOT_MONEY_LAST = {"ratio", "share", "fraction", "percent", "seconds"}

GLOSSARY = {
    "reservation": "hold",
    "quota": "budget",
    "charge": "entry",
    "customer": "tenant",
    "pricelist": "price book",
}


def _is_money(name: str) -> bool:
    parts = words(name)
    return bool(_MONEY.intersection(parts)) and parts[-1] not in _NOT_MONEY_LAST


def _says_float(annotation: ast.expr | None) -> bool:
    if annotation is None:
        return False
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return re.search(r"\bfloat\b", annotation.value) is not None
    return any(
        (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.Constant) and node.value == "float")
        for node in ast.walk(annotation)
    )


def _name_of(target: ast.expr) -> str:
    if isinstance(target, ast.Name):
        return target.id
    return target.attr if isinstance(target, ast.Attribute) else ""


def _float_money(source: Source) -> Iterator[Finding]:
    for node in source.nodes(ast.AnnAssign):
        if _says_float(node.annotation) and _is_money(_name_of(node.target)):
            yield source.finding(node, f"{_name_of(node.target)} is a float")
    for node in source.nodes(ast.arg):
        if _says_float(node.annotation) and _is_money(node.arg):
            yield source.finding(node, f"{node.arg} is a float")
    for node in source.nodes(*FUNCTIONS):
        if _says_float(node.returns) and _is_money(node.name):
            yield source.finding(node, f"{node.name}() is a float")
    for node in source.nodes(ast.Call):
        if _name_of(node.func) == "float" and node.args and _is_money(_name_of(node.args[0])):
            yield source.finding(node, f"float({_name_of(node.args[0])})")


def _defined(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Names that this file chooses; names of libraries and wire formats are only used, not chosen."""
    for node in source.nodes(*FUNCTIONS, ast.ClassDef):
        yield node, node.name
    for node in source.nodes(ast.arg):
        yield node, node.arg
    for node in source.nodes(ast.Name, ast.Attribute):
        if isinstance(node.ctx, ast.Store):
            yield node, _name_of(node)


def _synonym(name: str) -> Iterator[str]:
    for word in words(name):
        single = word.removesuffix("s")
        if single in GLOSSARY:
            yield f"{name!r}: the word is {GLOSSARY[single]!r}"


def _glossary_python(source: Source) -> Iterator[Finding]:
    for node, name in _defined(source):
        for what in _synonym(name):
            yield source.finding(node, what)


def _glossary_scripts(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.lines, 1):
        for name in re.findall(r"[A-Za-z_]\w*", line.partition("--")[0]):
            for what in _synonym(name):
                yield Finding(source.path, number, what)


def _at(code: str) -> dict[str, str]:
    return {"src/tollbook/domain/a.py": code}


RULES = (
    Rule(
        "float-money",
        "int nano-dollars (Nanos) for amounts, Decimal or an integer ratio for prices",
        each(r"(src|bench)/.*\.py$", _float_money),
        bad=(
            _at("class A:\n    cost_usd: float\n"),
            _at("def f(price: 'float | None'): ...\n"),
            _at("def spend_of(x) -> dict[str, float]: ...\n"),
            _at("x = float(entry.cost_nanos)\n"),
            _at("self.amount: float = 0\n"),
        ),
        good=(
            _at("def f(cost_nanos: int, seconds: float) -> float: ...\n"),
            _at("spent_ratio: float = 0.5\nx = float(timeout)\n"),
        ),
    ),
    Rule(
        "glossary",
        "the word of DESIGN's glossary, the same in code, SQL, HTTP and docs",
        each(r"src/.*\.py$", _glossary_python),
        bad=(
            _at("class QuotaState: ...\n"),
            _at("def f(customer): ...\n"),
            _at("self.open_reservations = 1\n"),
            _at("for charge in x: ...\n"),
        ),
        good=(_at("class Hold: ...\nx = response.quota\n"), _at("discharged = 1\n")),
    ),
    Rule(
        "glossary-scripts",
        "the word of DESIGN's glossary, the same in code, SQL, HTTP and docs",
        each(r"src/.*\.(sql|lua)$", _glossary_scripts),
        bad=({"src/tollbook/ledger/queries/a.sql": "-- x\nSELECT customer_id FROM t\n"},),
        good=({"src/tollbook/ledger/queries/a.sql": "-- a customer says\nSELECT tenant_id FROM t\n"},),
    ),
)
