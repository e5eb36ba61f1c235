"""A manager of a small configuration, and doubles of what stands around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.manager import ConfigurationManager
from hxp_enterprise_llm.configuration.phases import (
    Outcome,
    ReloadError,
)
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.core.exceptions import CitadelError, RefusedError
from hxp_enterprise_llm.core.reload import Prepared

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass
class Part:
    """A service that takes configurations in two phases, and says what was asked of it."""

    refuses: int | None = None
    fails_at: int | None = None
    calls: list[str] = field(default_factory=list)
    live: Sample | None = None

    async def prepare(self, config: Sample) -> Prepared[Sample]:
        self.calls.append(f"prepare {config.level}")
        if config.level == self.refuses:
            raise RefusedError("this port is taken", next_step="Take another.")
        return Prepared(config, f"built {config.level}")

    def commit(self, prepared: Prepared[Sample]) -> None:
        if prepared.config.level == self.fails_at:
            raise CitadelError("broken")
        self.calls.append(f"commit {prepared.config.level}")
        self.live = prepared.config

    async def abandon(self, prepared: Prepared[Sample]) -> None:
        self.calls.append(f"abandon {prepared.config.level}")


@dataclass
class Stored:
    document: Mapping[str, Any]
    actor: str = ""
    reason: str = ""
    approver: str | None = None
    holds: str = ""
    number: int = 0


@dataclass
class Memory:
    """A store of revisions; may be away."""

    revisions: list[Stored] = field(default_factory=list)
    away: bool = False

    async def latest(self, below: int | None = None) -> Stored | None:
        if self.away:
            raise ConnectionRefusedError
        known = self.revisions[: None if below is None else below - 1]
        return known[-1] if known else None

    async def get(self, number: int) -> Stored:
        if self.away:
            raise ConnectionRefusedError
        return self.revisions[number - 1]

    async def append(
        self,
        document: Mapping[str, Any],
        *,
        actor: str,
        reason: str,
        approver: str | None,
        holds: str,
    ) -> None:
        if self.away:
            raise ConnectionRefusedError
        number = len(self.revisions) + 1
        self.revisions.append(Stored(document, actor, reason, approver, holds, number))


def managed(source: MemorySource, **arguments: Any) -> ConfigurationManager[Sample]:
    return ConfigurationManager(Sample, [source], now=lambda: NOW, **arguments)


async def changed(
    manager: ConfigurationManager[Sample], source: MemorySource, **data: Any
) -> Outcome:
    source.update(data)
    return (await manager.reload(reason="a test", actor="ann")).outcome


async def refused(
    manager: ConfigurationManager[Sample], source: MemorySource, **data: Any
) -> ReloadError:
    with pytest.raises(ReloadError) as caught:
        await changed(manager, source, **data)
    return caught.value


def sample_of(metrics: bytes, line: str) -> bool:
    return line in metrics.decode()
