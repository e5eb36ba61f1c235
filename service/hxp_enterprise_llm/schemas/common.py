"""What records of all services have in common: an id, a time and a status.

`CitadelModel` is the base of every model; `Record` adds the three fields. Older documents call the
latter `BaseModel`, which is kept as its second name and is not pydantic's.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from hxp_enterprise_llm.core.exceptions import FaultDomain
from hxp_enterprise_llm.schemas.base import CitadelModel

__all__ = [
    "BaseModel",
    "CitadelModel",
    "ErrorResponse",
    "Fault",
    "FieldProblem",
    "Record",
    "ServiceResponse",
]
DataT = TypeVar("DataT")
RecordId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
"""Letters, digits and `._-`: an UUID, or the id that a caller sent."""
StatusWord = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]{0,31}$")]
Timestamp = Annotated[AwareDatetime, AfterValidator(lambda time: time.astimezone(UTC))]
"""A time with its zone; kept in UTC."""


def new_id() -> str:
    """Return a new random UUID (RFC 9562, version 4)."""
    return str(uuid.uuid4())


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(tz=UTC)


class Record(CitadelModel):
    """Something that happened or was said: which, when, and how it stands."""

    id: RecordId = Field(default_factory=new_id, description="Unique id; a UUID when absent.")
    timestamp: Timestamp = Field(
        default_factory=now, description="When, as ISO 8601 with its zone; now when absent."
    )
    status: StatusWord = Field(default="ok", description="How it stands, in a small word.")


BaseModel = Record


class ServiceResponse(Record, Generic[DataT]):
    """What a service answers when it did what was asked, or began to."""

    status: Literal["ok", "accepted"] = Field(
        default="ok", description="Done; or accepted, and still going on."
    )
    data: DataT = Field(description="The answer itself.")
    correlation_id: RecordId | None = Field(
        default=None, description="Joins the log lines of the request."
    )


class FieldProblem(CitadelModel):
    """One thing that is wrong in what was sent; never holds the value."""

    code: str = Field(description="Id of the rule, such as C006.")
    severity: Literal["error", "warning"] = Field(
        default="error", description="An error refuses the whole; a warning is shown."
    )
    path: str = Field(default="", description="Key, such as `resources.memory_mb`; empty: no key.")
    message: str = Field(description="What is wrong.")
    fix: str = Field(default="", description="What to write instead.")
    source: str = Field(default="", description="Where it was written: a file, a variable.")
    line: int | None = Field(default=None, ge=1, description="Line there, counted from 1.")
    column: int | None = Field(default=None, ge=1, description="Column there, counted from 1.")


class Fault(CitadelModel):
    """An error as programs and people see it."""

    code: str = Field(description="Names the kind of error for programs, such as `input.invalid`.")
    domain: FaultDomain = Field(description="Where the cure lies.")
    message: str = Field(description="What went wrong and where; never a secret.")
    next_step: str = Field(default="", description="What to do now.")
    findings: tuple[FieldProblem, ...] = Field(
        default=(), description="All that is wrong in what was sent; empty for other errors."
    )


class ErrorResponse(Record):
    """What a service answers when it did not do what was asked."""

    status: Literal["error"] = Field(default="error", description="It was not done.")
    error: Fault = Field(description="Why.")
    correlation_id: RecordId | None = Field(
        default=None, description="Joins the log lines of the request."
    )
