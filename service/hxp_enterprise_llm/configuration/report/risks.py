"""Risky settings: rules that warn or are waived, and settings whose change may lose something.

What nothing reads is no risk; it stands with the unused keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, dotted, told
from hxp_enterprise_llm.configuration.effects import Effect, effect_of
from hxp_enterprise_llm.configuration.loader import LoadedEnvironment
from hxp_enterprise_llm.configuration.report.form import Item, Level, Section
from hxp_enterprise_llm.configuration.report.keys import UNREAD, source_of, written
from hxp_enterprise_llm.configuration.rules.registry import Subject
from hxp_enterprise_llm.configuration.rules.waivers import covers
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.waivers import Waiver

SOON = timedelta(days=30)


def risks(loaded: LoadedEnvironment, today: date) -> Section:
    """Return what may go wrong.

    Args:
        loaded: The environment.
        today: The day that ends of waivers are held against.
    """
    items = (
        *(_warned(warning) for warning in loaded.warnings if warning.code != UNREAD),
        *(_waived(loaded, one, today) for one in loaded.waived if one.code != UNREAD),
    )
    note = "a change of the keys in the table may lose data or lock people out: it needs a reason, "
    note += "and somebody else's approval"
    rows, headings = tuple(_dangerous(loaded)), ("dangerous to change", "written in")
    return Section("risks", "Risky settings", items, headings, rows, note)


def _warned(warning: Diagnostic) -> Item:
    message = f"rule {warning.code}: {warning.message}"
    return Item(Level.RISK, told(warning.path), message, warning.fix, str(warning.place))


def _waived(loaded: LoadedEnvironment, finding: Diagnostic, today: date) -> Item:
    waiver = _waiver(loaded, finding, today)
    level = Level.RISK if waiver.until - today <= SOON else Level.ADVICE
    message = (
        f"rule {finding.code} is waived until {waiver.until}: {waiver.reason.rstrip('.')}. "
        f"Without the waiver: {finding.message}"
    )
    return Item(level, told(finding.path), message, finding.fix, str(finding.place))


def _waiver(loaded: LoadedEnvironment, finding: Diagnostic, today: date) -> Waiver:
    subject = Subject(loaded.name, loaded.environment, today)
    return next(
        waiver
        for waiver in loaded.environment.waivers
        if covers(waiver, finding.code, finding.path, subject)
    )


def _dangerous(loaded: LoadedEnvironment) -> Iterator[tuple[str, str]]:
    for path, _ in written(loaded):
        if effect_of(Environment, path, loaded.draft.data) is Effect.DANGEROUS:
            yield dotted(path), source_of(loaded, path)
