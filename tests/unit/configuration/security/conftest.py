"""A clock that tests set, and an audit log in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.audit import AuditLog
from hxp_enterprise_llm.testing.clock import Calendar

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
"""A Wednesday."""


@pytest.fixture
def clock() -> Calendar:
    return Calendar(NOON)


@pytest.fixture
def audit(tmp_path: Path, clock: Calendar) -> Iterator[AuditLog]:
    log = AuditLog(tmp_path / "audit.jsonl", clock=clock)
    yield log
    log.close()
