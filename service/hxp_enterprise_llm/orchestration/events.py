"""What Pulumi's event stream says, in words for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hxp_enterprise_llm.utilities.report import Report

Event = Mapping[str, Any]

_SIGNS = {
    "create": "+",
    "update": "~",
    "replace": "±",
    "delete": "-",
    "refresh": "",
    "same": "",
}
_DOING = {
    "create": "making",
    "update": "changing",
    "replace": "replacing",
    "create-replacement": "making anew",
    "delete": "removing",
    "delete-replaced": "removing the old",
}


@dataclass(frozen=True)
class Changes:
    """How many resources an operation made, changed, replaced and removed; what to know of it."""

    counts: Mapping[str, int]
    resources: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything was, or would be, done."""
        return any(number for kind, number in self.counts.items() if _SIGNS.get(kind, "?"))

    @property
    def summary(self) -> str:
        """`+9 ~1`, or `no changes`."""
        parts = [
            f"{_SIGNS.get(kind, kind + ' ')}{number}"
            for kind, number in sorted(self.counts.items())
            if number and _SIGNS.get(kind, "?")
        ]
        return " ".join(parts) or "no changes"


@dataclass
class Progress:
    """Follows the stream of one operation: reports what happens, keeps what went wrong."""

    report: Report
    counts: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def line(self, text: str) -> None:
        """Take one line of `pulumi --json`; what is not an event is kept as it is."""
        try:
            event = json.loads(text)
        except ValueError:
            event = None
        if isinstance(event, dict):
            self._event(event)
        elif text.strip():
            self.other.append(text)

    def _event(self, event: Event) -> None:
        if "resourcePreEvent" in event:
            metadata = event["resourcePreEvent"]["metadata"]
            if metadata["op"] in _DOING and not metadata["type"].startswith("pulumi:"):
                self.report(f"{describe(metadata['urn'])}: {_DOING[metadata['op']]}")
        elif "diagnosticEvent" in event:
            self._diagnostic(event["diagnosticEvent"])
        elif "summaryEvent" in event:
            self.counts = dict(event["summaryEvent"].get("resourceChanges") or {})

    def _diagnostic(self, event: Event) -> None:
        text = str(event["message"]).strip()
        urn = event.get("urn")
        if event["severity"] == "error":
            if text and not text.startswith("update failed"):
                self.errors.append(f"{describe(urn)}: {text}" if urn else text)
        elif urn and text and event["severity"] == "warning":
            self.warnings.append(f"{describe(urn)}: {text}")
        elif urn and text and event.get("ephemeral"):
            self.report(f"{describe(urn)}: {text}")

    def changes(self) -> Changes:
        """Return what was done."""
        return Changes(self.counts, warnings=tuple(dict.fromkeys(self.warnings)))


def describe(urn: str) -> str:
    """Return `host llm-1` for the resource of a URN."""
    parts = urn.split("::")
    kind = parts[2].rpartition(":")[2].lower()
    return kind if parts[3] == kind else f"{kind} {parts[3]}"
