"""Puts a backup of one document back into the store: what the service itself never does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from hxp_enterprise_llm.configuration.revisions import Revisions, Shelf, identity
from hxp_enterprise_llm.configuration.secrets.envelope import Keys
from hxp_enterprise_llm.configuration.security.sealing import SealedShelf
from hxp_enterprise_llm.configuration.security.signing import Signer
from hxp_enterprise_llm.configuration.service.backend import Backend
from hxp_enterprise_llm.configuration.service.backups import open_backup
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey
from hxp_enterprise_llm.configuration.service.trusted import FILE, TrustedSigner, trusted_signer
from hxp_enterprise_llm.core.exceptions import InvalidInputError

_SEALED = ".gz.sealed"


@dataclass(frozen=True)
class Restored:
    """What a restore did.

    Attributes:
        key: The document.
        number: How many revisions were missing, and are there again.
        newest: The number of the newest.
    """

    key: DocumentKey
    number: int
    newest: int


@dataclass(frozen=True)
class Restorer:
    """Restores into one store. The service may run: it follows what comes.

    Args:
        environment: Whose documents.
        backend: Where revisions lie.
        state: Folder of the service, with the keys that it trusts.
        signer: Today's key; None where revisions are not signed.
        sealing: What revisions and backups are sealed with; None: they are not.
    """

    environment: str
    backend: Backend
    state: Path
    signer: Signer | None = None
    sealing: Keys | None = None

    async def restore(self, backup: Path) -> Restored:
        """Take over the revisions of a backup that are missing; all of them are checked first.

        Args:
            backup: A file of the backups' folder, under its own name, `KIND.NAME.TIME.gz`.

        Raises:
            InvalidInputError: It cannot be read, or its name is another.
            TamperedRevisionError: It was changed, or is of another environment or document.
            RevisionError: It is damaged, or of another history.
        """
        key = _key_of(backup)
        archive = await asyncio.to_thread(self._read, backup)
        of = identity(self.environment, key.kind, key.name)
        signer = await self._trusted()
        revisions = Revisions(
            self._shelf(key), of=of, signer=signer.of(key) if signer is not None else None
        )
        number = await revisions.restore(archive)
        newest = await revisions.verify()
        return Restored(key, number, newest.number if newest is not None else 0)

    def _read(self, backup: Path) -> bytes:
        if backup.name.endswith(_SEALED):
            if self.sealing is None:
                raise InvalidInputError(
                    f"{backup} is sealed, and the configuration names no `sealing`",
                    next_step="Give the configuration that the backup was made with.",
                )
            return open_backup(self.sealing, self.environment, backup)
        try:
            return backup.read_bytes()
        except OSError as error:
            raise InvalidInputError(
                f"{backup}: {error.strerror}", next_step="Name a file of the backups' folder."
            ) from None

    def _shelf(self, key: DocumentKey) -> Shelf:
        shelf = self.backend.shelf(key)
        if self.sealing is None:
            return shelf
        return SealedShelf(shelf, self.sealing, f"revisions/{self.environment}/{key}")

    async def _trusted(self) -> TrustedSigner | None:
        if self.signer is None:
            return None
        heads = await self.backend.heads()
        return await asyncio.to_thread(trusted_signer, self.state / FILE, self.signer, heads)


def _key_of(backup: Path) -> DocumentKey:
    kind, _, rest = backup.name.partition(".")
    name, mark, _ = rest.partition(".")
    if not (kind and name and mark):
        raise InvalidInputError(
            f"{backup.name} is no name of a backup",
            next_step="Keep the name that it was made under: KIND.NAME.TIME.gz.",
        )
    return DocumentKey(kind, name)
