"""How configuration is guarded: the level, and the numbers that may be set beside it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_validator

from hxp_enterprise_llm.schemas.base import Seconds, WrittenModel
from hxp_enterprise_llm.schemas.effect import Effect
from hxp_enterprise_llm.schemas.text import AbsolutePath

_DAY = 86_400.0


class SecurityLevel(StrEnum):
    """How much is protected; the words of `security_level`."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class AttemptPolicy(WrittenModel):
    """How many wrong passwords are too many."""

    tries: int = Field(
        default=10, ge=1, description="So many wrong passwords of one account hold it."
    )
    within: Seconds = Field(
        default=900.0, gt=0, description="Tries within so long count; the account is held as long."
    )


class SessionLimits(WrittenModel):
    """How long sessions last, where that is to be shorter than the level says."""

    lifetime: Seconds | None = Field(
        default=None, gt=0, description="A session ends by then; absent: as the level says."
    )
    idle: Seconds | None = Field(
        default=None, gt=0, description="Or after so long without a request; absent: as above."
    )


class Thresholds(WrittenModel):
    """From when on access is unusual."""

    window: Seconds = Field(default=60.0, gt=0, description="Events are counted within this.")
    burst: int = Field(
        default=60,
        ge=2,
        description="So many events of an actor within the window may be a burst.",
    )
    burst_factor: float = Field(
        default=3.0,
        ge=1,
        description="They are, when they are so many times its usual peak.",
    )
    refusals: int = Field(
        default=5, ge=2, description="So many refusals of one actor within the window are unusual."
    )
    learning: Seconds = Field(
        default=7 * _DAY, description="From the log's begin on, nobody is new for so long: 7 days."
    )
    forgotten_after: Seconds = Field(
        default=90 * _DAY, gt=0, description="Who did nothing for so long is new again: 90 days."
    )
    zone: str = Field(default="UTC", description="Time zone of the hours, such as Europe/Berlin.")
    hours: tuple[int, int] = Field(
        default=(7, 20), description="Usual hours: from the first on, before the second."
    )
    weekdays: tuple[int, ...] = Field(
        default=(0, 1, 2, 3, 4), description="Usual days; 0 is Monday."
    )
    habit: int = Field(
        default=3, ge=1, description="On so many other days in the same hour, it is a habit."
    )
    quiet: Seconds = Field(
        default=3_600.0, description="The same about the same actor is told once in so long."
    )
    actors: int = Field(default=10_000, ge=1, description="Actors that are remembered at most.")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError("write a time zone such as Europe/Berlin") from None
        return value

    @field_validator("hours")
    @classmethod
    def _within_a_day(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not 0 <= value[0] < value[1] <= 24:
            raise ValueError("write two hours of 0 to 24, the earlier one first")
        return value

    @field_validator("weekdays")
    @classmethod
    def _days_of_a_week(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not set(value) <= set(range(7)):
            raise ValueError("write days of 0 to 6; 0 is Monday")
        return value


class AuditRetention(WrittenModel):
    """How long audit records are kept, and where they go before they are deleted."""

    days: int = Field(default=90, ge=1, description="Days that records are kept.")
    folder: AbsolutePath | None = Field(
        default=None,
        description="Folder of exports, which must exist; absent: `exports` beside the log.",
    )
    segment: Seconds = Field(
        default=_DAY, gt=0, description="The log is rotated when its first record is so old."
    )
    every: Seconds = Field(
        default=3_600.0, gt=0, description="The log's chain is checked, old records go so often."
    )


class SecuritySettings(WrittenModel):
    """How the configuration service guards what it keeps."""

    level: Annotated[SecurityLevel, Effect.RESTART] = Field(
        default=SecurityLevel.MEDIUM,
        description="Rules for sessions, passwords, signatures, encryption and transport.",
    )
    attempts: Annotated[AttemptPolicy, Effect.LIVE] = Field(
        default=AttemptPolicy(), description="How many wrong passwords hold an account."
    )
    sessions: Annotated[SessionLimits, Effect.LIVE] = Field(
        default=SessionLimits(), description="Sessions that are shorter than the level says."
    )
    anomalies: Annotated[Thresholds, Effect.LIVE] = Field(
        default=Thresholds(), description="From when on access is unusual."
    )
    retention: Annotated[AuditRetention, Effect.RESTART] = Field(
        default=AuditRetention(), description="How long audit records are kept."
    )
