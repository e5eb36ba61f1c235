"""Errors over HTTP: one `CitadelError` as RFC 9457's problem document, or in OpenAI's shape."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol, runtime_checkable

from pydantic import Field

from hxp_enterprise_llm.core.exceptions import CitadelError, FaultDomain
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.common import ErrorResponse, Fault, FieldProblem

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:citadel:problem:"
_STATUS: Mapping[FaultDomain, HTTPStatus] = {
    FaultDomain.INPUT: HTTPStatus.BAD_REQUEST,
    FaultDomain.CONFIGURATION: HTTPStatus.UNPROCESSABLE_ENTITY,
    FaultDomain.SECRET: HTTPStatus.INTERNAL_SERVER_ERROR,
    FaultDomain.POLICY: HTTPStatus.FORBIDDEN,
    FaultDomain.DEPENDENCY: HTTPStatus.SERVICE_UNAVAILABLE,
    FaultDomain.NETWORK: HTTPStatus.BAD_GATEWAY,
    FaultDomain.HOST: HTTPStatus.SERVICE_UNAVAILABLE,
    FaultDomain.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_BY_ENDING: Mapping[str, HTTPStatus] = {
    "not-found": HTTPStatus.NOT_FOUND,
    "wrong-state": HTTPStatus.CONFLICT,
    "conflict": HTTPStatus.CONFLICT,
    "wrong-method": HTTPStatus.METHOD_NOT_ALLOWED,
    "wrong-media-type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "precondition-failed": HTTPStatus.PRECONDITION_FAILED,
    "precondition-required": HTTPStatus.PRECONDITION_REQUIRED,
    "too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "unauthenticated": HTTPStatus.UNAUTHORIZED,
    "too-many-requests": HTTPStatus.TOO_MANY_REQUESTS,
}
"""Codes that end so have a status of their own, whatever their domain."""


@runtime_checkable
class _Diagnosed(Protocol):
    """An error of a document, which holds all that is wrong in it."""

    diagnostics: Sequence[_Diagnostic]


class _Diagnostic(Protocol):
    def as_data(self) -> dict[str, Any]:
        """Return plain data."""


class Problem(CitadelModel):
    """A problem document, RFC 9457; the members after `instance` are extensions of ours."""

    type: str = Field(description="URI of the kind of problem: `urn:citadel:problem:` and a code.")
    title: str = Field(description="The kind of problem in words, the same each time.")
    status: int = Field(ge=400, le=599, description="HTTP status code.")
    detail: str = Field(description="What went wrong this time.")
    instance: str | None = Field(
        default=None, description="URI of this one time, such as `urn:uuid:…`."
    )
    code: str = Field(description="Names the kind of error for programs.")
    domain: FaultDomain = Field(description="Where the cure lies.")
    next_step: str = Field(default="", description="What to do now.")
    errors: tuple[FieldProblem, ...] = Field(default=(), description="All that is wrong.")
    retry_after: int | None = Field(
        default=None, ge=1, description="Seconds after which another try may help."
    )


class OpenAIError(CitadelModel):
    """Member `error` of OpenAI's answers."""

    message: str = Field(description="What a person reads.")
    type: str = Field(description="`invalid_request_error` below 500, else `server_error`.")
    param: str | None = Field(default=None, description="The field of the request that is wrong.")
    code: str | None = Field(default=None, description="Names the kind of error for programs.")


class OpenAIErrorBody(CitadelModel):
    """An error as clients of OpenAI's API expect it."""

    error: OpenAIError = Field(description="The error.")


def status_of(error: CitadelError) -> int:
    """Return the HTTP status of an error: by the ending of its code, else by its domain."""
    for ending, status in _BY_ENDING.items():
        if error.code.endswith((f".{ending}", f"-{ending}")):
            return status
    return _STATUS[error.domain]


def fault_of(error: CitadelError) -> Fault:
    """Return an error as data, with its findings when it has any."""
    diagnostics = error.diagnostics if isinstance(error, _Diagnosed) else ()
    return Fault(
        code=error.code,
        domain=error.domain,
        message=error.message,
        next_step=error.next_step,
        findings=tuple(finding(item.as_data()) for item in diagnostics),
    )


def error_response(error: CitadelError, *, correlation_id: str | None = None) -> ErrorResponse:
    """Return an error as services answer one another."""
    return ErrorResponse(error=fault_of(error), correlation_id=correlation_id)


def problem(error: CitadelError, *, instance: str | None = None) -> Problem:
    """Return the problem document of an error.

    Args:
        error: What happened; of an error of another kind, what `Faults.safe` makes of it.
        instance: URI of this one time.
    """
    fault = fault_of(error)
    part, _, what = error.code.replace("-", " ").partition(".")
    return Problem(
        type=f"{_TYPE}{error.code}",
        title=f"{part.capitalize()}: {what.replace('.', ', ')}",
        status=status_of(error),
        detail=fault.message,
        instance=instance,
        code=fault.code,
        domain=fault.domain,
        next_step=fault.next_step,
        errors=fault.findings,
        retry_after=_retry_after(error),
    )


def openai_error(error: CitadelError, *, param: str | None = None) -> OpenAIErrorBody:
    """Return an error in OpenAI's shape; the next step is a part of the message."""
    message = " ".join(filter(None, (error.message, error.next_step)))
    return openai_body(status_of(error), message, code=error.code, param=param)


def openai_body(
    status: int,
    message: str,
    *,
    kind: str | None = None,
    code: str | None = None,
    param: str | None = None,
) -> OpenAIErrorBody:
    """Return OpenAI's shape of any error.

    Args:
        status: HTTP status; says the `type` when there is no `kind`.
        message: What a person reads.
        kind: OpenAI's `type`.
        code: OpenAI's `code`.
        param: The field of the request that is wrong.
    """
    told = kind or ("invalid_request_error" if status < 500 else "server_error")
    return OpenAIErrorBody(error=OpenAIError(message=message, type=told, param=param, code=code))


def headers(error: CitadelError) -> dict[str, str]:
    """Return the headers of an error's answer, whichever its shape."""
    found = {"cache-control": "no-store"}
    seconds = _retry_after(error)
    if seconds is not None:
        found["retry-after"] = str(seconds)
    return found


def _retry_after(error: CitadelError) -> int | None:
    seconds = getattr(error, "retry_after", None)
    return max(1, math.ceil(seconds)) if isinstance(seconds, int | float) else None


def finding(data: Mapping[str, Any]) -> FieldProblem:
    """Return a diagnostic's plain data as it goes over the wire."""
    return FieldProblem.model_validate(
        {name: data[name] for name in FieldProblem.model_fields if name in data}
    )
