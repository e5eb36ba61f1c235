"""Backups: one file, sealed with a key that a passphrase gives, whose every part is checked.

The key is scrypt's (RFC 7914). A manifest, sealed as well, names every entry with its time:
one that is missing, added or in another's place is found before anything is written.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hxp_enterprise_llm.configuration.secrets import envelope
from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretRefusedError,
    TamperedError,
    UnknownKeyError,
)
from hxp_enterprise_llm.configuration.secrets.secret import Secret

FORMAT = "citadel secrets backup 1"
COST = 2**17
"""scrypt's N: 128 MiB and some tenths of a second a guess (OWASP's advice of 2023)."""
_BLOCK = 8
_MOST = 2**20
_SALT_BYTES = 16
_PASSPHRASE_LENGTH = 12
_MANIFEST = "manifest"
_KEY_ID = "backup"


@dataclass(frozen=True)
class Saved:
    """One secret of a backup."""

    path: str
    value: Secret
    made_at: datetime | None


class _Keys:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def current(self) -> tuple[str, bytes]:
        return _KEY_ID, self._key

    def find(self, key_id: str) -> bytes:
        if key_id != _KEY_ID:
            raise UnknownKeyError("the backup names a key of another kind")
        return self._key


def pack(
    secrets: Sequence[Saved], passphrase: Secret, made_at: datetime, *, cost: int = COST
) -> bytes:
    """Return a backup.

    Args:
        secrets: What to keep.
        passphrase: At least 12 characters; without it the backup is worth nothing.
        made_at: Time of now.
        cost: scrypt's N, a power of two.

    Raises:
        SecretRefusedError: The passphrase is too short.
    """
    if len(passphrase.reveal()) < _PASSPHRASE_LENGTH:
        raise SecretRefusedError(
            f"the passphrase has fewer than {_PASSPHRASE_LENGTH} characters",
            next_step="Choose a longer one, and keep it away from the backup.",
        )
    salt = os.urandom(_SALT_BYTES)
    keys = _Keys(_key(passphrase, salt, cost))
    manifest = {
        "made_at": made_at.isoformat(),
        "entries": {item.path: _time(item.made_at) for item in secrets},
    }
    document = {
        "format": FORMAT,
        "key": {"function": "scrypt", "cost": cost, "salt": _text(salt)},
        "manifest": _text(envelope.seal(keys, _MANIFEST, json.dumps(manifest).encode())),
        "entries": {
            item.path: _text(envelope.seal(keys, item.path, item.value.reveal().encode(), _ENTRY))
            for item in secrets
        },
    }
    return json.dumps(document, indent=1).encode()


_ENTRY = b"entry"


def unpack(data: bytes, passphrase: Secret) -> tuple[datetime, tuple[Saved, ...]]:
    """Check a whole backup; return when it was made and what it holds.

    Raises:
        TamperedError: The passphrase is another one, or a part was changed, removed or added.
        SecretRefusedError: It is no backup.
    """
    document = _document(data)
    keys = _Keys(_key(passphrase, *_function(document)))
    try:
        manifest = json.loads(envelope.unseal(keys, _MANIFEST, _bytes(document["manifest"])))
    except (TamperedError, UnknownKeyError):
        raise TamperedError(
            "the backup was changed, or the passphrase is another one",
            next_step="Try the passphrase again, else another backup.",
        ) from None
    sealed, named = document["entries"], manifest["entries"]
    if set(sealed) != set(named):
        odd = ", ".join(sorted(set(sealed) ^ set(named)))
        raise TamperedError(
            f"the backup lacks, or has too many of, these secrets: {odd}",
            next_step="Use another backup.",
        )
    saved = tuple(
        Saved(path, _value(keys, path, _bytes(sealed[path])), _when(named[path]))
        for path in sorted(sealed)
    )
    return datetime.fromisoformat(manifest["made_at"]), saved


def _value(keys: _Keys, path: str, data: bytes) -> Secret:
    return Secret(envelope.unseal(keys, path, data, _ENTRY).decode())


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    if (
        not isinstance(document, dict)
        or document.get("format") != FORMAT
        or not isinstance(document.get("key"), dict)
        or not isinstance(document.get("manifest"), str)
        or not isinstance(document.get("entries"), dict)
    ):
        raise _no_backup()
    return document


def _function(document: dict[str, Any]) -> tuple[bytes, int]:
    key = document["key"]
    cost, salt = key.get("cost"), key.get("salt")
    # A changed cost must not take all memory before the first check.
    known = isinstance(cost, int) and 2 <= cost <= _MOST and cost & (cost - 1) == 0
    if key.get("function") != "scrypt" or not known or not isinstance(salt, str):
        raise _no_backup()
    return _bytes(salt), cost


def _key(passphrase: Secret, salt: bytes, cost: int) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    function = Scrypt(salt=salt, length=envelope.KEY_BYTES, n=cost, r=_BLOCK, p=1)
    return function.derive(passphrase.reveal().encode())


def _no_backup() -> SecretRefusedError:
    return SecretRefusedError(
        f"the file is no backup of format {FORMAT!r}",
        next_step="Backups are made by: citadel secrets backup ENVIRONMENT FILE.",
    )


def _bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise TamperedError("the backup was changed", next_step="Use another backup.") from None


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _time(made_at: datetime | None) -> str:
    return made_at.isoformat() if made_at else ""


def _when(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
