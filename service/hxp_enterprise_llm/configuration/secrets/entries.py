"""The sealed file as JSON: entries of three formats, of which the last is written.

Format 1 has no envelopes, format 2 binds no environment and knows no rules of rotation.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.configuration.secrets.errors import SecretRefusedError, TamperedError
from hxp_enterprise_llm.configuration.secrets.files import RESTORE, document_in, member
from hxp_enterprise_llm.configuration.secrets.rules import RotationRule, read_rule

FORMAT = 3
RAW, UNRULED = 1, 2
CIPHER = "AES-256-GCM"


@dataclass(frozen=True)
class Entry:
    """One sealed secret.

    Attributes:
        sealed: The envelope; in format 1 nonce and content.
        version: Counts the values that stood at the path, from 1.
        made_at: When this value was set.
        rule: Who made it, and how it is renewed.
        format: The format of the file that it was read from.
        pending: Envelope of the value that a hook has been given, until it is the secret's.
    """

    sealed: bytes
    version: int
    made_at: datetime
    rule: RotationRule = field(default_factory=RotationRule)
    format: int = FORMAT
    pending: bytes = b""

    def bound_pending(self) -> bytes:
        """Return what the envelope of a pending value binds: it follows this very value."""
        return b"pending " + self.bound()

    def bound(self) -> bytes:
        """Return what the envelope binds: nobody can pass an old value off as a new one."""
        head = f"{self.version} {self.made_at.isoformat()}"
        if self.format == UNRULED:
            return head.encode()
        return f"{head} {json.dumps(self.rule.document(), sort_keys=True)}".encode()


def read_entries(file: Path) -> dict[str, Entry]:
    """Return all entries of a file.

    Raises:
        TamperedError: It is no sealed file, or not whole.
        SecretRefusedError: It has a format of a later version.
    """
    try:
        document = document_in(file.read_bytes())
    except ValueError:
        raise _broken(file, "is no JSON document") from None
    form = member(document, "format", int, file)
    entries = member(document, "entries", dict, file)
    if form == RAW:
        made_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        return {
            path: Entry(_bytes(file, path, text), 1, made_at, format=RAW)
            for path, text in entries.items()
        }
    if form not in {UNRULED, FORMAT}:
        raise SecretRefusedError(
            f"{file} has format {form}; this version reads 1 to {FORMAT}",
            next_step="Use the version of Citadel that wrote it.",
        )
    return {path: _entry(file, path, entry, form) for path, entry in entries.items()}


def document_of(entries: Mapping[str, Entry]) -> str:
    """Return the text of a file with entries of today's format."""
    document = {
        "format": FORMAT,
        "cipher": CIPHER,
        "entries": {
            path: {
                "envelope": _text(entry.sealed),
                "version": entry.version,
                "made_at": entry.made_at.isoformat(),
                "rotation": entry.rule.document(),
                **({"pending": _text(entry.pending)} if entry.pending else {}),
            }
            for path, entry in sorted(entries.items())
        },
    }
    return json.dumps(document, indent=1)


def _entry(file: Path, path: str, entry: Any, form: int) -> Entry:
    sealed = _bytes(file, path, member(entry, "envelope", str, file))
    version = member(entry, "version", int, file)
    try:
        made_at: datetime | None = datetime.fromisoformat(member(entry, "made_at", str, file))
    except ValueError:
        made_at = None
    if made_at is None or made_at.tzinfo is None:
        raise _broken(file, f"has a wrong time at {path}")
    if form == UNRULED:
        return Entry(sealed, version, made_at, format=UNRULED)
    try:
        rule = read_rule(member(entry, "rotation", dict, file))
    except ValueError:
        raise _broken(file, f"has a wrong rule of rotation at {path}") from None
    pending = _bytes(file, path, entry["pending"]) if "pending" in entry else b""
    return Entry(sealed, version, made_at, rule, pending=pending)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(file: Path, path: str, text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise _broken(file, f"has no envelope at {path}") from None


def _broken(file: Path, why: str) -> TamperedError:
    return TamperedError(f"{file} {why}", next_step=RESTORE)
