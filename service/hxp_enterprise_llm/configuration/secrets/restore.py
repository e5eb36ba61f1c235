"""What a backup would change in a backend, and its way back into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from hxp_enterprise_llm.configuration.secrets.backends.base import Backend, Mendable
from hxp_enterprise_llm.configuration.secrets.backup import Contents, Saved
from hxp_enterprise_llm.configuration.secrets.damage import Damage
from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretNotFoundError,
    SecretRefusedError,
)
from hxp_enterprise_llm.configuration.secrets.rules import RotationRule


@dataclass(frozen=True)
class Restored:
    """What a restore did, or would do; all are paths.

    Attributes:
        made_at: When the backup was made.
        environment: Whose secrets it holds; empty where an older version did not say.
        new: Were missing.
        same: Have this value already.
        other: Had another value or rule, or one that cannot be read.
        unreadable: What cannot be read now, and why.
        lost: Cannot be read, and the backup has none of them.
        aside: Copies of the damaged files; in a dry run the files that would be copied.
    """

    made_at: datetime
    environment: str
    new: tuple[str, ...]
    same: tuple[str, ...]
    other: tuple[str, ...]
    unreadable: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    aside: tuple[Path, ...] = ()

    def differing(self, contents: Contents) -> Iterator[Saved]:
        """Yield what must be put back: missing ones first."""
        for names in (self.new, self.other):
            yield from (item for item in contents.secrets if item.path in names)


def refuse_foreign(contents: Contents, environment: str, *, allowed: bool) -> None:
    """Refuse a backup of another environment, where both are known.

    Raises:
        SecretRefusedError: It is one, and that is not allowed.
    """
    if contents.environment and environment not in {"", contents.environment} and not allowed:
        raise SecretRefusedError(
            f"the backup is of environment {contents.environment}, not of {environment}",
            next_step="Name that environment; to bring its secrets over: --foreign.",
        )


def refuse_replacing(found: Restored) -> None:
    """Refuse to write over what is there.

    Raises:
        SecretRefusedError: Something has another value or rule, or cannot be read.
    """
    if found.unreadable:
        raise SecretRefusedError(
            f"what is there cannot be read: {'; '.join(found.unreadable)}",
            next_step="Look with --dry-run, then restore with --replace: it keeps the damaged "
            "files aside.",
        )
    if found.other:
        raise SecretRefusedError(
            f"secrets have other values or rules now: {', '.join(found.other)}",
            next_step="Restore over them with --replace, or rename them first.",
        )


async def compare(backend: Backend, contents: Contents) -> Restored:
    """Sort what was saved by what the backend has now; what it cannot read is named."""
    damage = backend.damage() if isinstance(backend, Mendable) else Damage()
    names = [item.path for item in contents.secrets]
    # Without its files nothing of the backend can be read.
    readable = () if damage.files else contents.secrets
    held = {
        item.path: await _same(backend, item)
        for item in readable
        if item.path not in damage.closed and await _has(backend, item.path)
    }
    return Restored(
        contents.made_at,
        contents.environment,
        new=tuple(path for path in names if path not in held and path not in damage.closed),
        same=tuple(path for path in names if held.get(path) is True),
        other=tuple(path for path in names if held.get(path) is False or path in damage.closed),
        unreadable=damage.lines(),
        lost=tuple(sorted(damage.closed - set(names))),
        aside=damage.kept_in,
    )


async def put_back(backend: Backend, contents: Contents, found: Restored) -> Restored:
    """Write what differs, and return what came of it."""
    differing = tuple(found.differing(contents))
    if isinstance(backend, Mendable):
        if not (differing or found.unreadable):
            return found
        return replace(found, aside=await backend.put_back(differing))
    for item in differing:
        await _write(backend, item)
    return found


async def _has(backend: Backend, path: str) -> bool:
    try:
        await backend.info(path)
    except SecretNotFoundError:
        return False
    return True


async def _same(backend: Backend, item: Saved) -> bool:
    """Return whether a secret has the value of a backup, and its rule where that has one."""
    if await backend.get(item.path) != item.value:
        return False
    unruled = backend.remote or item.rule == RotationRule()
    return unruled or (await backend.info(item.path)).rule == item.rule


async def _write(backend: Backend, item: Saved) -> None:
    await backend.set(item.path, item.value, made_at=item.made_at, made_by=item.rule.made_by)
    if item.rule.every_days or item.rule.hook or not backend.remote:
        await backend.set_rule(item.path, item.rule)
