"""The sealed file of one environment: a document of envelopes, opened with the key ring.

Readers take no lock: the file is replaced as a whole. Writers hold the lock of the folder that the
environments of a checkout share, because they share the ring.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.configuration.secrets import envelope
from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretNotFoundError,
    SecretRefusedError,
    TamperedError,
    UnknownKeyError,
)
from hxp_enterprise_llm.configuration.secrets.files import (
    UNSEEN,
    Signature,
    locked,
    member,
    settled,
    signature,
)
from hxp_enterprise_llm.configuration.secrets.keyring import ROTATE_EVERY, Clock, KeyRing, utc_now
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.utilities.files import write_atomic

FORMAT = 2
CIPHER = "AES-256-GCM"
_OLD_NONCE_BYTES = 12


@dataclass(frozen=True)
class Entry:
    """One sealed secret.

    Attributes:
        sealed: The envelope; in format 1 nonce and content.
        version: Counts the values that stood at the path, from 1.
        made_at: When this value was set.
        old: Whether it is still as format 1 had it.
    """

    sealed: bytes
    version: int
    made_at: datetime
    old: bool = False

    def bound(self) -> bytes:
        """Return what the envelope binds: nobody can pass an old value off as a new one."""
        return f"{self.version} {self.made_at.isoformat()}".encode()


class SealedStore:
    """The sealed secrets of one environment.

    Args:
        folder: The state folder of the environment, `.citadel/NAME`.
        ring: Its keys; `secrets.key` in the folder above when not given.
        clock: Time of now.
        rotate_every: Age at which the first write brings a new key.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ring: KeyRing | None = None,
        clock: Clock = utc_now,
        rotate_every: timedelta = ROTATE_EVERY,
    ) -> None:
        self.file = folder / "secrets.json"
        self.ring = ring or KeyRing(folder.parent / "secrets.key", clock=clock)
        self._clock, self._rotate_every = clock, rotate_every
        self._lock_file = folder.parent / "secrets.lock"
        self._seen: Signature | None = UNSEEN
        self._entries: dict[str, Entry] = {}

    def paths(self) -> tuple[str, ...]:
        """Return the paths of all secrets, sorted."""
        return tuple(sorted(self._load()))

    def entry(self, path: str) -> Entry:
        """Return a secret as it lies in the file.

        Raises:
            SecretNotFoundError: There is none.
        """
        entries = self._load()
        if path not in entries:
            raise SecretNotFoundError(
                f"{self.file} has no secret {path}",
                next_step="List them: citadel secrets list ENVIRONMENT.",
            )
        return entries[path]

    def key_id(self, path: str) -> str:
        """Return the id of the key that a secret is sealed with."""
        entry = self.entry(path)
        if entry.old:
            return self.ring.entries()[0].key_id if self.ring.entries() else ""
        return envelope.key_id_of(entry.sealed, path)

    def get(self, path: str) -> Secret:
        """Return a value.

        Raises:
            SecretNotFoundError: There is none.
            TamperedError: The file was changed.
            UnknownKeyError: The ring lacks its key.
        """
        try:
            return Secret(self._open(path, self.entry(path)))
        except UnknownKeyError:
            # A re-wrap ended between the two reads: the file of now fits the ring of now.
            self._seen = UNSEEN
            return Secret(self._open(path, self.entry(path)))

    def set(self, path: str, value: Secret, *, made_at: datetime | None = None) -> Entry:
        """Put a value at a path, as its next version, and return what lies there now."""
        with self._writing() as entries:
            return self._put(entries, path, value, made_at)

    def update(self, values: Mapping[str, Secret]) -> None:
        """Put values at their paths, all in one write."""
        with self._writing() as entries:
            for path, value in values.items():
                self._put(entries, path, value, None)

    def get_or_make(self, path: str, make: Callable[[], str]) -> Secret:
        """Return a value, made first when there is none."""
        if path not in self._load():
            with self._writing() as entries:
                # Another process may have made it since.
                if path not in entries:
                    self._put(entries, path, Secret(make()), None)
        return self.get(path)

    def remove(self, path: str) -> None:
        """Remove a secret.

        Raises:
            SecretNotFoundError: There is none.
        """
        self.entry(path)
        with self._writing() as entries:
            entries.pop(path, None)

    def outdated(self) -> tuple[str, ...]:
        """Return the paths that are not sealed with the current key."""
        keys = self.ring.entries()
        current = keys[-1].key_id if keys else ""
        entries = self._load()
        return tuple(
            path for path in sorted(entries) if entries[path].old or self.key_id(path) != current
        )

    def rewrap(self) -> tuple[str, ...]:
        """Seal everything with the current key; return the paths. Readers go on meanwhile."""
        outdated = self.outdated()
        if outdated:
            with self._writing():
                # Each write seals all entries with the current key.
                pass
        return outdated

    def used_keys(self) -> frozenset[str]:
        """Return the ids of all keys that the file needs."""
        return frozenset(self.key_id(path) for path in self._load())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock that all writers of the folder take; no write of this store inside."""
        with locked(self._lock_file):
            yield

    def _put(
        self, entries: dict[str, Entry], path: str, value: Secret, made_at: datetime | None
    ) -> Entry:
        if not path or not value.reveal():
            raise SecretRefusedError(
                f"secret {path or 'without a name'} is empty", next_step="Give it a value."
            )
        before = entries.get(path)
        draft = Entry(b"", before.version + 1 if before else 1, made_at or self._clock())
        sealed = envelope.seal(self.ring, path, value.reveal().encode(), draft.bound())
        entries[path] = Entry(sealed, draft.version, draft.made_at)
        return entries[path]

    @contextmanager
    def _writing(self) -> Iterator[dict[str, Entry]]:
        """Hold the lock, hand out the entries in the form of today, and write them."""
        with self.locked():
            self.refuse_lost_ring()
            if self.ring.due(self._rotate_every):
                self.ring.add_key()
            entries = {
                path: self._upgraded(path, entry) if entry.old else self._rewrapped(path, entry)
                for path, entry in self._load().items()
            }
            yield entries
            self._write(entries)

    def refuse_lost_ring(self) -> None:
        """Refuse to seal anything with a new ring while the old one is missing.

        Raises:
            UnknownKeyError: There are sealed secrets, and no key.
        """
        if self._load() and not self.ring.entries():
            raise UnknownKeyError(
                f"{self.ring.file} is missing, and {self.file} is sealed with its keys",
                next_step="Restore the key ring from a backup, or move the sealed file away.",
            )

    def _rewrapped(self, path: str, entry: Entry) -> Entry:
        sealed = envelope.rewrap(self.ring, path, entry.sealed)
        return Entry(sealed, entry.version, entry.made_at)

    def _upgraded(self, path: str, entry: Entry) -> Entry:
        plain = Secret(self._open(path, entry))
        sealed = envelope.seal(self.ring, path, plain.reveal().encode(), entry.bound())
        return Entry(sealed, entry.version, entry.made_at)

    def _open(self, path: str, entry: Entry) -> str:
        try:
            if entry.old:
                return self._open_old(path, entry.sealed).decode()
            return envelope.unseal(self.ring, path, entry.sealed, entry.bound()).decode()
        except TamperedError as error:
            raise TamperedError(
                f"{self.file}: secret {path} was changed, or {self.ring.file} is another key ring",
                next_step=error.next_step,
            ) from None

    def _open_old(self, path: str, sealed: bytes) -> bytes:
        """Open an entry of format 1: sealed with the one key itself, bound to its name."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, content = sealed[:_OLD_NONCE_BYTES], sealed[_OLD_NONCE_BYTES:]
        for key in self.ring.entries():
            try:
                return AESGCM(key.value).decrypt(nonce, content, path.encode())
            except (InvalidTag, ValueError):
                continue
        raise TamperedError(
            f"secret {path} was changed",
            next_step="Restore both files from one backup; a removed entry is made anew.",
        )

    def _load(self) -> dict[str, Entry]:
        seen = signature(self.file)
        if seen is None:
            self._entries, self._seen = {}, None
        elif seen != self._seen:
            self._entries, self._seen = self._read(), settled(seen)
        return self._entries

    def _read(self) -> dict[str, Entry]:
        try:
            document = json.loads(self.file.read_bytes())
        except ValueError:
            raise _broken(self.file, "is no JSON document") from None
        version = member(document, "format", int, self.file)
        entries = member(document, "entries", dict, self.file)
        if version == 1:
            made_at = datetime.fromtimestamp(self.file.stat().st_mtime, UTC)
            return {
                path: Entry(_bytes(self.file, path, text), 1, made_at, old=True)
                for path, text in entries.items()
            }
        if version != FORMAT:
            raise SecretRefusedError(
                f"{self.file} has format {version}; this version reads 1 and {FORMAT}",
                next_step="Use the version of Citadel that wrote it.",
            )
        return {path: self._entry(path, entry) for path, entry in entries.items()}

    def _entry(self, path: str, entry: Any) -> Entry:
        sealed = _bytes(self.file, path, member(entry, "envelope", str, self.file))
        version = member(entry, "version", int, self.file)
        try:
            made_at = datetime.fromisoformat(member(entry, "made_at", str, self.file))
        except ValueError:
            raise _broken(self.file, f"has a wrong time at {path}") from None
        return Entry(sealed, version, made_at)

    def _write(self, entries: dict[str, Entry]) -> None:
        document = {
            "format": FORMAT,
            "cipher": CIPHER,
            "entries": {
                path: {
                    "envelope": base64.b64encode(entry.sealed).decode(),
                    "version": entry.version,
                    "made_at": entry.made_at.isoformat(),
                }
                for path, entry in sorted(entries.items())
            },
        }
        write_atomic(self.file, json.dumps(document, indent=1), mode=0o600)
        self._entries, self._seen = entries, UNSEEN


def _bytes(file: Path, path: str, text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise _broken(file, f"has no envelope at {path}") from None


def _broken(file: Path, why: str) -> TamperedError:
    return TamperedError(
        f"{file} {why}", next_step="Restore it from a backup: citadel secrets restore."
    )
