"""How long `make up` takes: first on a machine, from warm caches, and with nothing changed."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from commands import CITADEL
from figures import CHECKOUT, Figure, at_most, save


def measure(environment: str) -> list[Figure]:
    """Return the seconds of up from warm caches and again; leaves the environment up."""
    citadel("destroy", environment, "--yes")
    fresh, _ = _up(environment)
    again, phases = _up(environment)
    figures = [
        Figure("`make up`, warm caches, no hosts", "s", fresh, "", None),
        Figure("`make up` again, nothing changed, 4 hosts", "s", again, "", None, at_most(30)),
        *(Figure(f"… its phase {name}", "s", took, "", None) for name, took in phases.items()),
    ]
    save("up", figures)
    return figures


def measure_cold() -> list[Figure]:
    """Return the seconds of `make up` in a new clone with empty caches and no host image."""
    # Without force: an image that somebody's hosts run from stays, and is an error here.
    for image in _podman("images", "--quiet", "--filter", "reference=localhost/citadel-*").split():
        _podman("rmi", image)
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "citadel"
        subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(clone)], check=True)
        kept = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
        alone = kept | {"HOME": f"{folder}/home", "XDG_CACHE_HOME": f"{folder}/home/.cache"}
        Path(folder, "home").mkdir()
        started = time.perf_counter()
        shown = subprocess.run(
            ["make", "up"], cwd=clone, env=alone, check=False, capture_output=True, text=True
        )
        taken = time.perf_counter() - started
        (CHECKOUT / "build" / "cold.log").write_text(shown.stdout + shown.stderr)
        subprocess.run(
            ["make", "down", "YES=1"], cwd=clone, env=alone, check=True, capture_output=True
        )
        # Go's module cache is read-only.
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)
        shown.check_returncode()
    figures = [Figure("`make up`, empty caches", "s", taken, "", None)]
    save("up-cold", figures)
    return figures


def _podman(*words: str) -> str:
    return subprocess.run(["podman", *words], check=True, capture_output=True, text=True).stdout


def _up(environment: str) -> tuple[float, dict[str, float]]:
    started = time.perf_counter()
    subprocess.run(["make", "bootstrap"], cwd=CHECKOUT, check=True, capture_output=True)
    shown = citadel("up", environment, "--output", "json")
    return time.perf_counter() - started, json.loads(shown)["seconds"]


def citadel(*words: str) -> str:
    """Run `citadel` and return what it printed."""
    return subprocess.run(
        [CITADEL, *words], cwd=CHECKOUT, check=True, capture_output=True, text=True
    ).stdout
