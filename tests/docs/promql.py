"""Reads PromQL: which metrics an expression names, with which labels."""

from typing import Any, NamedTuple

import promql_parser

VARIABLES = {"$__rate_interval": "5m", "$__interval": "1m", "$__range": "1h"}


class Named(NamedTuple):
    """What an expression names: metrics with the labels matched on each, and labels that sums are kept apart by."""

    metrics: list[tuple[str, set[str]]]
    groupings: set[str]


def named(expression: str) -> Named:
    """What an expression names; variables of Grafana stand for what they would be. Raises `ValueError` on none."""
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    found = Named([], set())

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.metrics.append((node.name, {matcher.name for matcher in node.matchers.matchers}))
        # The walk goes past the selector of a range.
        elif isinstance(node, promql_parser.MatrixSelector):
            visit(node.vector_selector)
        elif isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            found.groupings.update(node.modifier.labels)

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found
