"""One error, two shapes: RFC 9457's and OpenAI's, with the same status, code and words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, InvalidDocumentError, Place
from hxp_enterprise_llm.configuration.secrets.errors import AccessDeniedError, SecretNotFoundError
from hxp_enterprise_llm.core.exceptions import (
    BreakerOpenError,
    CitadelError,
    DependencyError,
    FaultDomain,
    InvalidConfigurationError,
    InvalidInputError,
    LifecycleError,
    RefusedError,
    UnexpectedError,
    UnreachableError,
)
from hxp_enterprise_llm.gateway.errors import ApiError
from hxp_enterprise_llm.schemas.problem import (
    MEDIA_TYPE,
    OpenAIErrorBody,
    Problem,
    error_response,
    headers,
    openai_error,
    problem,
    status_of,
)

ERROR = InvalidInputError("the body is not valid", next_step="Send JSON.")
BAD = Diagnostic("C006", Place(Path("/x/a.yaml"), 7, 3), ("a", 0), "wrong type.", "Write 1.")


@pytest.mark.feature("SC-02")
def test_a_problem_document_has_the_members_of_rfc_9457() -> None:
    document = json.loads(problem(ERROR, instance="urn:uuid:1").model_dump_json())
    assert MEDIA_TYPE == "application/problem+json"
    assert document == {
        "type": "urn:citadel:problem:input.invalid",
        "title": "Input: invalid",
        "status": 400,
        "detail": "the body is not valid",
        "instance": "urn:uuid:1",
        "code": "input.invalid",
        "domain": "input",
        "next_step": "Send JSON.",
        "errors": [],
        "retry_after": None,
    }
    assert Problem.model_validate(document).status == 400


@pytest.mark.feature("SC-02")
def test_the_same_error_in_openais_shape() -> None:
    body = openai_error(ERROR, param="messages")
    assert json.loads(body.model_dump_json()) == {
        "error": {
            "message": "the body is not valid Send JSON.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "input.invalid",
        }
    }
    assert openai_error(DependencyError("the store is away")).error.type == "server_error"


@pytest.mark.feature("SC-02")
def test_the_gateway_answers_in_that_shape() -> None:
    refusal = ApiError(503, "„away“", kind="server_error", code="overloaded", param="model")
    body = OpenAIErrorBody.model_validate_json(refusal.body())
    assert body.model_dump()["error"] == {
        "message": "„away“",
        "type": "server_error",
        "param": "model",
        "code": "overloaded",
    }


@pytest.mark.feature("SC-02")
def test_an_error_response_is_made_of_the_same_error() -> None:
    answer = error_response(ERROR, correlation_id="r1")
    assert (answer.status, answer.correlation_id) == ("error", "r1")
    assert answer.error.code == problem(ERROR).code == openai_error(ERROR).error.code
    assert (answer.error.domain, answer.error.next_step) == (FaultDomain.INPUT, "Send JSON.")


@pytest.mark.feature("SC-02")
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ERROR, 400),
        (RefusedError("no"), 403),
        (AccessDeniedError("no"), 403),
        (SecretNotFoundError("no"), 404),
        (LifecycleError("no"), 409),
        (InvalidConfigurationError("no"), 422),
        (CitadelError("no"), 500),
        (UnexpectedError("a1"), 500),
        (UnreachableError("no"), 502),
        (DependencyError("no"), 503),
    ],
)
def test_the_status_tells_whose_turn_it_is(error: CitadelError, status: int) -> None:
    assert status_of(error) == problem(error).status == status


@pytest.mark.feature("SC-02")
@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("unauthenticated", 401),
        ("not-found", 404),
        ("wrong-method", 405),
        ("conflict", 409),
        ("precondition-failed", 412),
        ("too-large", 413),
        ("wrong-media-type", 415),
        ("precondition-required", 428),
        ("too-many-requests", 429),
    ],
)
def test_the_ending_of_a_code_tells_the_status_in_every_domain(ending: str, status: int) -> None:
    for code in (f"api.{ending}", f"api.document-{ending}"):
        error = CitadelError("no")
        # On the one object: a class more would stand among all that others walk through.
        error.code = code  # type: ignore[misc]
        assert status_of(error) == status
    error.code = f"api.{ending}-or-so"  # type: ignore[misc]
    assert status_of(error) == 500


def _every(kind: type[CitadelError]) -> Iterator[type[CitadelError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _every(below)


@pytest.mark.feature("SC-02")
def test_every_error_of_ours_has_a_status_and_a_title() -> None:
    for kind in _every(CitadelError):
        error = kind.__new__(kind)
        CitadelError.__init__(error, "what happened", next_step="do this")
        document = problem(error)
        assert 400 <= document.status <= 599
        assert document.title[0].isupper()
        assert document.type.endswith(kind.code)


@pytest.mark.feature("SC-02")
def test_all_findings_of_a_document_are_told() -> None:
    error = InvalidDocumentError([BAD, BAD])
    (first, second) = problem(error).errors
    assert first == second
    assert (first.code, first.path, first.line, first.column) == ("C006", "a.0", 7, 3)
    assert (first.message, first.fix, first.source) == ("wrong type.", "Write 1.", "/x/a.yaml:7")
    assert problem(error).status == 422


@pytest.mark.feature("SC-02")
@pytest.mark.parametrize(("seconds", "told"), [(0.2, 1), (2.1, 3)])
def test_whoever_may_try_again_is_told_when(seconds: float, told: int) -> None:
    error = BreakerOpenError("the store", seconds)
    assert problem(error).retry_after == told
    assert headers(error) == {"cache-control": "no-store", "retry-after": str(told)}
    assert headers(ERROR) == {"cache-control": "no-store"}
