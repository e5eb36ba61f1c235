"""A clock that tests set, and an audit log in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.audit import AuditLog

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
"""A Wednesday."""


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def audit(tmp_path: Path, clock: Clock) -> Iterator[AuditLog]:
    log = AuditLog(tmp_path / "audit.jsonl", clock=clock)
    yield log
    log.close()
