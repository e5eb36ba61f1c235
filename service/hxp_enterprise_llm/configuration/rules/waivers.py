"""Waivers: applied to what the rules found, and checked themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hxp_enterprise_llm.configuration.diagnostics import KeyPath, dotted
from hxp_enterprise_llm.configuration.messages import suggest
from hxp_enterprise_llm.configuration.rules.registry import (
    REGISTRY,
    Finding,
    Judged,
    Rule,
    add,
    rule,
)
from hxp_enterprise_llm.schemas.waivers import Waiver

UNUSED = "C903"
add(
    Rule(
        UNUSED,
        "A waiver waives something.",
        "What it was made for is gone, or its path names another key. Remove it.",
        "warning",
        waivable=False,
        check=None,
    )
)


def covers(waiver: Waiver, rule_id: str, path: KeyPath, subject: Judged) -> bool:
    """Return whether a waiver holds today for a finding of a rule."""
    named = dotted(path)
    below = named == waiver.path or named.startswith(f"{waiver.path}.")
    allowed = waiver.rule == rule_id and REGISTRY[rule_id].waivable
    return allowed and below and waiver.until >= subject.today


def unused(subject: Judged, used: Sequence[Waiver]) -> Iterator[Finding]:
    """Yield the waivers that hold and waive nothing."""
    for index, waiver in enumerate(subject.waivers):
        if waiver not in used and waiver.until >= subject.today:
            yield Finding(
                ("waivers", index), "this waiver waives nothing.", "Remove it, or mend its path."
            )


@rule(
    "C901",
    "A waiver names a rule that may be waived.",
    "Rules that keep the engine safe, or without which nothing can work, have no exception.",
    about=object,
)
def unknown_rule(subject: Judged) -> Iterator[Finding]:
    """Find waivers of rules that do not exist or allow none."""
    for index, waiver in enumerate(subject.waivers):
        path = ("waivers", index, "rule")
        known = REGISTRY.get(waiver.rule)
        if known is None:
            fix = suggest(waiver.rule, REGISTRY) or "See docs/reference/rules.md."
            yield Finding(path, "there is no such rule.", fix)
        elif not known.waivable:
            yield Finding(path, "this rule cannot be waived.", "Remove the waiver.")


@rule(
    "C902",
    "No waiver is past its end.",
    "A waiver is a promise to mend something by a day. That day is over.",
    about=object,
)
def expired(subject: Judged) -> Iterator[Finding]:
    """Find waivers whose last day is over."""
    for index, waiver in enumerate(subject.waivers):
        if waiver.until < subject.today:
            yield Finding(
                ("waivers", index, "until"),
                f"the waiver ended on {waiver.until}.",
                "Mend what it waived and remove it, or agree on a new day.",
            )
