"""Wheel sets: which wheels make the virtual environment of a service.

A set is a PEP 751 lock in `locks/`. Hosts are Debian 12: CPython 3.11, glibc 2.36, x86-64.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.core.exceptions import CitadelError

_PYTHON_MINOR = 11
_GLIBC_MINOR = 36
_MACHINE = "x86_64"
_LEGACY_GLIBC = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}
SETS = ("vllm-cpu", "vllm-cuda", "vllm-rocm", "gateway", "configuration", "uv")


@dataclass(frozen=True)
class Wheel:
    """One wheel of a set, and where it comes from."""

    name: str
    version: str
    marker: str
    url: str
    sha256: str
    size: int | None

    @property
    def file(self) -> str:
        """Return the file's name."""
        return self.url.rpartition("/")[2]

    @property
    def requirement(self) -> str:
        """Return its line in requirements.txt."""
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{self.name}=={self.version}{marker} --hash=sha256:{self.sha256}"


def lock_of(set_name: str, root: Path) -> Path:
    """Return the lock of a set.

    Raises:
        CitadelError: There is no such set.
    """
    lock = root / "locks" / f"pylock.{set_name}.toml"
    if set_name not in SETS or not lock.is_file():
        raise CitadelError(
            f"there is no lock for the wheel set {set_name}",
            next_step=f"Locked are {', '.join(SETS)}; locks/README.md tells how to lock another.",
        )
    return lock


@lru_cache(maxsize=8)
def _parse(lock: bytes) -> tuple[Wheel, ...]:
    packages: list[dict[str, Any]] = tomllib.loads(lock.decode())["packages"]
    chosen = (_choose(package) for package in packages)
    return tuple(wheel for wheel in chosen if wheel is not None)


def wheels_of(lock: Path) -> tuple[Wheel, ...]:
    """Return the wheels of a lock that fit the hosts, one a package.

    Raises:
        CitadelError: A package that the hosts need has no wheel for them.
    """
    return _parse(lock.read_bytes())


def _choose(package: dict[str, Any]) -> Wheel | None:
    ranked = [(fitness(_file(wheel)), wheel) for wheel in package.get("wheels", [])]
    fitting = [(rank, wheel) for rank, wheel in ranked if rank is not None]
    marker = package.get("marker", "")
    if not fitting:
        if "win32" in marker or "Windows" in marker:
            return None
        raise CitadelError(
            f"{package['name']} {package['version']} has no wheel for Debian 12 on {_MACHINE}",
            next_step="Lock another version: see locks/README.md.",
        )
    _, wheel = max(fitting, key=lambda pair: pair[0])
    return Wheel(
        name=package["name"],
        version=package["version"],
        marker=marker,
        url=wheel["url"],
        sha256=wheel["hashes"]["sha256"],
        size=wheel.get("size"),
    )


def _file(wheel: dict[str, Any]) -> str:
    url: str = wheel["url"]
    return url.rpartition("/")[2]


def fitness(file: str) -> tuple[int, int] | None:
    """Rank a wheel by its file name for the hosts; None when it does not run there.

    Tags are those of PEP 425 and PEP 600; the most specific wheel ranks highest.
    """
    python, abi, platform = file.removesuffix(".whl").rsplit("-", 3)[1:]
    interpreter = max((_python_rank(tag, abi) for tag in python.split(".")), default=0)
    system = max((_platform_rank(tag) for tag in platform.split(".")), default=0)
    return (interpreter, system) if interpreter and system else None


def _python_rank(tag: str, abi: str) -> int:
    if abi == "none":
        plain = re.fullmatch(r"(?:py|cp)3(\d*)", tag)
        return 1 if plain is not None and int(plain[1] or 0) <= _PYTHON_MINOR else 0
    match = re.fullmatch(r"cp3(\d+)", tag)
    if match is None:
        return 0
    minor = int(match[1])
    if f"cp3{minor}" in abi.split("."):
        return 3 if minor == _PYTHON_MINOR else 0
    return 2 if "abi3" in abi.split(".") and minor <= _PYTHON_MINOR else 0


def _platform_rank(tag: str) -> int:
    if tag == "any":
        return 1
    if tag == f"linux_{_MACHINE}":
        return 2
    match = re.fullmatch(rf"(manylinux\d+|manylinux_2_(\d+))_{_MACHINE}", tag)
    if match is None:
        return 0
    glibc = int(match[2]) if match[2] else _LEGACY_GLIBC.get(match[1], 99)
    return 3 + glibc if glibc <= _GLIBC_MINOR else 0
