"""Migrates files: plans, rewrites, and keeps a history of what was done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from hxp_enterprise_llm.configuration.audit import AuditError
from hxp_enterprise_llm.configuration.diagnostics import InvalidDocumentError, dotted, shown
from hxp_enterprise_llm.configuration.document import read_document
from hxp_enterprise_llm.configuration.migration.journal import (
    Journal,
    Migration,
    Rewrite,
    digest,
)
from hxp_enterprise_llm.configuration.migration.migrator import ConfigurationMigrator
from hxp_enterprise_llm.configuration.migration.versions import (
    KEY,
    Migrated,
    MigrationError,
    version_of,
)
from hxp_enterprise_llm.configuration.sources.files import ENDINGS, chain

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

    def settle(self) -> tuple[Path, ...]:
        """End what a killed migration began; return the files that were put back.

        Raises:
            AuditError: The journal was changed.
            MigrationError: A file cannot be put back.
        """
        try:
            return self.journal.settle()
        except OSError as error:
            raise MigrationError(
                f"what a killed migration left cannot be put back: "
                f"{shown(Path(error.filename or self.journal.folder))}: {error.strerror}",
                next_step="Make room, or mend permissions, and migrate again.",
            ) from None

    def plan_all(self, paths: Iterable[Path], to: int | None = None) -> list[FilePlan]:
        """Return what migrating files would do, with all that they extend; nothing is written.

        Raises:
            InvalidDocumentError: As `plan`.
            UnknownVersionError: As `plan`.
            MigrationError: As `plan`; or a file beside them extends one that would change, and
                would be left behind.
        """
        names: dict[Path, Path] = {}
        versions: dict[Path, int | None] = {}
        for path in paths:
            for file, version in _versions(path).items():
                key = file.resolve()
                names.setdefault(key, file)
                versions[key] = version if versions.get(key) is None else versions[key]
        plans = [self._plan(names[key], version, to) for key, version in versions.items()]
        self._refuse_shared(plans, to)
        return plans

    def plan(self, path: Path, to: int | None = None) -> FilePlan:
        """Return what migrating one file would do; nothing is written, no other file is taken.

        A file that a migration wrote and that nobody touched since gets its text of before back.
        One that says no version has that of the files that it extends.

        Raises:
            InvalidDocumentError: It, or what it extends, cannot be read.
            UnknownVersionError: It, or `to`, is of a version that is not known.
            MigrationError: It holds what cannot be migrated, or is not YAML.
        """
        return self._plan(path, _versions(path)[path], to)

    def apply(self, plan: FilePlan, *, actor: str) -> None:
        """Write a file as planned; its text of before is kept.

        Raises:
            MigrationError: As `apply_all`.
            AuditError: As `apply_all`.
        """
        self.apply_all([plan], actor=actor)

    def apply_all(self, plans: Iterable[FilePlan], *, actor: str) -> None:
        """Write files as planned, all or none; their texts of before are kept.

        Raises:
            MigrationError: A file was changed since the plan was made, or cannot be written; all
                are as they were.
            AuditError: The journal cannot be written; nothing was changed.
        """
        works = [_work(plan) for plan in plans]
        try:
            self.journal.rewrite(works, actor)
        except OSError as error:
            names = ", ".join(shown(work.path) for work in works)
            verb = "is as it was" if len(works) == 1 else "are as they were"
            raise MigrationError(
                f"{names} {verb}: {shown(Path(error.filename or works[0].path))}: {error.strerror}",
                next_step="Make room, or mend permissions, and migrate again.",
            ) from None

    def history(self) -> tuple[Migration, ...]:
        """Return all migrations, the oldest first.

        Raises:
            AuditError: The journal was changed.
        """
        return self.journal.history()

    def _plan(self, path: Path, version: int | None, to: int | None) -> FilePlan:
        document = read_document(path)
        # Bytes: a text that is read loses its line ends.
        text = path.read_bytes().decode()
        wanted = self.migrator.current if to is None else to
        kept = self._kept(path, text, wanted)
        if kept is not None:
            return kept
        data = document.data
        if version is None or not data:
            return FilePlan(path, Migrated(data, wanted, wanted), text, text)
        said = data if version_of(data) == version else {KEY: version} | data
        migrated = self.migrator.migrate(said, to, where=shown(path))
        plan = FilePlan(path, migrated, text, text)
        if not plan.changed:
            return plan
        return replace(plan, new=self._text(path, text, data, migrated))

    def _kept(self, path: Path, text: str, wanted: int) -> FilePlan | None:
        """Return how a file gets back the text that it was migrated from, if it was."""
        try:
            found = self.journal.before(path, text.encode(), wanted)
        except AuditError:
            # Nothing that somebody may have put there is written; `apply` names the fault.
            return None
        if found is None:
            return None
        now, old = found
        data = read_document(self.journal.folder / f"{digest(old)}.yaml").data
        steps = self.migrator.between(now, wanted)
        return FilePlan(path, Migrated(data, wanted, now, steps), text, old.decode())

    def _refuse_shared(self, plans: list[FilePlan], to: int | None) -> None:
        """Refuse to change what a file extends that is not of the set and would change too."""
        taken = {plan.path.resolve() for plan in plans}
        changed = {plan.path.resolve() for plan in plans if plan.changed}
        for folder in sorted({path.parent for path in changed}):
            for other in sorted(folder.iterdir()):
                if not other.name.endswith(ENDINGS) or other.resolve() in taken:
                    continue
                shared = changed & {path.resolve() for path in chain(other).files}
                if shared and self._left_behind(other, to):
                    raise MigrationError(
                        f"{shown(min(shared))} is extended by {shown(other)} too, "
                        "which would be left behind",
                        next_step="Migrate them together: name all of them, or none.",
                    )

    def _left_behind(self, path: Path, to: int | None) -> bool:
        try:
            return self.plan(path, to).changed
        except (InvalidDocumentError, MigrationError):
            return True

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


def _versions(path: Path) -> dict[Path, int | None]:
    """Return the versions of a file and of all that it extends; None where nothing says one.

    An overlay may hold version 0's sections only and yet be of version 1: what it extends says it.

    Raises:
        InvalidDocumentError: One of them cannot be read.
    """
    layer = chain(path)
    layers = (*layer.lower, layer)
    problems = [item for each in layers for item in each.problems]
    if problems:
        raise InvalidDocumentError(problems)
    known: dict[str, object] = {}
    found: dict[Path, int | None] = {}
    for each in layers:
        known |= each.data
        found[each.files[0] if each is not layer else path] = version_of(known)
    # What says none by itself is of the version of whatever extends it.
    said: int | None = None
    for file in reversed(found):
        said = found[file] = said if found[file] is None else found[file]
    return dict(reversed(found.items()))


def _work(plan: FilePlan) -> Rewrite:
    migrated = plan.migrated
    detail = {
        "from": str(migrated.before),
        "to": str(migrated.version),
        "lost": " ".join(dotted(path) for path in migrated.lost),
    }
    return Rewrite(plan.path, plan.old.encode(), plan.new.encode(), detail)
