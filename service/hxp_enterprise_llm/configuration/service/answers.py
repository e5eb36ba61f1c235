"""Errors as answers: RFC 9457, whatever went wrong and wherever."""

from __future__ import annotations

import uuid

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hxp_enterprise_llm.configuration.service.errors import (
    BodyTooLargeError,
    HttpError,
    NoSuchRouteError,
    UnauthenticatedError,
    WrongMediaTypeError,
    WrongMethodError,
    document,
    here,
)
from hxp_enterprise_llm.core.exceptions import CitadelError, InvalidInputError
from hxp_enterprise_llm.schemas.common import FieldProblem
from hxp_enterprise_llm.schemas.problem import MEDIA_TYPE, Problem, headers
from hxp_enterprise_llm.utilities.faults import Faults

_HTTP: dict[int, tuple[type[HttpError], str]] = {
    404: (NoSuchRouteError, "there is no such path"),
    405: (WrongMethodError, "the path does not know this method"),
    413: (BodyTooLargeError, "the request's body is too large"),
    415: (WrongMediaTypeError, "the body must be application/json"),
}
_SHAPE = "S001"


def problem_of(error: Exception, faults: Faults, doing: str) -> Response:
    """Return the answer to a request that failed.

    Args:
        error: What happened.
        faults: Logs what is not the caller's fault, and makes its text safe.
        doing: What was being done.
    """
    if isinstance(error, RequestValidationError):
        return answer(_invalid(error))
    if isinstance(error, HTTPException) and isinstance(error.__cause__, CitadelError):
        error = error.__cause__
    if isinstance(error, HTTPException):
        kind, text = _HTTP.get(error.status_code, (HttpError, "the request is not valid HTTP"))
        found = document(kind(text, next_step="See docs/reference/configuration-api.json."))
        return answer(found, dict(error.headers or {}))
    if isinstance(error, CitadelError):
        error = here(error)
    shown = faults.safe(error, doing)
    told = document(shown, instance=f"urn:uuid:{uuid.uuid4()}")
    if told.status >= 500:
        shown = faults.report(error, doing)
        told = document(shown, instance=told.instance)
    more = headers(shown)
    if isinstance(error, UnauthenticatedError):
        more["www-authenticate"] = 'Basic realm="citadel configuration", charset="UTF-8"'
    return answer(told, more)


def answer(problem: Problem, more: dict[str, str] | None = None) -> Response:
    """Return a problem document as an answer."""
    return Response(
        problem.model_dump_json(exclude_none=True),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={"cache-control": "no-store", **(more or {})},
    )


def _invalid(error: RequestValidationError) -> Problem:
    problems = tuple(
        FieldProblem(
            code=_SHAPE, path=".".join(str(part) for part in item["loc"]), message=item["msg"]
        )
        # Only place and message: the input, which they hold too, may be a secret.
        for item in error.errors()
    )
    base = document(
        InvalidInputError("the request is not as the API asks for", next_step="Mend what is named.")
    )
    return base.model_copy(update={"status": 422, "errors": problems})
