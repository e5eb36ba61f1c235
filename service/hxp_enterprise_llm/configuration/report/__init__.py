"""What an environment's configuration looks like from above: `citadel config report`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from hxp_enterprise_llm.configuration.loader import LoadedEnvironment
from hxp_enterprise_llm.configuration.report import keys
from hxp_enterprise_llm.configuration.report.advice import practices, recommendations
from hxp_enterprise_llm.configuration.report.capacity import WINDOW, Query, capacity
from hxp_enterprise_llm.configuration.report.drift import drift
from hxp_enterprise_llm.configuration.report.facts import compliance
from hxp_enterprise_llm.configuration.report.form import Item, Level, Report, Section
from hxp_enterprise_llm.configuration.report.page import html
from hxp_enterprise_llm.configuration.report.risks import risks
from hxp_enterprise_llm.configuration.report.trends import trends
from hxp_enterprise_llm.configuration.revisions.base import Revision
from hxp_enterprise_llm.schemas.security import SecurityLevel

__all__ = ["Item", "Level", "Report", "Section", "Sight", "html", "report"]


@dataclass(frozen=True)
class Sight:
    """What a report is made from.

    Attributes:
        loaded: The environment.
        state: Its state folder.
        others: The environments that it is compared with.
        broken: Names of those that have errors.
        revisions: What was applied, the oldest first.
        query: Asks its Prometheus; None where there is none to ask.
        unmeasured: Why there is none.
        window: The time that measured figures look at.
        level: What compliance is held against.
    """

    loaded: LoadedEnvironment
    state: Path
    others: Sequence[LoadedEnvironment] = ()
    broken: Sequence[str] = ()
    revisions: Sequence[Revision] = field(default=(), repr=False)
    query: Query | None = None
    unmeasured: str = ""
    window: str = WINDOW
    level: SecurityLevel = SecurityLevel.MEDIUM


async def report(sight: Sight, now: datetime) -> Report:
    """Return the report.

    Args:
        sight: What it is made from.
        now: Time of now, in UTC.

    Raises:
        RefusedError: The window is no time.
    """
    loaded = sight.loaded
    sections = (
        keys.analysis(loaded),
        keys.unused(loaded),
        keys.defaults(loaded),
        risks(loaded, now.date()),
        await compliance(loaded, sight.state, sight.revisions, sight.level, now),
        drift(loaded, sight.others, sight.broken),
        capacity(loaded.environment, sight.query, sight.window, why=sight.unmeasured),
        trends(sight.revisions),
        practices(loaded.environment),
    )
    return Report(loaded.name, now, (*sections, recommendations(sections)))
