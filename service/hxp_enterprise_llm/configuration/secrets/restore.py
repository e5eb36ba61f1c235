"""What a backup would change in a backend, and its way back into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from hxp_enterprise_llm.configuration.secrets.backends.base import Backend
from hxp_enterprise_llm.configuration.secrets.backup import Contents, Saved
from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretNotFoundError,
    SecretRefusedError,
)
from hxp_enterprise_llm.configuration.secrets.secret import Secret


@dataclass(frozen=True)
class Restored:
    """What a restore did, or would do; all are paths.

    Attributes:
        made_at: When the backup was made.
        environment: Whose secrets it holds; empty where an older version did not say.
        new: Were missing.
        same: Have this value already.
        other: Had another value.
    """

    made_at: datetime
    environment: str
    new: tuple[str, ...]
    same: tuple[str, ...]
    other: tuple[str, ...]

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


async def compare(backend: Backend, contents: Contents) -> Restored:
    """Sort what was saved by what the backend has now."""
    held: dict[str, Secret] = {}
    for item in contents.secrets:
        with suppress(SecretNotFoundError):
            held[item.path] = await backend.get(item.path)
    here = [item for item in contents.secrets if item.path in held]
    return Restored(
        contents.made_at,
        contents.environment,
        new=tuple(item.path for item in contents.secrets if item.path not in held),
        same=tuple(item.path for item in here if held[item.path] == item.value),
        other=tuple(item.path for item in here if held[item.path] != item.value),
    )


async def put_back(backend: Backend, item: Saved) -> None:
    """Write one secret of a backup, with its time and its rule."""
    await backend.set(item.path, item.value, made_at=item.made_at, made_by=item.rule.made_by)
    if item.rule.every_days or item.rule.hook:
        await backend.set_rule(item.path, item.rule)
