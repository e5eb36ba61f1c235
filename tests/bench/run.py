"""`make bench`: every figure of docs/benchmarks.md, measured now on this machine.

With `--cold` also the first `make up` of a machine: with a home of its own, so that no cache is
there, and after removing the host images. Debian packages stay installed.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import bundle
import commands
import memory
import up
from figures import CHECKOUT, RESULTS, Figure, table

PAGE = CHECKOUT / "docs" / "benchmarks.md"
# local.yaml under another name, so that nobody's running environment is touched.
ENVIRONMENT = RESULTS / "bench.yaml"
HOST = "data-1"
TITLES = {
    "up": "From nothing to an answer",
    "bundle": "Converging",
    "memory": "Memory",
    "commands": "The command line",
}
INTRODUCTION = """\
# Benchmarks

Made by `make bench`; do not edit. `make bench COLD=1` adds a first run with empty caches. Times of
`make up` are one run each and memory is one reading; every other figure is a median of several
runs, its peer timed in the same run. A ratio above 1 means that ours needs less; 0.05 s stands for
all that is below the noise, and the ratio is then a lower bound.

Machine: {machine}, Python {python}; {day}.
"""


def main() -> None:
    """Measure, keep build/bench/*.json, and write the page."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    ENVIRONMENT.write_text("schema: 1\nextends: ../../stacks/environments/local.yaml\n")
    environment = str(ENVIRONMENT)
    if "--cold" in sys.argv[1:]:
        up.measure_cold()
    try:
        up.measure(environment)
        memory.measure(environment)
        bundle.measure(environment, HOST)
    finally:
        up.citadel("destroy", environment, "--yes")
    commands.measure()
    PAGE.write_text(page())


def page() -> str:
    """Return docs/benchmarks.md from what build/bench holds."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}"
    parts = [INTRODUCTION.format(machine=machine, python=platform.python_version(), day=_today())]
    for name, title in TITLES.items():
        figures = _read("up-cold") + _read(name) if name == "up" else _read(name)
        parts.append(f"\n## {title}\n\n{table(figures)}\n")
    return "".join(parts)


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _read(name: str) -> list[Figure]:
    path = Path(RESULTS / f"{name}.json")
    if not path.exists():
        return []
    rows = json.loads(path.read_text())
    return [Figure(**{key: row[key] for key in row if key != "ratio"}) for row in rows]


if __name__ == "__main__":
    main()
