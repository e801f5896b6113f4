"""The OpenAPI document says all of every route, by example too, and the types made from it hold."""

from typing import Any

import jsonschema
import pytest

from gateway.app import routed, table
from gateway.examples import example_of

DOCUMENT = routed(table()).openapi()
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]
SCHEMAS = DOCUMENT["components"]["schemas"]


def bodies(operation: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(where, content) of what goes in and what comes out when all is well."""
    holders = [("body", operation.get("requestBody", {}))]
    holders += [(status, answer) for status, answer in operation["responses"].items()]
    return [(where, content) for where, holder in holders for content in holder.get("content", {}).values()]


# Their answer is in headers, or not of one kind.
NO_BODY = {"POST /events"}


@pytest.mark.parametrize(("title", "operation"), OPERATIONS, ids=[title for title, _ in OPERATIONS])
def test_a_route_has_a_summary_and_valid_examples(title: str, operation: dict[str, Any]) -> None:
    assert operation.get("description") or operation.get("summary"), "a sentence of what it does"
    answers = [answer for status, answer in operation["responses"].items() if status[0] == "2" and status != "204"]
    assert title in NO_BODY or all("content" in answer for answer in answers), "its answer has no type"
    for where, content in bodies(operation):
        if "example" not in content and "examples" not in content:
            # Says which field lacks one.
            example_of(content.get("schema", {}), SCHEMAS)
            pytest.fail(f"{title}: {where} has no example: give its answer a type, or its operation an example")
        examples = [one["value"] for one in content.get("examples", {}).values()] or [content["example"]]
        for example in examples:
            jsonschema.validate(example, {**content.get("schema", {}), "components": DOCUMENT["components"]})


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for _, operation in OPERATIONS]
    assert len(set(names)) == len(names) > 8


def test_an_answer_that_is_no_success_is_a_problem() -> None:
    for title, operation in OPERATIONS:
        for status, answer in operation["responses"].items():
            kinds = set(answer.get("content", {}))
            assert status.startswith("2") or kinds == {"application/problem+json"}, (title, status)
