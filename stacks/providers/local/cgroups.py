"""The limits that hold a running container: the kernel's word, not podman's memory of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from providers.local.podman import Inspection

_ROOT = Path("/sys/fs/cgroup")
# cgroup v1 says "no limit" by a number near 2^63.
_UNLIMITED = 2**62


@dataclass(frozen=True)
class Group:
    """Memory in bytes and CPUs to two places; 0 for no limit."""

    memory: int
    cpus: float


def cgroup(state: Inspection, root: Path = _ROOT) -> Group:
    """Return the limits of a running container.

    Args:
        state: Its `State` as podman's inspect gives it.
        root: Where the control groups are mounted.
    """
    path = str(state["CgroupPath"]).lstrip("/")
    if (root / "cgroup.controllers").exists():
        return Group(_memory(root / path / "memory.max"), _quota_v2(root / path / "cpu.max"))
    return Group(_memory(root / "memory" / path / "memory.limit_in_bytes"), _quota_v1(root, path))


def _memory(file: Path) -> int:
    text = file.read_text().strip()
    value = 0 if text == "max" else int(text)
    return 0 if value > _UNLIMITED else value


def _quota_v1(root: Path, path: str) -> float:
    folder = root / "cpu" / path
    quota = int((folder / "cpu.cfs_quota_us").read_text())
    period = int((folder / "cpu.cfs_period_us").read_text())
    return 0.0 if quota < 0 else round(quota / period, 2)


def _quota_v2(file: Path) -> float:
    quota, period = file.read_text().split()
    return 0.0 if quota == "max" else round(int(quota) / int(period), 2)
