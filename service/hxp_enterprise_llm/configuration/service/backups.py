"""Backups of the revisions of all documents, each a file with a checksum of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from hxp_enterprise_llm.configuration.secrets.envelope import Keys
from hxp_enterprise_llm.configuration.security.sealing import open_record, seal_record
from hxp_enterprise_llm.configuration.service.documents import Documents
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey
from hxp_enterprise_llm.core.exceptions import CitadelError, InvalidInputError
from hxp_enterprise_llm.schemas.configuration_service import RevisionBackup
from hxp_enterprise_llm.utilities.files import write_atomic


class Backups:
    """Writes `KIND.NAME.TIME.gz`, and removes what is older than the newest few.

    With a key they are sealed, and end in `.gz.sealed`.

    Args:
        settings: Where, how often, how many.
        documents: What is backed up.
        seal: Seals an archive, and returns it with the ending of its name.
        told: Hears of each document why it was not backed up, or `None` when it was.
        now: The wall clock.
    """

    def __init__(
        self,
        settings: RevisionBackup,
        documents: Documents,
        seal: Callable[[DocumentKey, bytes], tuple[bytes, str]],
        told: Callable[[DocumentKey, CitadelError | None], None],
        now: Callable[[], datetime],
    ) -> None:
        self._settings, self._documents = settings, documents
        self._seal, self._told, self._now = seal, told, now

    async def run(self) -> None:
        """Back up now and then, until cancelled.

        Raises:
            OSError: The folder cannot be written.
        """
        while True:
            await self.once()
            await asyncio.sleep(self._settings.every)

    async def once(self) -> tuple[Path, ...]:
        """Back up all documents but those with a changed revision; return the files."""
        folder = Path(self._settings.folder)
        stamp = self._now().strftime("%Y%m%dT%H%M%SZ")
        written = []
        for key, _ in self._documents.all():
            stem = f"{key.kind}.{key.name}"
            try:
                document, _ = self._documents.get(key)
                archive, ending = self._seal(key, await document.revisions.backup())
            except CitadelError as error:
                # Its older backups stay, and those of the others are made.
                self._told(key, error)
                continue
            path = folder / f"{stem}.{stamp}{ending}"
            await asyncio.to_thread(self._write, path, archive, stem)
            self._told(key, None)
            written.append(path)
        return tuple(written)

    def _write(self, path: Path, archive: bytes, stem: str) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(path, archive, mode=0o600)
        older = sorted(path.parent.glob(f"{stem}.*.gz*"))
        for old in older[: -self._settings.keep]:
            old.unlink()


def seal_backup(
    keys: Keys | None, environment: str, key: DocumentKey, archive: bytes
) -> tuple[bytes, str]:
    """Return an archive, sealed when there are keys, and the ending of its name."""
    if keys is None:
        return archive, ".gz"
    return seal_record(keys, _path(environment, str(key)), archive), ".gz.sealed"


def open_backup(keys: Keys, environment: str, path: Path) -> bytes:
    """Return the archive that a sealed backup holds.

    Args:
        keys: What it was sealed with.
        environment: Whose it is.
        path: The file, under its own name: that says of which document it is.

    Raises:
        InvalidInputError: It cannot be read, or has another name.
        TamperedError: It was changed.
    """
    kind, _, rest = path.name.partition(".")
    name = rest.partition(".")[0]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(
            f"{path}: {error.strerror}", next_step="Name a file of the backups' folder."
        ) from None
    return open_record(keys, _path(environment, f"{kind}/{name}"), content)


def _path(environment: str, document: str) -> str:
    return f"backups/{environment}/{document}"
