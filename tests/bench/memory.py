"""Resident memory of a running environment, a row a daemon."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict

from commands import CITADEL
from figures import CHECKOUT, Figure, at_most, save

MIB = 2**20
BAR_GIB = 10


def measure(environment: str) -> list[Figure]:
    """Return the proportional set size of each daemon, summed over hosts, and of all."""
    shown = subprocess.run(
        [CITADEL, "status", environment, "--output", "json"],
        cwd=CHECKOUT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    daemons: dict[str, float] = defaultdict(float)
    for host in json.loads(shown)["hosts"].values():
        for unit in host["units"]:
            daemons[unit["unit"].removesuffix(".service")] += unit["memory_bytes"] / MIB
    figures = [
        Figure(f"memory of {name}", "MiB", value, "", None)
        for name, value in sorted(daemons.items(), key=lambda row: -row[1])
        if value >= 1
    ]
    total = sum(daemons.values())
    figures.insert(
        0, Figure("memory of all daemons", "MiB", total, "", None, at_most(BAR_GIB * 1024))
    )
    save("memory", figures)
    return figures
