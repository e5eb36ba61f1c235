"""Statuses: of most errors by the ending of the code or the domain; a few are the API's own."""

from __future__ import annotations

import pytest

from hxp_enterprise_llm.configuration.revisions import UnknownRevisionError
from hxp_enterprise_llm.configuration.security.errors import BusyError, LoginError, SessionError
from hxp_enterprise_llm.configuration.service.errors import (
    _STATUS,
    ApprovalRefusedError,
    BodyTooLargeError,
    DocumentNotFoundError,
    LimitReachedError,
    NoSuchRouteError,
    PreconditionFailedError,
    PreconditionRequiredError,
    RevisionConflictError,
    UnauthenticatedError,
    WrongMediaTypeError,
    WrongMethodError,
    document,
    status,
)
from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.schemas.problem import status_of


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (UnauthenticatedError, 401),
        (LoginError, 401),
        (SessionError, 401),
        (ApprovalRefusedError, 403),
        (DocumentNotFoundError, 404),
        (NoSuchRouteError, 404),
        (WrongMethodError, 405),
        (RevisionConflictError, 409),
        (PreconditionFailedError, 412),
        (BodyTooLargeError, 413),
        (WrongMediaTypeError, 415),
        (PreconditionRequiredError, 428),
        (LimitReachedError, 429),
        (BusyError, 503),
    ],
)
def test_an_error_has_its_status(kind: type[CitadelError], expected: int) -> None:
    error = kind("x")
    assert status(error) == document(error).status == expected


def test_no_status_is_said_twice() -> None:
    kinds = (UnknownRevisionError, LoginError, SessionError, NoSuchRouteError)
    assert {kind.code: status(kind("x")) for kind in kinds} == _STATUS
    for kind in kinds:
        assert status_of(kind("x")) != _STATUS[kind.code]
