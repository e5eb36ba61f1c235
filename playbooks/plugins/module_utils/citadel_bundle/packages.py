"""Debian packages: installed when missing, their daemons not started (our own units do that)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from . import state
from .lock import exclusive
from .system import BundleError, Host, replace_synced, tail

_FRESH_SECONDS = 86400


def install(host: Host, names: Sequence[str], *, check: bool = False) -> dict[str, Any]:
    """Install the packages that are missing.

    Raises:
        BundleError: apt failed; the text is the end of its output.
    """
    if check:
        return _result(_missing(host, names))
    with exclusive(host, "packages", wait=600):
        mended = _mend(host)
        missing = _missing(host, names)
        if missing:
            _update(host)
            _install(host, missing)
    return _result(missing, mended=mended)


def _result(missing: list[str], *, mended: bool = False) -> dict[str, Any]:
    return {"changed": bool(missing) or mended, "packages": missing}


def _mend(host: Host) -> bool:
    """Finish what a killed run left: our policy file, and packages that dpkg had in hand."""
    if not state.cut_off(host):
        return False
    if state.policy_is_ours(host):
        host.path(state.POLICY).unlink()
    if state.dpkg_interrupted(host):
        with _no_daemons(host):
            _configure(host)
    return True


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
    command = [
        "apt-get", "-q", "-y", "install", "--no-install-recommends",
        "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3",
        "-o", "Dpkg::Options::=--force-confold", *names,
    ]  # fmt: skip
    with _no_daemons(host):
        _configure(host)
        done = host.run(command, 3600)
    if done.code != 0:
        raise BundleError(f"apt-get install {' '.join(names)} failed:\n{tail(done.output)}")


@contextmanager
def _no_daemons(host: Host) -> Iterator[None]:
    """Keep packages from starting their daemons; a policy of the operator's own stays."""
    policy = host.path(state.POLICY)
    ours = not policy.exists()
    if ours:
        replace_synced(policy, state.DENY.encode(), 0o755)  # whole, or it is not known as ours
    try:
        yield
    finally:
        if ours:
            policy.unlink()


def _configure(host: Host) -> None:
    """Let dpkg finish what it began; it does nothing where nothing is half done."""
    host.command("dpkg", "--force-confold", "--configure", "-a", timeout=3600)
