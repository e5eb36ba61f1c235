"""Figures of a benchmark: timed side by side, kept as rows, printed as ratios."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from hxp_enterprise_llm.testing import performance

CHECKOUT = Path(__file__).parents[2]
RESULTS = CHECKOUT / "build" / "bench"
seconds = performance.seconds


@dataclass(frozen=True)
class Bar:
    """What a figure must hold: ours at most or at least a limit, or the ratio at least one."""

    direction: Literal["at most", "at least", "ratio at least"]
    limit: float

    def text(self, unit: str) -> str:
        """Return the bar as the page shows it."""
        sign = "≤" if self.direction == "at most" else "≥"
        return f"{sign} {self.limit:g}" + (
            "×" if self.direction == "ratio at least" else f" {unit}"
        )


def at_most(limit: float) -> Bar:
    """Return a bar for ours, in the figure's unit."""
    return Bar("at most", limit)


def at_least(limit: float) -> Bar:
    """Return a bar for ours where more is better, in the figure's unit."""
    return Bar("at least", limit)


def ratio_at_least(limit: float) -> Bar:
    """Return a bar for peer over ours."""
    return Bar("ratio at least", limit)


@dataclass(frozen=True)
class Figure:
    """One measured quantity, and what a named peer needs for the same in the same run.

    Attributes:
        floor: Below this, ours is noise: it is not told apart from nothing and has no ratio.
    """

    name: str
    unit: str
    ours: float
    peer: str
    peer_value: float | None
    bar: Bar | None = None
    floor: float = 0.0

    @property
    def noise(self) -> bool:
        """Return whether ours is too small to be told."""
        return self.ours < self.floor

    @property
    def ratio(self) -> float | None:
        """Return peer over ours: above 1, ours is the better one where less is better."""
        if self.peer_value is None or self.noise:
            return None
        return self.peer_value / self.ours

    @property
    def shown(self) -> str:
        """Return ours with its unit, as the page shows it."""
        return (
            f"< {self.floor:g} {self.unit}" if self.noise else f"{_number(self.ours)} {self.unit}"
        )

    @property
    def met(self) -> bool:
        """Return whether the figure holds its bar; one without a bar does."""
        if self.bar is None:
            return True
        if self.bar.direction == "at most":
            return self.ours <= self.bar.limit
        if self.bar.direction == "at least":
            return self.ours >= self.bar.limit
        # The floor stands for what is below it, so that noise makes no ratio larger.
        return self.peer_value is not None and self.peer_value >= self.bar.limit * max(
            self.ours, self.floor
        )

    def row(self) -> dict[str, object]:
        """Return the figure as build/bench/NAME.json keeps it."""
        row = asdict(self) | {"ratio": None if self.ratio is None else round(self.ratio, 2)}
        return row | {"ours": round(self.ours, 4)}

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Figure:
        """Return the figure that a row was made from."""
        given = {key: value for key, value in row.items() if key not in ("ratio", "bar")}
        return cls(**given, bar=Bar(**row["bar"]) if row["bar"] else None)


def process(words: Sequence[str], *, runs: int = 5, env: dict[str, str] | None = None) -> float:
    """Return the median seconds of a command as a whole process, in the checkout."""
    return performance.process(words, runs=runs, folder=CHECKOUT, env=env)


def save(name: str, figures: Sequence[Figure]) -> None:
    """Write build/bench/NAME.json."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    rows = [figure.row() for figure in figures]
    (RESULTS / f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n")


def table(figures: Sequence[Figure]) -> str:
    """Return figures as a Markdown table."""
    lines = ["| figure | bar | ours | peer | peer's | ratio |", "|---|---|---|---|---|---|"]
    for figure in figures:
        bar = "–" if figure.bar is None else figure.bar.text(figure.unit)
        peer = "–" if figure.peer_value is None else f"{_number(figure.peer_value)} {figure.unit}"
        ratio = "–" if figure.ratio is None else f"{figure.ratio:.1f}×"
        lines.append(
            f"| {figure.name} | {bar} | {figure.shown} | {figure.peer or '–'} | {peer} | {ratio} |"
        )
    return "\n".join(lines)


def missed(figures: Iterable[Figure]) -> list[str]:
    """Return a line for each figure that does not hold its bar."""
    return [
        f"{figure.name}: {figure.shown}"
        + (f", {figure.ratio:.1f}×" if figure.ratio is not None else "")
        + f"; its bar is {figure.bar.text(figure.unit)}"
        for figure in figures
        if figure.bar is not None and not figure.met
    ]


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
