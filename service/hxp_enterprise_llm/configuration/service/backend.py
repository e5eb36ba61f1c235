"""Where the service keeps revisions, and how it hears of those that others applied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hxp_enterprise_llm.configuration.revisions import FileShelf, Shelf
from hxp_enterprise_llm.configuration.security.accounts import Accounts, FileAccounts
from hxp_enterprise_llm.configuration.security.attempts import AttemptStore, MemoryAttempts
from hxp_enterprise_llm.configuration.security.sessions import MemorySessions, SessionStore
from hxp_enterprise_llm.configuration.service.fleet import Fleet, MemoryFleet
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey

Heard = Callable[[], None]
_ACCOUNTS = "accounts.json"


@dataclass(frozen=True)
class People:
    """What is kept of those who log in; servers that share a backend share it."""

    accounts: Accounts
    sessions: SessionStore
    attempts: AttemptStore


class Backend(Protocol):
    """A folder, or a database that several servers share."""

    fleet: Fleet

    def people(self, state: Path) -> People:
        """Return where accounts, sessions and tries are kept; one server's own in its `state`."""

    @property
    def shared(self) -> bool:
        """Return whether several servers may use it."""

    def shelf(self, key: DocumentKey) -> Shelf:
        """Return where the revisions of a document lie."""

    async def heads(self) -> dict[DocumentKey, int]:
        """Return the documents, with the numbers of their newest revisions.

        Raises:
            CitadelError: It is away.
        """

    async def announce(self, key: DocumentKey, number: int) -> None:
        """Tell the other servers of a new revision."""

    async def listen(self, heard: Heard) -> None:
        """Call `heard` whenever another server told of something, until cancelled.

        Raises:
            CitadelError: The connection is lost.
        """

    async def check(self) -> str:
        """Pass while revisions can be read: a probe for `core.health`."""


class FileBackend:
    """Revisions in a folder, for one server.

    Args:
        folder: One folder in it a document: `gateway/main`.
        fleet: Where replicas are kept; in this process when not given.
    """

    shared = False

    def __init__(self, folder: Path, *, fleet: Fleet | None = None) -> None:
        self.folder, self.fleet = folder, fleet or MemoryFleet()

    def people(self, state: Path) -> People:
        """Return a file of accounts; sessions and tries are this process' own."""
        return People(FileAccounts(state / _ACCOUNTS), MemorySessions(), MemoryAttempts())

    def shelf(self, key: DocumentKey) -> Shelf:
        """Return where the revisions of a document lie."""
        return FileShelf(self.folder / key.kind / key.name)

    async def heads(self) -> dict[DocumentKey, int]:
        """Return the documents, with the numbers of their newest revisions."""
        return await asyncio.to_thread(self._heads)

    async def announce(self, key: DocumentKey, number: int) -> None:
        """Do nothing: nobody else is there."""

    async def listen(self, heard: Heard) -> None:  # noqa: ARG002 # nobody else is there
        """Wait until cancelled."""
        await asyncio.Event().wait()

    async def check(self) -> str:
        """Pass while the folder can be read."""
        return f"{len(await self.heads())} documents"

    def _heads(self) -> dict[DocumentKey, int]:
        heads: dict[DocumentKey, int] = {}
        for path in self.folder.glob("*/*/*.json"):
            if path.stem.isdigit():
                key = DocumentKey(path.parts[-3], path.parts[-2])
                heads[key] = max(heads.get(key, 0), int(path.stem))
        return heads
