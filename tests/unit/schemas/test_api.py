"""Requests and answers carry versions and ids, versions end as told, and input has limits."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from hxp_enterprise_llm.core.exceptions import InvalidInputError
from hxp_enterprise_llm.schemas.access import ANONYMOUS, Principal
from hxp_enterprise_llm.schemas.api import (
    APIRequest,
    APIResponse,
    ApiVersions,
    InputLimits,
    SupportedVersion,
    TooLargeError,
    UnsupportedVersionError,
)
from hxp_enterprise_llm.schemas.common import BaseModel, Record
from hxp_enterprise_llm.schemas.problem import status_of

TODAY = date(2026, 11, 21)
OLD = SupportedVersion(version="v1", deprecated=date(2026, 1, 1), sunset=date(2027, 1, 1))
VERSIONS = ApiVersions(supported=(OLD, SupportedVersion(version="v2")))


@pytest.mark.feature("SC-05")
def test_an_answer_is_joined_to_its_request() -> None:
    request = APIRequest[str](
        data="memory", api_version="v2", principal=Principal(id="ada"), correlation_id="r1"
    )
    answer = APIResponse[int].to(request, 7)
    assert (answer.data, answer.status) == (7, "ok")
    assert (answer.request_id, answer.correlation_id) == (request.id, "r1")
    assert answer.api_version == "v2"
    assert answer.id != request.id
    for model in (APIRequest, APIResponse):
        assert issubclass(model, BaseModel)


@pytest.mark.feature("SC-05", "SC-06")
def test_a_request_is_nobodys_and_of_version_1_unless_it_says_more() -> None:
    request = APIRequest[None](data=None)
    assert (request.principal, request.api_version) == (ANONYMOUS, "v1")
    for wrong in (
        {"api_version": "2"},
        {"api_version": "v0"},
        {"correlation_id": "a\r\nb"},
        {"idempotency_key": ""},
        {"principle": ANONYMOUS},
    ):
        with pytest.raises(ValidationError):
            APIRequest[None].model_validate({"data": None, **wrong})


@pytest.mark.feature("SC-05")
@pytest.mark.parametrize(
    ("asked", "today", "version"),
    [
        (None, TODAY, "v2"),
        ("v2", TODAY, "v2"),
        ("v1", TODAY, "v1"),
        ("v1", date(2026, 12, 31), "v1"),
    ],
)
def test_a_caller_gets_the_version_that_it_names_or_the_newest(
    asked: str | None, today: date, version: str
) -> None:
    assert VERSIONS.chosen(asked, today=today).version == version


@pytest.mark.feature("SC-05")
@pytest.mark.parametrize(("asked", "today"), [("v1", date(2027, 1, 1)), ("v3", TODAY)])
def test_a_version_that_is_gone_or_never_was_is_refused(asked: str, today: date) -> None:
    with pytest.raises(UnsupportedVersionError) as error:
        VERSIONS.chosen(asked, today=today)
    alive = "v2" if today > TODAY else "v1, v2"
    assert error.value.next_step == f"Use one of: {alive}."
    assert status_of(error.value) == 404


@pytest.mark.feature("SC-05")
def test_a_version_that_ends_says_so_in_its_headers() -> None:
    # RFC 9745, 2.1 and RFC 8594, 3: the forms of both dates.
    assert OLD.headers() == {
        "deprecation": "@1767225600",
        "sunset": "Fri, 01 Jan 2027 00:00:00 GMT",
    }
    assert SupportedVersion(version="v2").headers() == {}


@pytest.mark.feature("SC-05")
def test_versions_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValidationError, match="comes after"):
        SupportedVersion(version="v1", sunset=TODAY)
    with pytest.raises(ValidationError, match="comes after"):
        SupportedVersion(version="v1", deprecated=TODAY, sunset=TODAY)
    newest = SupportedVersion(version="v10")
    with pytest.raises(ValidationError, match="newest last"):
        ApiVersions(supported=(newest, OLD))
    with pytest.raises(ValidationError, match="newest last"):
        ApiVersions(supported=(OLD, OLD))
    assert ApiVersions(supported=(OLD, newest)).chosen(None, today=TODAY) is newest


@pytest.mark.feature("SC-06")
def test_input_is_read_as_a_model_within_its_limits() -> None:
    limits = InputLimits.model_validate({"most_bytes": "1KiB", "most_depth": 3})
    assert limits.most_bytes == 1024
    assert limits.read(b'{"id": "a1"}', Record).id == "a1"
    with pytest.raises(TooLargeError, match="more than 1024 bytes") as error:
        limits.read(b" " * 1025, Record)
    assert status_of(error.value) == 413


@pytest.mark.feature("SC-06")
@pytest.mark.parametrize(
    "data",
    [b"[[[[]]]]", b"{", b'{"id": "a", "id": "b"}', b'{"id": "hunter2 x"}', b'{"idd": "a"}', b"7"],
)
def test_other_input_is_refused_without_its_values(data: bytes) -> None:
    with pytest.raises(InvalidInputError) as error:
        InputLimits(most_depth=3).read(data, Record, where="the body")
    assert "the body" in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.feature("SC-06")
def test_a_refusal_names_every_field_that_is_wrong() -> None:
    data: Any = b'{"id": "", "timestamp": "soon", "stauts": "ok"}'
    with pytest.raises(InvalidInputError) as error:
        InputLimits().read(data, Record)
    assert all(field in error.value.message for field in ("id", "timestamp", "stauts"))
