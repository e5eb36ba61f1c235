"""How long `citadel up` takes: again with nothing changed, and from nothing but warm caches."""

from __future__ import annotations

import json
import os
import subprocess
import time

from commands import CITADEL
from figures import CHECKOUT, Figure, save


def measure(environment: str) -> list[Figure]:
    """Return the seconds of up from warm caches and again; leaves the environment up."""
    _run("destroy", environment, "--yes")
    fresh, _ = _up(environment)
    again, phases = _up(environment)
    figures = [
        Figure("`make up`, warm caches, no hosts", "s", fresh, "", None),
        Figure("`make up` again, nothing changed, 4 hosts", "s", again, "", None, "≤ 30 s"),
        *(Figure(f"… its phase {name}", "s", took, "", None) for name, took in phases.items()),
    ]
    save("up", figures)
    return figures


def _up(environment: str) -> tuple[float, dict[str, float]]:
    started = time.perf_counter()
    subprocess.run(["make", "bootstrap"], cwd=CHECKOUT, check=True, capture_output=True)
    shown = _run("up", environment, "--output", "json")
    return time.perf_counter() - started, json.loads(shown)["seconds"]


def _run(*words: str) -> str:
    return subprocess.run(
        [CITADEL, *words], cwd=CHECKOUT, check=True, capture_output=True, text=True, env=os.environ
    ).stdout
