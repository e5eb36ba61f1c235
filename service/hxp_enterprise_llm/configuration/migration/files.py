"""Migrates files: plans, rewrites, and keeps a history of what was done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hxp_enterprise_llm.configuration.diagnostics import InvalidDocumentError, dotted, shown
from hxp_enterprise_llm.configuration.document import Document, read_document
from hxp_enterprise_llm.configuration.migration.journal import Journal, Migration, Rewrite
from hxp_enterprise_llm.configuration.migration.migrator import ConfigurationMigrator
from hxp_enterprise_llm.configuration.migration.versions import (
    KEY,
    Migrated,
    MigrationError,
    version_of,
)
from hxp_enterprise_llm.configuration.sources.files import chain

_YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class FilePlan:
    """What migrating one file would do.

    Attributes:
        path: The file.
        migrated: Its document as the wanted version says it.
        old: Its text.
        new: The text that it gets.
        below: How many files it extends, those included that they extend.
    """

    path: Path
    migrated: Migrated
    old: str
    new: str
    below: int = 0

    @property
    def changed(self) -> bool:
        """Return whether the file is of another version than the wanted one."""
        return self.migrated.version != self.migrated.before

    def diff(self) -> str:
        """Return the change as a unified diff; secrets in clear are hidden in it."""
        from hxp_enterprise_llm.configuration.masking import text_diff
        from hxp_enterprise_llm.schemas.environment import Environment

        name, migrated = shown(self.path), self.migrated
        names = (
            f"{name} (version {migrated.before})",
            f"{name} (version {migrated.version})",
        )
        lines = text_diff(self.old, self.new, names, Environment)
        return "\n".join(lines)


class FileMigrator:
    """Migrates files, and notes each migration before and after.

    Args:
        folder: Where the journal lies, and each text as it was before.
        migrator: Knows the versions.
    """

    def __init__(self, folder: Path, migrator: ConfigurationMigrator | None = None) -> None:
        self.journal = Journal(folder)
        self.migrator = migrator or ConfigurationMigrator()

    def plan(self, path: Path, to: int | None = None) -> FilePlan:
        """Return what migrating a file would do; nothing is written.

        A file that says no version, since one that it extends does, is left as it is.

        Raises:
            InvalidDocumentError: It cannot be read, or what says its version cannot.
            UnknownVersionError: It, or `to`, is of a version that is not known.
            MigrationError: It holds what cannot be migrated, or is not YAML.
        """
        document = read_document(path)
        if document.problems:
            raise InvalidDocumentError(document.problems)
        # Bytes: a text that is read loses its line ends.
        text = path.read_bytes().decode()
        if _version(document) is None:
            current = self.migrator.current
            return FilePlan(path, Migrated(document.data, current, current), text, text)
        migrated = self.migrator.migrate(document.data, to, where=shown(path))
        plan = FilePlan(path, migrated, text, text, _below(document))
        if not plan.changed:
            return plan
        new = self._text(path, text, document.data, migrated)
        return FilePlan(path, migrated, text, new, plan.below)

    def apply(self, plan: FilePlan, *, actor: str) -> None:
        """Write a file as planned; its text of before is kept.

        Raises:
            MigrationError: The file was changed since the plan was made, or cannot be written; it
                is as it was.
            AuditError: The journal cannot be written; nothing was changed.
        """
        migrated = plan.migrated
        detail = {
            "from": str(migrated.before),
            "to": str(migrated.version),
            "lost": " ".join(dotted(path) for path in migrated.lost),
        }
        work = Rewrite(plan.path, plan.old.encode(), plan.new.encode(), detail)
        try:
            self.journal.rewrite(work, actor)
        except OSError as error:
            raise MigrationError(
                f"{shown(plan.path)} is as it was: {shown(Path(error.filename or plan.path))}: "
                f"{error.strerror}",
                next_step="Make room, or mend permissions, and migrate again.",
            ) from None

    def apply_all(self, plans: Iterable[FilePlan], *, actor: str) -> None:
        """Write files as planned.

        Those that extend others come first: if this is killed, a file that says no version by
        itself is still seen as what it is, and the next migration goes on.

        Raises:
            MigrationError: As `apply`; files before it are migrated.
            AuditError: As `apply`.
        """
        for plan in sorted(plans, key=lambda plan: -plan.below):
            self.apply(plan, actor=actor)

    def history(self) -> tuple[Migration, ...]:
        """Return all migrations, the oldest first.

        Raises:
            AuditError: The journal was changed.
        """
        return self.journal.history()

    def _text(self, path: Path, text: str, data: dict[str, object], migrated: Migrated) -> str:
        if path.suffix not in _YAML:
            raise MigrationError(
                f"{shown(path)} is not YAML", next_step="Write it as YAML; others are only read."
            )
        from hxp_enterprise_llm.configuration.migration.rewrite import rewritten, said

        new = rewritten(text, data, migrated.data)
        if said(new) != migrated.data:
            raise MigrationError(
                f"{shown(path)} cannot be rewritten without harm",
                next_step="Write out its anchors and aliases, and migrate again.",
            )
        return new


def _version(document: Document) -> int | None:
    """Return a file's version; None for one that belongs to no version by itself.

    An overlay may hold version 0's sections only and yet be of version 1: what it extends says it.
    """
    version = version_of(document.data)
    if version is None or KEY in document.data or "extends" not in document.data:
        return version
    layer = chain(document.path)
    problems = [item for each in (layer, *layer.lower) for item in each.problems]
    if problems:
        raise InvalidDocumentError(problems)
    known: dict[str, object] = {}
    for each in (*layer.lower, layer):
        known |= each.data
    return version if version_of(known) == version else None


def _below(document: Document) -> int:
    return len(chain(document.path).lower) if "extends" in document.data else 0
