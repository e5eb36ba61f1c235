"""Build a virtual environment from a wheel set of the store, with no network.

Standard library only, Python 3.9 and later: it runs on hosts, and in the controller's sandbox.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path


class VenvError(Exception):
    """uv refused or failed; the text is its last output."""


def build(store, wheels, target, python="/usr/bin/python3"):
    # type: (str, str, str, str) -> bool
    """Build the environment at `target` unless it is there; return whether it was built.

    It is built beside its place and renamed when complete, so a reader sees all of it or nothing.
    Two builders of one target wait for each other; what a killed one left is removed.

    Args:
        store: The artifact store; uv is at `bin/uv` below it.
        wheels: Folder below the store with requirements.txt and the wheels.
        target: Where the environment shall lie.
        python: Interpreter to build it for.
    """
    final = Path(target)
    if (final / "complete").exists():
        return False
    final.parent.mkdir(parents=True, exist_ok=True)
    with (final.parent / f".{final.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (final / "complete").exists():
            return False
        partial = final.parent / f".{final.name}.partial"
        cache = final.parent / f".{final.name}.cache"
        try:
            _fill(Path(store), Path(store) / wheels, partial, cache, python)
            shutil.rmtree(final, ignore_errors=True)
            partial.rename(final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(cache, ignore_errors=True)
    return True


def _fill(store, wheels, partial, cache, python):
    # type: (Path, Path, Path, Path, str) -> None
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(cache, ignore_errors=True)
    # uv unpacks into its cache and links from there: on one file system nothing is written twice.
    env = dict(os.environ, UV_CACHE_DIR=str(cache), UV_NO_CONFIG="1", UV_PYTHON_DOWNLOADS="never")
    uv = str(store / "bin" / "uv")
    _run([uv, "venv", "--quiet", "--relocatable", "--python", python, str(partial)], env)
    install = [uv, "pip", "install", "--quiet", "--offline", "--no-index", "--no-deps"]
    install += ["--require-hashes", "--compile-bytecode", "--link-mode", "hardlink"]
    install += ["--find-links", str(wheels), "--python", str(partial / "bin" / "python")]
    _run([*install, "--requirement", str(wheels / "requirements.txt")], env)
    (partial / "complete").write_text(wheels.name + "\n")


def _run(command, env):
    # type: (list, dict) -> None
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise VenvError("{}: {}".format(" ".join(command[:3]), done.stderr.strip()[-2000:]))
