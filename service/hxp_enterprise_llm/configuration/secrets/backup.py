"""Backups: one file, sealed with a key that a passphrase gives, whose every part is checked.

The key is scrypt's (RFC 7914). A manifest, sealed as well, names the environment and every entry
with its time and rule: one that is missing, added or in another's place is found before anything is
written. Format 1 named no environment and had no rules; it is read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hxp_enterprise_llm.configuration.secrets import envelope
from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretRefusedError,
    TamperedError,
    UnknownKeyError,
    WrongPassphraseError,
)
from hxp_enterprise_llm.configuration.secrets.rules import RotationRule, read_rule
from hxp_enterprise_llm.configuration.secrets.secret import Secret

FORMAT = "citadel secrets backup 2"
_FIRST = "citadel secrets backup 1"
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
    rule: RotationRule = field(default_factory=RotationRule)


@dataclass(frozen=True)
class Contents:
    """What a backup holds.

    Attributes:
        made_at: When it was made.
        environment: Whose secrets they are; empty where that is not known.
        secrets: All of them.
    """

    made_at: datetime
    environment: str
    secrets: tuple[Saved, ...]


class _Keys:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def current(self) -> tuple[str, bytes]:
        return _KEY_ID, self._key

    def find(self, key_id: str) -> bytes:
        if key_id != _KEY_ID:
            raise UnknownKeyError("the backup names a key of another kind")
        return self._key


def pack(contents: Contents, passphrase: Secret, *, cost: int = COST) -> bytes:
    """Return a backup.

    Args:
        contents: What to keep.
        passphrase: At least 12 characters; without it the backup is worth nothing.
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
    key = _key(passphrase, salt, cost)
    keys = _Keys(key)
    manifest = {
        "made_at": contents.made_at.isoformat(),
        "environment": contents.environment,
        "entries": {item.path: _line(item) for item in contents.secrets},
    }
    document = {
        "format": FORMAT,
        "key": {"function": "scrypt", "cost": cost, "salt": _text(salt), "check": _check(key)},
        "manifest": _text(envelope.seal(keys, _MANIFEST, json.dumps(manifest).encode())),
        "entries": {
            item.path: _text(envelope.seal(keys, item.path, item.value.reveal().encode(), _ENTRY))
            for item in contents.secrets
        },
    }
    return json.dumps(document, indent=1).encode()


_ENTRY = b"entry"


def unpack(data: bytes, passphrase: Secret) -> Contents:
    """Check a whole backup; return what it holds.

    Raises:
        WrongPassphraseError: The passphrase is another one.
        TamperedError: A part was changed, removed or added.
        SecretRefusedError: It is no backup.
    """
    document = _document(data)
    key = _key(passphrase, *_function(document))
    _refuse_other_key(document, key)
    keys = _Keys(key)
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
        _saved(path, _value(keys, path, _bytes(sealed[path])), named[path])
        for path in sorted(sealed)
    )
    made_at = datetime.fromisoformat(manifest["made_at"])
    return Contents(made_at, manifest.get("environment", ""), saved)


def _check(key: bytes) -> str:
    """Return what tells a wrong passphrase from a changed backup; it says no more than those do."""
    return hmac.new(key, b"citadel backup key", hashlib.sha256).hexdigest()[:16]


def _refuse_other_key(document: dict[str, Any], key: bytes) -> None:
    if document["format"] == _FIRST:
        return
    check = str(document["key"].get("check")).encode(errors="replace")
    if not hmac.compare_digest(_check(key).encode(), check):
        raise WrongPassphraseError(
            "the passphrase is not the one that this backup was sealed with",
            next_step="Try it again. If it is right, the backup's head was changed: use another.",
        )


def _line(item: Saved) -> dict[str, Any]:
    return {"made_at": _time(item.made_at), "rotation": item.rule.document()}


def _saved(path: str, value: Secret, line: Any) -> Saved:
    if isinstance(line, str):
        return Saved(path, value, _when(line))
    return Saved(path, value, _when(line["made_at"]), read_rule(line["rotation"]))


def _value(keys: _Keys, path: str, data: bytes) -> Secret:
    return Secret(envelope.unseal(keys, path, data, _ENTRY).decode())


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    if (
        not isinstance(document, dict)
        or document.get("format") not in {_FIRST, FORMAT}
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
