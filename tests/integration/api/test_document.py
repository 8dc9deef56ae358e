"""The OpenAPI document is one that generators make a client of; `make ecosystem` makes and drives one."""

import re
from typing import Any

import pytest

from tests.world import World


@pytest.fixture
def document(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(method, one) for item in document["paths"].values() for method, one in item.items()]


def test_an_operation_is_called_as_a_method_of_a_client_would_be(document: dict[str, Any]) -> None:
    for method, operation in operations(document):
        name = operation["operationId"]
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name), name
        assert name.startswith("get_") == (method == "get"), name


def test_a_schema_is_called_as_a_class_would_be(document: dict[str, Any]) -> None:
    """Two types of one name would get their modules into their names, and generators lose them."""
    assert [name for name in document["components"]["schemas"] if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name)] == []


def test_a_parameter_is_there_or_not_and_never_null(document: dict[str, Any]) -> None:
    parameters = [one for _, operation in operations(document) for one in operation.get("parameters", ())]
    assert len(parameters) > 40
    for parameter in parameters:
        assert {"type": "null"} not in parameter["schema"].get("oneOf", ()), parameter
        assert parameter["required"] or parameter["in"] != "path"


def test_every_refusal_is_a_problem_document(document: dict[str, Any]) -> None:
    for _, operation in operations(document):
        refusals = {code: said for code, said in operation["responses"].items() if code >= "400"}
        for code, said in refusals.items():
            media = set(said.get("content", {"application/problem+json": None}))
            otlp = operation["operationId"] in {"send_traces", "send_logs", "send_metrics"}
            assert otlp or media == {"application/problem+json"}, (operation["operationId"], code)
        if operation.get("security"):
            assert "401" in refusals, operation["operationId"]
