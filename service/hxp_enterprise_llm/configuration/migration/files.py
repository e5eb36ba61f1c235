"""Migrates files: plans, rewrites, and keeps a history of what was done."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from hxp_enterprise_llm.configuration.audit import AuditEvent, AuditLog, AuditRecord
from hxp_enterprise_llm.configuration.diagnostics import InvalidDocumentError, dotted, shown
from hxp_enterprise_llm.configuration.document import LIMITS, Document, read_document
from hxp_enterprise_llm.configuration.migration.migrator import ConfigurationMigrator
from hxp_enterprise_llm.configuration.migration.versions import (
    KEY,
    Migrated,
    MigrationError,
    version_of,
)
from hxp_enterprise_llm.configuration.sources.files import chain
from hxp_enterprise_llm.utilities.files import write_atomic

ACTION = "configuration.migrate"
_YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class FilePlan:
    """What migrating one file would do.

    Attributes:
        path: The file.
        migrated: Its document as the wanted version says it.
        old: Its text.
        new: The text that it gets.
    """

    path: Path
    migrated: Migrated
    old: str
    new: str

    @property
    def changed(self) -> bool:
        """Return whether the file is of another version than the wanted one."""
        return self.migrated.version != self.migrated.before

    def diff(self) -> str:
        """Return the change as a unified diff."""
        from difflib import unified_diff

        before, after = (f"version {n}" for n in (self.migrated.before, self.migrated.version))
        name = shown(self.path)
        lines = unified_diff(
            self.old.splitlines(),
            self.new.splitlines(),
            f"{name} ({before})",
            f"{name} ({after})",
            lineterm="",
        )
        return "\n".join(lines)


class FileMigrator:
    """Migrates files, and notes each migration in a log that shows tampering.

    Args:
        folder: Where the log lies, and each text as it was before; made with the first migration.
        migrator: Knows the versions.
    """

    def __init__(self, folder: Path, migrator: ConfigurationMigrator | None = None) -> None:
        self.folder = folder
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
        text = path.read_text()
        if _version(document) is None:
            current = self.migrator.current
            return FilePlan(path, Migrated(document.data, current, current), text, text)
        migrated = self.migrator.migrate(document.data, to, where=shown(path))
        plan = FilePlan(path, migrated, text, text)
        if not plan.changed:
            return plan
        return FilePlan(path, migrated, text, self._text(path, text, document.data, migrated))

    def apply(self, plan: FilePlan, *, actor: str) -> None:
        """Write a file as planned; its text of before is kept.

        Raises:
            MigrationError: The file was changed since the plan was made.
        """
        if plan.path.read_text() != plan.old:
            raise MigrationError(
                f"{shown(plan.path)} was changed in the meantime", next_step="Migrate again."
            )
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        before, after = (_digest(text) for text in (plan.old, plan.new))
        write_atomic(self.folder / f"{before}.yaml", plan.old, mode=0o600)
        # Through a link: the rename would put a file in its place.
        target = plan.path.resolve()
        write_atomic(target, plan.new, mode=target.stat().st_mode & 0o777)
        migrated = plan.migrated
        detail = {
            "from": str(migrated.before),
            "to": str(migrated.version),
            "before": before,
            "after": after,
            "lost": " ".join(dotted(path) for path in migrated.lost),
        }
        event = AuditEvent(actor, ACTION, str(plan.path), "ok", detail)
        self._log().append(event, durable=True)

    def history(self) -> tuple[AuditRecord, ...]:
        """Return all migrations, the oldest first.

        Raises:
            AuditError: The log was changed.
        """
        return tuple(self._log().records())

    def _log(self) -> AuditLog:
        return AuditLog(self.folder / "history.jsonl")

    def _text(self, path: Path, text: str, data: dict[str, object], migrated: Migrated) -> str:
        if path.suffix not in _YAML:
            raise MigrationError(
                f"{shown(path)} is not YAML", next_step="Write it as YAML; others are only read."
            )
        from hxp_enterprise_llm.configuration.migration.rewrite import rewritten
        from hxp_enterprise_llm.configuration.sources.yaml_form import parse_yaml

        new = rewritten(text, data, migrated.data)
        read = Document(path)
        parse_yaml(read, new, LIMITS)
        if read.problems or read.data != migrated.data:
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


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
