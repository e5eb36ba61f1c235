"""What is wrong in a configuration: where, what, and what to write instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hxp_enterprise_llm.core.exceptions import InvalidConfigurationError
from hxp_enterprise_llm.utilities.redaction import shown_key

KeyPath = tuple[str | int, ...]
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key was written: a position in a file, or a variable, a flag, a row.

    Attributes:
        file: The file; for what is no file, a word such as `variables`.
        line: Counts from 1, as `column` does.
        label: Names what is no position in a file: `variable CITADEL_STATE`, `flag --set state.a`.
        revision: Revision of the source that said it.
        actor: Who wrote it, as far as the source knows.
    """

    file: Path
    line: int
    column: int
    label: str = ""
    revision: str = field(default="", compare=False)
    actor: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.label or f"{shown(self.file)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. Holds no value of the file, so that no secret can get out with it."""

    code: str
    place: Place
    path: KeyPath
    message: str
    fix: str
    severity: Severity = "error"

    def __str__(self) -> str:
        head = f"{self.place}  {told(self.path)}".rstrip()
        lines = (head, f"  {self.severity} {self.code}: {self.message}", f"  {self.fix}")
        return "\n".join(map(visible, lines))

    def as_data(self) -> dict[str, Any]:
        """Return plain data for `--output json`."""
        return {
            "code": self.code,
            "severity": self.severity,
            "source": str(self.place),
            "file": None if self.place.label else shown(self.place.file),
            "line": self.place.line,
            "column": self.place.column,
            "path": told(self.path),
            "message": self.message,
            "fix": self.fix,
        }


class InvalidDocumentError(InvalidConfigurationError):
    """A document has errors; holds all of them."""

    code = "configuration.document"

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(render(self.diagnostics))


# What callers that load an `Environment` call it.
InvalidEnvironmentError = InvalidDocumentError


def dotted(path: KeyPath) -> str:
    """Return `hosts.llm-1.roles.0` for a path of keys."""
    return ".".join(str(part) for part in path)


def told(path: KeyPath) -> str:
    """Return a path for a message: what is no name in it may be a secret, and is shortened."""
    return ".".join(map(shown_key, path))


def visible(text: str) -> str:
    """Return a text of one line without what a terminal would obey or hide; it is escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def shown(file: Path) -> str:
    """Return a path as people want it: relative where it lies below the current folder."""
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def render(diagnostics: Sequence[Diagnostic]) -> str:
    """Return all findings, in the order of files and lines, and the closing line."""
    errors = sum(item.severity == "error" for item in diagnostics)
    lines = [str(item) for item in diagnostics]
    if errors:
        lines.append(f"{counted(errors, 'error')}; nothing was changed.")
    return "\n".join(lines)


def counted(number: int, noun: str) -> str:
    """Return `1 error` or `2 errors`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
