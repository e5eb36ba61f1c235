"""Figures of a benchmark: timed side by side, kept as rows, printed as ratios."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
RESULTS = CHECKOUT / "build" / "bench"


@dataclass(frozen=True)
class Figure:
    """One measured quantity, and what a named peer needs for the same in the same run."""

    name: str
    unit: str
    ours: float
    peer: str
    peer_value: float | None
    bar: str = ""

    @property
    def ratio(self) -> float | None:
        """Return peer over ours: above 1, ours is the better one where less is better."""
        return None if self.peer_value is None else self.peer_value / self.ours

    def row(self) -> dict[str, object]:
        """Return the figure as build/bench/NAME.json keeps it."""
        row = asdict(self) | {"ratio": None if self.ratio is None else round(self.ratio, 2)}
        return row | {"ours": round(self.ours, 4)}


def seconds(act: Callable[[], object], *, runs: int) -> float:
    """Return the median wall-clock seconds of several runs."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        act()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def process(words: Sequence[str], *, runs: int = 5, env: dict[str, str] | None = None) -> float:
    """Return the median seconds of a command as a whole process."""

    def act() -> None:
        subprocess.run(words, cwd=CHECKOUT, env=env, check=True, capture_output=True)

    act()
    return seconds(act, runs=runs)


def save(name: str, figures: Sequence[Figure]) -> None:
    """Write build/bench/NAME.json."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    rows = [figure.row() for figure in figures]
    (RESULTS / f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n")


def table(figures: Sequence[Figure]) -> str:
    """Return figures as a Markdown table."""
    lines = ["| figure | bar | ours | peer | peer's | ratio |", "|---|---|---|---|---|---|"]
    for figure in figures:
        peer = "–" if figure.peer_value is None else f"{_number(figure.peer_value)} {figure.unit}"
        ratio = "–" if figure.ratio is None else f"{figure.ratio:.1f}×"
        lines.append(
            f"| {figure.name} | {figure.bar or '–'} | {_number(figure.ours)} {figure.unit} "
            f"| {figure.peer or '–'} | {peer} | {ratio} |"
        )
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
