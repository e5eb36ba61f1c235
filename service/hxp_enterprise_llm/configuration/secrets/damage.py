"""What of a sealed file cannot be opened any more, so that a restore knows what it replaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hxp_enterprise_llm.utilities.files import write_atomic


@dataclass(frozen=True)
class Damage:
    """What is lost to its readers.

    Attributes:
        files: The sealed file or the key ring, when it is no such file or missing, and why.
        secrets: Paths of secrets that do not open, and why.
        kept_in: The files that hold what does not open, those that are there.
    """

    files: tuple[tuple[Path, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    kept_in: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files or self.secrets)

    @property
    def closed(self) -> frozenset[str]:
        """Return the paths of the secrets that do not open."""
        return frozenset(path for path, _ in self.secrets)

    def lines(self) -> tuple[str, ...]:
        """Return what is wrong, files first; a secret is named alone where its file says why."""
        reasons = tuple(why for _, why in self.files)
        return (*reasons, *(path if self.files else why for path, why in self.secrets))


def damage_of(
    sealed: Path, files: Sequence[tuple[Path, str]], secrets: Sequence[tuple[str, str]]
) -> Damage:
    """Return the damage of a sealed file and its ring.

    Args:
        sealed: The sealed file, which holds the secrets.
        files: Broken files, and why.
        secrets: Secrets that do not open, and why.
    """
    broken = {file for file, _ in files} | ({sealed} if secrets else set())
    there = sorted(file for file in broken if file.exists())
    return Damage(tuple(files), tuple(secrets), tuple(there))


def keep_aside(damage: Damage, stamp: str) -> tuple[Path, ...]:
    """Copy the files of what does not open, so that nothing is lost without a trace.

    Args:
        damage: What does not open.
        stamp: Makes the names of the copies new.

    Returns:
        The copies.
    """
    kept = []
    for file in damage.kept_in:
        kept.append(file.with_name(f"{file.name}.damaged-{stamp}"))
        write_atomic(kept[-1], file.read_bytes(), mode=0o600)
    return tuple(kept)
