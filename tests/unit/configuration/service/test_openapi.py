"""The OpenAPI document in docs/reference is that of the application."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.service.app import OPEN, openapi

FILE = Path(__file__).parents[4] / "docs/reference/configuration-api.json"


@pytest.mark.feature("A26")
def test_the_document_is_fresh() -> None:
    assert FILE.read_text(encoding="utf-8") == openapi(), "run: make generate"


def test_every_operation_has_words_a_problem_and_a_key() -> None:
    document = json.loads(openapi())
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["description"]
            assert "application/problem+json" in operation["responses"]["default"]["content"]
            assert bool(operation.get("security")) == (path not in OPEN)
