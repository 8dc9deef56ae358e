"""The rules of the house hold, each of them can fail, and the list of exceptions only shrinks."""

import pytest

from tests.style import rules_python, rules_scripts, rules_size, rules_text, rules_words
from tests.style.exceptions import DEBTS, DEBTS_MAX, PERMITTED, Debt
from tests.style.rule import Rule
from tests.style.tree import Finding, Tree, project_tree, tree_of

RULES: tuple[Rule, ...] = (
    *rules_size.RULES,
    *rules_python.RULES,
    *rules_words.RULES,
    *rules_scripts.RULES,
    *rules_text.RULES,
)
EACH_RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@pytest.fixture(scope="module")
def tree() -> Tree:
    return project_tree()


def _excused(rule: Rule, finding: Finding) -> bool:
    place = (rule.name, finding.where)
    debt = DEBTS.get(place)
    if debt is None:
        return place in PERMITTED
    return debt.measure is None or (finding.measure or 0) <= debt.measure


@EACH_RULE
def test_the_project_keeps_the_rule(rule: Rule, tree: Tree) -> None:
    breaches = [f for f in rule.check(tree) if not _excused(rule, f)]
    if breaches:
        listing = "".join(f"\n  {f.where} (line {f.line}): {f.what}" for f in breaches)
        pytest.fail(f"{rule.name}{listing}\n  instead: {rule.instead}", pytrace=False)


@EACH_RULE
def test_the_rule_finds_what_it_bans_and_nothing_else(rule: Rule) -> None:
    assert rule.bad
    assert rule.good
    for sample in rule.bad:
        assert list(rule.check(tree_of(sample))), f"missed: {sample}"
    for sample in rule.good:
        assert not list(rule.check(tree_of(sample))), f"false alarm: {sample}"


@EACH_RULE
def test_exceptions_are_still_needed(rule: Rule, tree: Tree) -> None:
    found = {finding.where: finding for finding in rule.check(tree)}
    listed = {where for name, where in (*PERMITTED, *DEBTS) if name == rule.name}
    assert listed <= found.keys(), f"remove from exceptions.py: {sorted(listed - found.keys())}"
    for where in listed:
        debt = DEBTS.get((rule.name, where))
        if debt is not None and debt.measure is not None:
            measure = found[where].measure
            assert measure is not None
            assert measure >= debt.measure, f"lower the measure of {where} to {measure}"


def test_exceptions_name_a_rule_and_a_reason() -> None:
    names = {rule.name for rule in RULES}
    assert len(names) == len(RULES)
    assert {name for name, _ in (*PERMITTED, *DEBTS)} <= names
    assert not PERMITTED.keys() & DEBTS.keys()
    for reason in (*PERMITTED.values(), *(debt.reason for debt in DEBTS.values())):
        assert len(reason.split()) >= 4, f"say why: {reason!r}"


def test_a_debt_excuses_its_place_up_to_its_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = next(rule for rule in RULES if rule.name == "file-length")
    monkeypatch.setitem(DEBTS, (rule.name, "src/a.py"), Debt("a sample of a debt", measure=600))
    assert _excused(rule, Finding("src/a.py", 1, "long", 600))
    assert not _excused(rule, Finding("src/a.py", 1, "longer", 601))
    assert not _excused(rule, Finding("src/b.py", 1, "long", 600))


def test_the_list_of_debts_only_shrinks() -> None:
    assert len(DEBTS) == DEBTS_MAX, "lower DEBTS_MAX with each debt paid; never raise it"


def test_the_tree_holds_the_project(tree: Tree) -> None:
    assert {"pyproject.toml", "Makefile", "src/tollbook/domain/money.py"} <= tree.keys()
