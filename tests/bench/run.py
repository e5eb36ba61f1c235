"""`make bench`: every figure of docs/benchmarks.md, measured now on this machine.

With `--cold` also the first `make up` of a machine: with a home of its own, so that no cache is
there, and after removing the host images. Debian packages stay installed. With `--config` only the
section on configuration (`make bench-config`), which needs no environment.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime

import bundle
import commands
import config
import memory
import up
from figures import CHECKOUT, RESULTS, Figure, missed, table

PAGE = CHECKOUT / "docs" / "benchmarks.md"
# local.yaml under another name, so that nobody's running environment is touched.
ENVIRONMENT = RESULTS / "bench.yaml"
HOST = "data-1"
TITLES = {
    "up": "From nothing to an answer",
    "bundle": "Converging",
    "memory": "Memory",
    "commands": "The command line",
    "config": "Configuration",
}
NOTES = {
    "config": """\
Also by itself: `make bench-config`. Peers load and check the same four YAML files with the versions
that `uv.lock` pins. pydantic-settings, dynaconf and hydra read YAML with PyYAML's loader in Python,
which is most of their time; we read it with its loader in C, and so does the bare peer, which only
merges plain maps and knows nothing of where a value came from. Reads of secrets include the access
check and the audit record. A change is a rename over a file that is watched; memory is the resident
set of `citadel serve configuration` after 20 revisions and 80 reads. In the mixed reads a fifth of
the keys takes four fifths of them, one in ten asks for ten keys, and each change empties the cache.
""",
}
INTRODUCTION = """\
# Benchmarks

Made by `make bench`; do not edit. `make bench COLD=1` adds a first run with empty caches. Times of
`make up` are one run each and memory is one reading; every other figure is a median of several
runs, its peer timed in the same run. A ratio above 1 means that ours needs less; what is below the
noise is shown as "< 0.05 s" and has no ratio. `make bench` fails when a figure misses its bar.

Machine: {machine}, Python {python}; {day}.
"""


def main() -> None:
    """Measure, keep build/bench/*.json, write the page, and end with 1 when a bar is missed."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    if "--config" in sys.argv[1:]:
        config.measure()
        PAGE.write_text(with_section(PAGE.read_text(), "config"))
        sys.exit(verdict("config"))
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
    config.measure()
    PAGE.write_text(page())
    sys.exit(verdict(*TITLES))


def page() -> str:
    """Return docs/benchmarks.md from what build/bench holds."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}"
    parts = [INTRODUCTION.format(machine=machine, python=platform.python_version(), day=_today())]
    return "".join((*parts, *map(_section, TITLES)))


def with_section(text: str, name: str) -> str:
    """Return the page with one section as build/bench holds it, at its place or at the end."""
    before, title, after = text.partition(_head(name))
    _, following, rest = after.partition("\n## ") if title else ("", "", "")
    return before + _section(name) + following + rest


def verdict(*names: str) -> int:
    """Name every bar that build/bench misses on standard error; return the exit code."""
    lines = missed(figure for name in names for figure in _figures(name))
    sys.stderr.writelines(f"missed: {line}\n" for line in lines)
    return 1 if lines else 0


def _head(name: str) -> str:
    return f"\n## {TITLES[name]}\n"


def _section(name: str) -> str:
    note = f"{NOTES[name]}\n" if name in NOTES else ""
    return f"{_head(name)}\n{note}{table(_figures(name))}\n"


def _figures(name: str) -> list[Figure]:
    return _read("up-cold") + _read(name) if name == "up" else _read(name)


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _read(name: str) -> list[Figure]:
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return []
    return [Figure.of_row(row) for row in json.loads(path.read_text())]


if __name__ == "__main__":
    main()
