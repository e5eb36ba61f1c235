"""The revisions of an environment on the machine that brings it up: in its state folder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hxp_enterprise_llm.configuration.revisions.base import Revision, identity
from hxp_enterprise_llm.configuration.revisions.files import FileShelf
from hxp_enterprise_llm.configuration.revisions.store import Revisions
from hxp_enterprise_llm.configuration.snapshot import document_of, revision_of

if TYPE_CHECKING:
    from hxp_enterprise_llm.schemas.environment import Environment


class Applied(Protocol):
    """What is kept of an environment: `LoadedEnvironment` has it."""

    @property
    def path(self) -> Path:
        """Return its file."""

    @property
    def environment(self) -> Environment:
        """Return the model."""


def local_revisions(state: Path) -> Revisions:
    """Return the store of an environment.

    Args:
        state: Its state folder, `.citadel/NAME`.
    """
    of = identity(state.name, "environment", state.name)
    return Revisions(FileShelf(state / "revisions"), of=of)


async def keep(applied: Applied, state: Path, *, actor: str, reason: str) -> Revision | None:
    """Keep what was applied, with the text of its file; None when the newest says the same.

    An environment with `backup_enabled: false` keeps nothing.

    Raises:
        RevisionError: It cannot be kept, or the newest revision was tampered with.
    """
    if not applied.environment.infrastructure_services.configuration.backup_enabled:
        return None
    store, document = local_revisions(state), document_of(applied.environment)
    source = (await asyncio.to_thread(applied.path.read_bytes)).decode()
    newest = await store.latest()
    if newest is not None and (newest.id, newest.source) == (revision_of(document), source):
        return None
    return await store.append(document, actor=actor, reason=reason, source=source)
