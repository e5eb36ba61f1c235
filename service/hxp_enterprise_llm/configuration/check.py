"""Runs all rules over a document and applies its waivers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, KeyPath, Place
from hxp_enterprise_llm.configuration.pipeline import Outcome
from hxp_enterprise_llm.configuration.rules import REGISTRY, Finding, Rule
from hxp_enterprise_llm.configuration.rules.registry import Judged
from hxp_enterprise_llm.configuration.rules.waivers import UNUSED, covers, unused
from hxp_enterprise_llm.schemas.waivers import Waiver


def check(
    subject: Judged, place: Callable[[KeyPath], Place], refused: Collection[KeyPath] = ()
) -> Outcome:
    """Run every rule about such a subject.

    Args:
        subject: The environment, the service or the deployment.
        place: Says where a key stands.
        refused: Keys that were taken out before; what stands above or below them is not judged.
    """
    found: list[Diagnostic] = []
    waived: list[Diagnostic] = []
    used: list[Waiver] = []
    for rule, finding in _findings(subject, refused):
        diagnostic = _diagnostic(rule, finding, place)
        waivers = [
            waiver for waiver in subject.waivers if covers(waiver, rule.id, finding.path, subject)
        ]
        used.extend(waivers)
        (waived if waivers else found).append(diagnostic)
    found.extend(_diagnostic(REGISTRY[UNUSED], finding, place) for finding in unused(subject, used))
    return Outcome(tuple(found), tuple(waived))


def common(outcomes: Iterable[Outcome]) -> Outcome:
    """Return what all outcomes have: the same rule about the same key, in the first's words."""
    every = list(outcomes)
    if not every:
        return Outcome()
    return Outcome(
        _in_all([item.found for item in every]), _in_all([item.waived for item in every])
    )


def _in_all(parts: list[tuple[Diagnostic, ...]]) -> tuple[Diagnostic, ...]:
    others = [{(item.code, item.path) for item in part} for part in parts[1:]]
    return tuple(
        item for item in parts[0] if all((item.code, item.path) in other for other in others)
    )


def _findings(subject: Judged, refused: Collection[KeyPath]) -> Iterator[tuple[Rule, Finding]]:
    for rule in REGISTRY.values():
        if rule.check is None or not isinstance(subject, rule.about):
            continue
        for finding in rule.check(subject):
            if not any(_related(finding.path, path) for path in refused):
                yield rule, finding


def _related(one: KeyPath, other: KeyPath) -> bool:
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def _diagnostic(rule: Rule, finding: Finding, place: Callable[[KeyPath], Place]) -> Diagnostic:
    return Diagnostic(
        rule.id, place(finding.path), finding.path, finding.message, finding.fix, rule.severity
    )
