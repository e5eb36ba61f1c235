"""What a report is made of: sections of items and tables, as plain data and as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import visible


class Level(StrEnum):
    """How much an item matters, the gravest first."""

    RISK = "risk"
    ADVICE = "advice"
    NOTE = "note"


@dataclass(frozen=True)
class Item:
    """One thing that was seen.

    Attributes:
        level: How much it matters.
        path: The key that it is about, joined by dots; empty for what is about no key.
        message: What was seen, in a sentence.
        fix: What to do; empty for what needs nothing.
        source: Where the key was written.
    """

    level: Level
    path: str
    message: str
    fix: str = ""
    source: str = ""

    def as_data(self) -> dict[str, Any]:
        """Return plain data."""
        return {**vars(self), "level": self.level.value}


@dataclass(frozen=True)
class Section:
    """One question that the report answers.

    Attributes:
        id: A word, the same in every report.
        title: The question's answer in people's words.
        items: What was seen.
        headings: Of the table; empty where there is none.
        rows: Of the table.
        note: What must be known of the section: what it leaves out, why it is empty.
    """

    id: str
    title: str
    items: tuple[Item, ...] = ()
    headings: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    note: str = ""

    def as_data(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "id": self.id,
            "title": self.title,
            "note": self.note,
            "items": [item.as_data() for item in self.items],
            "table": [dict(zip(self.headings, row, strict=True)) for row in self.rows],
        }


@dataclass(frozen=True)
class Report:
    """All sections about one environment."""

    environment: str
    made_at: datetime
    sections: tuple[Section, ...]

    def counts(self) -> dict[str, int]:
        """Return how many items there are of each level."""
        items = [item for section in self.sections for item in section.items]
        return {level.value: sum(item.level is level for item in items) for level in Level}

    def as_data(self) -> dict[str, Any]:
        """Return plain data for `--format json`."""
        return {
            "environment": self.environment,
            "made_at": self.made_at.isoformat(),
            "counts": self.counts(),
            "sections": [section.as_data() for section in self.sections],
        }

    def text(self) -> str:
        """Return it for people at a terminal."""
        lines = [f"{self.environment}, {self.made_at:%Y-%m-%d %H:%M} UTC: {self.summary()}"]
        for section in self.sections:
            lines += ["", section.title, *(f"  {line}" for line in _lines(section))]
        return "\n".join(map(visible, lines))

    def summary(self) -> str:
        """Return the counts in words: `1 risk, 2 advice, 5 note`."""
        return ", ".join(f"{count} {level}" for level, count in self.counts().items())


def _lines(section: Section) -> Iterator[str]:
    if section.note:
        yield section.note
    for item in section.items:
        head = f"{item.level:<7} {item.path}: " if item.path else f"{item.level:<7} "
        yield head + item.message + (f"  ({item.source})" if item.source else "")
        if item.fix:
            yield f"        {item.fix}"
    if section.rows:
        table = [tuple(map(visible, row)) for row in (section.headings, *section.rows)]
        widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
        for row in table:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            yield "  ".join(cells).rstrip()
    if not (section.note or section.items or section.rows):
        yield "nothing"
