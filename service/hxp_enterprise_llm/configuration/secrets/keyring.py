"""Key-encryption keys by id: one seals, the older ones still open what they sealed.

The ring is one file of mode 0600, beside the state of the environments that share it. A ring that
is bound to a guard (Vault transit) holds its keys sealed by the guard and opens them once.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from hxp_enterprise_llm.configuration.secrets.envelope import KEY_BYTES
from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretRefusedError,
    TamperedError,
    UnknownKeyError,
)
from hxp_enterprise_llm.configuration.secrets.files import (
    RESTORE,
    UNSEEN,
    Signature,
    document_in,
    member,
    refuse_readable_by_others,
    replace_whole,
    reporting,
    settled,
    signature,
)

FORMAT = 2
ROTATE_EVERY = timedelta(days=90)
SKEW = timedelta(minutes=5)
"""By how much two clocks may differ; a time that lies further ahead was written by a wrong one."""
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time of now with its zone."""
    return datetime.now(UTC)


class Guard(Protocol):
    """Seals the keys of a ring; the ring's file names it."""

    name: str

    def protect(self, key_id: str, key: bytes) -> str:
        """Return a key as text for the ring's file."""

    def recover(self, key_id: str, text: str) -> bytes:
        """Return the key behind a text of the ring's file."""


class FileGuard:
    """Leaves keys as they are: the file's mode alone guards them."""

    name = "file"

    def protect(self, key_id: str, key: bytes) -> str:  # noqa: ARG002
        """Return the key as base64."""
        return base64.b64encode(key).decode()

    def recover(self, key_id: str, text: str) -> bytes:  # noqa: ARG002
        """Return the key behind base64."""
        return base64.b64decode(text, validate=True)


@dataclass(frozen=True, repr=False)
class Key:
    """A key-encryption key; shows its id only."""

    key_id: str
    value: bytes
    made_at: datetime

    def __repr__(self) -> str:
        return f"Key({self.key_id})"


def key_id_of(value: bytes) -> str:
    """Return the id of a key: what its digest begins with, so that an import twice is one key."""
    return "k" + hashlib.sha256(b"citadel key id" + value).hexdigest()[:12]


class KeyRing:
    """The keys of one file. Writes need the lock of the folder, which the store holds.

    Args:
        file: The ring. A file of 32 raw bytes, as format 1 had it, is a ring of one key, and is
            written anew with the next change.
        guard: What seals the keys in the file.
        clock: Time of now.
    """

    def __init__(self, file: Path, *, guard: Guard | None = None, clock: Clock = utc_now) -> None:
        self.file = file
        self._guard, self._clock = guard or FileGuard(), clock
        self._seen: Signature | None = UNSEEN
        self._keys: dict[str, Key] = {}
        self._current = ""

    def current(self) -> tuple[str, bytes]:
        """Return the key that seals; the first one is made when there is no ring."""
        self._load()
        if not self._current:
            self.add_key()
        return self._current, self._keys[self._current].value

    def find(self, key_id: str) -> bytes:
        """Return the key of an id.

        Raises:
            UnknownKeyError: The ring lacks it.
        """
        self._load()
        if key_id not in self._keys:
            raise UnknownKeyError(
                f"{self.file} has no key {key_id}",
                next_step="Put the key ring back that was with the sealed file, or the secrets: "
                "citadel secrets restore ENVIRONMENT FILE --replace.",
            )
        return self._keys[key_id].value

    def entries(self) -> tuple[Key, ...]:
        """Return all keys, oldest first; the last one seals."""
        self._load()
        return tuple(self._keys.values())

    def due(self, every: timedelta) -> bool:
        """Return whether the key that seals is older than it may get, or of a wrong time."""
        keys = self.entries()
        age = self._clock() - keys[-1].made_at if keys else timedelta()
        return bool(keys) and (age >= every or age < -SKEW)

    def now(self) -> datetime:
        """Return the time of the ring's clock."""
        return self._clock()

    def add_key(self) -> str:
        """Put a new key that seals from now on into the ring, and return its id."""
        self._load()
        value = os.urandom(KEY_BYTES)
        key = Key(key_id_of(value), value, self._clock())
        self._write({**self._keys, key.key_id: key}, key.key_id)
        return key.key_id

    def start_anew(self) -> str:
        """Put one new key in the place of a ring that cannot be read, and return its id."""
        value = os.urandom(KEY_BYTES)
        key = Key(key_id_of(value), value, self._clock())
        self._write({key.key_id: key}, key.key_id)
        return key.key_id

    def retire(self, keep: Collection[str]) -> tuple[str, ...]:
        """Drop all keys but the current one and those to keep; return the ids of the dropped."""
        self._load()
        gone = tuple(name for name in self._keys if name != self._current and name not in keep)
        if gone:
            left = {name: key for name, key in self._keys.items() if name not in gone}
            self._write(left, self._current)
        return gone

    def _load(self) -> None:
        with reporting(self.file, "read"):
            self._read_changed()

    def _read_changed(self) -> None:
        seen = signature(self.file)
        if seen == self._seen:
            return
        if seen is None:
            self._keys, self._current, self._seen = {}, "", None
            return
        refuse_readable_by_others(self.file)
        content = self.file.read_bytes()
        if len(content) == KEY_BYTES:
            made_at = datetime.fromtimestamp(self.file.stat().st_mtime, UTC)
            key = Key(key_id_of(content), content, made_at)
            self._keys, self._current = {key.key_id: key}, key.key_id
        else:
            self._keys, self._current = self._read(content)
        self._seen = settled(seen)

    def _read(self, content: bytes) -> tuple[dict[str, Key], str]:
        try:
            document = document_in(content)
        except ValueError:
            raise TamperedError(f"{self.file} is no key ring", next_step=RESTORE) from None
        if member(document, "format", int, self.file) != FORMAT:
            raise SecretRefusedError(
                f"{self.file} has format {document['format']}; this version reads {FORMAT}",
                next_step="Use the version of Citadel that wrote it.",
            )
        guard = member(document, "guard", str, self.file)
        if guard != self._guard.name:
            raise SecretRefusedError(
                f"{self.file} is sealed by {guard}, not by {self._guard.name}",
                next_step=f"Set up {guard} as it was when the ring was made.",
            )
        current = member(document, "current", str, self.file)
        entries = member(document, "keys", dict, self.file)
        keys = {name: self._key(name, entry) for name, entry in entries.items()}
        if current not in keys:
            raise TamperedError(f"{self.file} lacks its current key", next_step=RESTORE)
        # The current one stands last, whatever the file's order is.
        keys[current] = keys.pop(current)
        return keys, current

    def _key(self, name: str, entry: Any) -> Key:
        text = member(entry, "key", str, self.file)
        made_at = member(entry, "made_at", str, self.file)
        try:
            value = self._guard.recover(name, text)
            when = datetime.fromisoformat(made_at)
        except ValueError:
            value, when = b"", self._clock()
        if len(value) != KEY_BYTES or key_id_of(value) != name or when.tzinfo is None:
            raise TamperedError(f"{self.file}: key {name} was changed", next_step=RESTORE)
        return Key(name, value, when)

    def _write(self, keys: dict[str, Key], current: str) -> None:
        document = {
            "format": FORMAT,
            "guard": self._guard.name,
            "current": current,
            "keys": {
                name: {
                    "key": self._guard.protect(name, key.value),
                    "made_at": key.made_at.isoformat(),
                }
                for name, key in keys.items()
            },
        }
        with reporting(self.file, "written"):
            replace_whole(self.file, json.dumps(document, indent=1))
        self._keys, self._current, self._seen = keys, current, UNSEEN
