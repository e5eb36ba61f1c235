"""Requests and answers of our APIs, their versions, and how much input is taken in."""

from __future__ import annotations

import calendar
from datetime import date
from email.utils import formatdate
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import BaseModel, Field, StringConstraints, model_validator

from hxp_enterprise_llm.core.exceptions import FaultDomain, InvalidInputError, RefusedError
from hxp_enterprise_llm.schemas.access import ANONYMOUS, Principal
from hxp_enterprise_llm.schemas.base import Bytes, CitadelModel
from hxp_enterprise_llm.schemas.common import DataT, Record, RecordId, ServiceResponse

ModelT = TypeVar("ModelT", bound=BaseModel)
ApiVersion = Annotated[str, StringConstraints(pattern=r"^v[1-9][0-9]{0,3}$")]
"""`v1`, `v2`: a number for each break; additions do not make a new one."""


class APIRequest(Record, Generic[DataT]):
    """A request, after its form was checked."""

    api_version: ApiVersion = Field(default="v1", description="Version that the caller speaks.")
    principal: Principal = Field(default=ANONYMOUS, description="Who asks.")
    correlation_id: RecordId | None = Field(
        default=None, description="Joins the log lines of the request."
    )
    idempotency_key: RecordId | None = Field(
        default=None, description="A second request with the same key does nothing again."
    )
    data: DataT = Field(description="What is asked.")


class APIResponse(ServiceResponse[DataT], Generic[DataT]):
    """An answer of an API."""

    api_version: ApiVersion = Field(default="v1", description="Version of the answer's form.")
    request_id: RecordId | None = Field(default=None, description="Id of the request.")

    @classmethod
    def to(cls, request: APIRequest[Any], data: DataT) -> Self:
        """Return the answer to a request, in its version and joined to its log lines."""
        return cls(
            data=data,
            api_version=request.api_version,
            request_id=request.id,
            correlation_id=request.correlation_id,
        )


class UnsupportedVersionError(InvalidInputError):
    """A caller speaks a version that is not there, or not any more."""

    code = "api.version-not-found"


class SupportedVersion(CitadelModel):
    """One version of an API, and how long it stays."""

    version: ApiVersion = Field(description="Its name.")
    deprecated: date | None = Field(
        default=None, description="Since when callers should leave it; absent: they need not."
    )
    sunset: date | None = Field(default=None, description="First day on which it is gone.")

    @model_validator(mode="after")
    def _warned_before_it_goes(self) -> Self:
        if self.sunset is not None and (self.deprecated is None or self.sunset <= self.deprecated):
            raise ValueError("`sunset` comes after `deprecated`; give both, in that order")
        return self

    def headers(self) -> dict[str, str]:
        """Return the headers that tell callers when to leave it: RFC 9745 and RFC 8594."""
        found = {}
        if self.deprecated is not None:
            found["deprecation"] = f"@{_seconds(self.deprecated)}"
        if self.sunset is not None:
            found["sunset"] = formatdate(_seconds(self.sunset), usegmt=True)
        return found


class ApiVersions(CitadelModel):
    """The versions of one API."""

    supported: tuple[SupportedVersion, ...] = Field(
        min_length=1, description="Versions, the newest last; a caller that names none gets that."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        numbers = [int(item.version[1:]) for item in self.supported]
        if numbers != sorted(set(numbers)):
            raise ValueError("write each version once, the newest last")
        return self

    def chosen(self, asked: str | None, *, today: date) -> SupportedVersion:
        """Return the version that a caller gets.

        Args:
            asked: What it named; None for the newest.
            today: Says which versions are gone.

        Raises:
            UnsupportedVersionError: It is not there, or not any more.
        """
        alive = [item for item in self.supported if item.sunset is None or today < item.sunset]
        for item in reversed(alive):
            if asked in {None, item.version}:
                return item
        names = ", ".join(item.version for item in alive)
        raise UnsupportedVersionError(
            "this version of the API is not served", next_step=f"Use one of: {names or 'none'}."
        )


class InputLimits(CitadelModel):
    """How much input a request may bring."""

    most_bytes: Bytes = Field(default=2**20, ge=1, description="Bytes; more is refused unread.")
    most_depth: int = Field(default=32, ge=1, description="Lists and objects inside each other.")

    def read(self, data: bytes, kind: type[ModelT], *, where: str = "the request") -> ModelT:
        """Return a JSON document as a model.

        Args:
            data: What came.
            kind: The model.
            where: What it is, for errors.

        Raises:
            TooLargeError: It has too many bytes.
            InvalidInputError: It is no such document; names all fields that are wrong, no value.
        """
        from hxp_enterprise_llm.utilities.validation import json_document, model

        if len(data) > self.most_bytes:
            raise TooLargeError(
                f"{where} has more than {self.most_bytes} bytes", next_step="Send less at once."
            )
        document = json_document(
            data, where=where, most_bytes=self.most_bytes, most_depth=self.most_depth
        )
        return model(kind, document, where=where)


class TooLargeError(RefusedError):
    """A request brings more than is taken in."""

    code = "input.too-large"
    domain = FaultDomain.INPUT


def _seconds(day: date) -> int:
    return calendar.timegm(day.timetuple())
