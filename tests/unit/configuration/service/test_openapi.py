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


def test_it_says_how_to_come_in_and_what_comes_back() -> None:
    document = json.loads(openapi())
    schemes = document["components"]["securitySchemes"]
    assert {one["scheme"] for one in schemes.values()} == {"basic", "bearer"}
    main = document["paths"]["/v1/documents/{kind}/{name}"]
    # One of the two, not both.
    assert sorted(map(list, main["get"]["security"])) == [["HTTPBasic"], ["HTTPBearer"]]
    rollback = document["paths"]["/v1/documents/{kind}/{name}/rollback"]
    for operation in (main["get"], main["put"], rollback["post"]):
        assert "ETag" in operation["responses"]["200"]["headers"]
    ready = document["paths"]["/health/ready"]["get"]["responses"]
    for status in ("200", "503"):
        schema = ready[status]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/HealthStatus"}
    metrics = document["paths"]["/metrics"]["get"]["responses"]["200"]["content"]
    assert list(metrics) == ["text/plain; version=1.0.0; charset=utf-8"]


def test_every_operation_has_words_a_problem_and_a_key() -> None:
    document = json.loads(openapi())
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["description"]
            assert "application/problem+json" in operation["responses"]["default"]["content"]
            assert bool(operation.get("security")) == (path not in OPEN)
