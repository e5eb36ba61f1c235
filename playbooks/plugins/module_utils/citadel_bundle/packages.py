"""Debian packages: installed when missing, their daemons not started (our own units do that)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from . import state
from .lock import exclusive
from .system import BundleError, Host, tail

_POLICY = "/usr/sbin/policy-rc.d"
_DENY = "#!/bin/sh\n# Put here by Citadel while it installs packages.\nexit 101\n"
_FRESH_SECONDS = 86400


def install(host: Host, names: Sequence[str], *, check: bool = False) -> dict[str, Any]:
    """Install the packages that are missing.

    Raises:
        BundleError: apt failed; the text is the end of its output.
    """
    if check:
        return _result(_missing(host, names))
    with exclusive(host, "packages", wait=600):
        missing = _missing(host, names)
        if missing:
            _update(host)
            _install(host, missing)
    return _result(missing)


def _result(missing: list[str]) -> dict[str, Any]:
    return {"changed": bool(missing), "packages": missing}


def _missing(host: Host, names: Sequence[str]) -> list[str]:
    installed = state.packages(host)
    return [name for name in names if name not in installed]


def _update(host: Host) -> None:
    lists = host.path("/var/lib/apt/lists")
    found = list(lists.glob("*Packages*")) if lists.is_dir() else []
    if found and time.time() - max(path.stat().st_mtime for path in found) < _FRESH_SECONDS:
        return
    host.command("apt-get", "-q", "update", "-o", "Acquire::Retries=3", timeout=600)


def _install(host: Host, names: list[str]) -> None:
    policy = host.path(_POLICY)
    ours = not policy.exists() or policy.read_text() == _DENY
    if ours:
        policy.write_text(_DENY)
        policy.chmod(0o755)
    command = [
        "apt-get", "-q", "-y", "install", "--no-install-recommends",
        "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3",
        "-o", "Dpkg::Options::=--force-confold", *names,
    ]  # fmt: skip
    try:
        done = host.run(command, 3600)
    finally:
        if ours:
            policy.unlink()
    if done.code != 0:
        raise BundleError(f"apt-get install {' '.join(names)} failed:\n{tail(done.output)}")
