"""Backups of the revisions of all documents, each a file with a checksum of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from hxp_enterprise_llm.configuration.service.documents import Documents
from hxp_enterprise_llm.schemas.configuration_service import RevisionBackup
from hxp_enterprise_llm.utilities.files import write_atomic


class Backups:
    """Writes `KIND.NAME.TIME.gz`, and removes what is older than the newest few.

    Args:
        settings: Where, how often, how many.
        documents: What is backed up.
        now: The wall clock.
    """

    def __init__(
        self, settings: RevisionBackup, documents: Documents, now: Callable[[], datetime]
    ) -> None:
        self._settings, self._documents, self._now = settings, documents, now

    async def run(self) -> None:
        """Back up now and then, until cancelled.

        Raises:
            CitadelError: A revision was changed, so that no backup of it can be made.
            OSError: The folder cannot be written.
        """
        while True:
            await self.once()
            await asyncio.sleep(self._settings.every)

    async def once(self) -> tuple[Path, ...]:
        """Back up all documents; return the files."""
        folder = Path(self._settings.folder)
        stamp = self._now().strftime("%Y%m%dT%H%M%SZ")
        written = []
        for key, _ in self._documents.all():
            document, _ = self._documents.get(key)
            stem = f"{key.kind}.{key.name}"
            archive = await document.revisions.backup()
            path = folder / f"{stem}.{stamp}.gz"
            await asyncio.to_thread(self._write, path, archive, stem)
            written.append(path)
        return tuple(written)

    def _write(self, path: Path, archive: bytes, stem: str) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(path, archive, mode=0o600)
        older = sorted(path.parent.glob(f"{stem}.*.gz"))
        for old in older[: -self._settings.keep]:
            old.unlink()
