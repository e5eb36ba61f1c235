"""How podman is called: with root's rights, and with errors that say what to do."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.utilities.process import CommandError, run

Inspection = dict[str, Any]
_SECONDS = 600.0
_LISTINGS = 5
_NOT_FOUND = ("not known", "no such", "does not exist", "not found", "no container with name or id")


def as_root() -> tuple[str, ...]:
    """Return what to put before a command that needs root."""
    return () if os.geteuid() == 0 else ("sudo", "-n")


def podman(*arguments: str, stdin: str | None = None) -> str:
    """Run podman with root's rights and return what it printed.

    Raises:
        CitadelError: podman or sudo is missing, or the command failed.
    """
    try:
        return run((*as_root(), "podman", *arguments), stdin=stdin, timeout=_SECONDS).stdout
    except CommandError as error:
        raise _explained(error) from None
    except subprocess.TimeoutExpired:
        raise CitadelError(
            f"podman {arguments[0]} did not end within {_SECONDS:.0f} s",
            next_step="Look at the machine's load and run the same command again.",
        ) from None


def names(*command: str) -> list[str]:
    """Return what a listing prints; asks again when another run's object ended under it."""
    for _ in range(_LISTINGS - 1):
        try:
            return podman(*command, "--quiet").split()
        except CommandError as error:
            if not any(text in error.output.lower() for text in _NOT_FOUND):
                raise
    return podman(*command, "--quiet").split()


def inspect(kind: str, name: str) -> Inspection | None:
    """Return what podman knows of an object, or None when there is none of that name.

    Args:
        kind: container, image, network or volume.
        name: Its name.
    """
    try:
        found: list[Inspection] = json.loads(podman(kind, "inspect", name))
    except CommandError as error:
        if any(text in error.output.lower() for text in _NOT_FOUND):
            return None
        raise
    return found[0] if found else None


@cache
def runtime() -> tuple[str, ...]:
    """Return podman's option for the container runtime: crun refuses cgroup v1 hosts."""
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    return () if unified else ("--runtime", "runc")


@cache
def limits() -> tuple[str, ...]:
    """Return podman's options for resource limits: systemd's usual ones, or what we may give."""
    wanted = {"nofile": (resource.RLIMIT_NOFILE, 524_288), "nproc": (resource.RLIMIT_NPROC, 32_768)}
    options: list[str] = []
    for name, (kind, value) in wanted.items():
        hard = resource.getrlimit(kind)[1]
        number = value if hard == resource.RLIM_INFINITY else min(value, hard)
        options += ["--ulimit", f"{name}={number}:{number}"]
    return tuple(options)


def label_arguments(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return labels as podman's arguments."""
    return tuple(
        part for key, value in sorted(labels.items()) for part in ("--label", f"{key}={value}")
    )


def _explained(error: CommandError) -> CommandError:
    if error.status == 127 and "'sudo'" not in error.output:
        step = "Install it: make up does, or apt-get install podman runc netavark aardvark-dns."
    elif "sudo" in error.output:
        step = "Hosts need root: run `sudo -v` first, or allow sudo without a password for podman."
    else:
        step = "podman's own text is above; run the same command again when it is cured."
    return CommandError(error.command, error.status, error.output, next_step=step)
