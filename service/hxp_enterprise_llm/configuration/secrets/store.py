"""The sealed file of one environment: a document of envelopes, opened with the key ring.

Readers take no lock: the file is replaced as a whole. Writers hold the lock of the folder that the
environments of a checkout share, because they share the ring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from hxp_enterprise_llm.configuration.secrets import envelope
from hxp_enterprise_llm.configuration.secrets.entries import (
    FORMAT,
    RAW,
    UNRULED,
    Entry,
    document_of,
    read_entries,
)
from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretError,
    SecretNotFoundError,
    SecretRefusedError,
    TamperedError,
    UnknownKeyError,
)
from hxp_enterprise_llm.configuration.secrets.files import (
    UNSEEN,
    Signature,
    locked,
    settled,
    signature,
)
from hxp_enterprise_llm.configuration.secrets.keyring import ROTATE_EVERY, Clock, KeyRing, utc_now
from hxp_enterprise_llm.configuration.secrets.rules import MadeBy, RotationRule
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.values import looks_generated
from hxp_enterprise_llm.utilities.files import write_atomic

_OLD_NONCE_BYTES = 12


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
        self.environment = folder.name
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
        if entry.format == RAW:
            return self.ring.entries()[0].key_id if self.ring.entries() else ""
        return envelope.key_id_of(entry.sealed, path)

    def rule(self, path: str) -> RotationRule:
        """Return how a secret is renewed; older formats do not say, so its value's form counts.

        Raises:
            SecretNotFoundError: There is none.
        """
        entry = self.entry(path)
        if entry.format == FORMAT:
            return entry.rule
        try:
            return _derived(path, self._open(path, entry))
        except SecretError:
            # Without the ring, or changed: reading it says so.
            return entry.rule

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

    def set(
        self,
        path: str,
        value: Secret,
        *,
        made_at: datetime | None = None,
        made_by: MadeBy = MadeBy.GIVEN,
    ) -> Entry:
        """Put a value at a path, as its next version, and return what lies there now."""
        with self._writing() as entries:
            return self._put(entries, path, value, made_at, made_by)

    def set_rule(self, path: str, rule: RotationRule) -> Entry:
        """Change how a secret is renewed, and return what lies there now; its value stays.

        Raises:
            SecretNotFoundError: There is none.
        """
        self.entry(path)
        with self._writing() as entries:
            entries[path] = self._sealed(path, self._open(path, entries[path]), entries[path], rule)
            return entries[path]

    def update(self, values: Mapping[str, Secret]) -> None:
        """Put values at their paths, all in one write."""
        with self._writing() as entries:
            for path, value in values.items():
                self._put(entries, path, value, None, MadeBy.GIVEN)

    def get_or_make(self, path: str, make: Callable[[], str]) -> Secret:
        """Return a value, made first when there is none."""
        if path not in self._load():
            with self._writing() as entries:
                # Another process may have made it since.
                if path not in entries:
                    self._put(entries, path, Secret(make()), None, MadeBy.GENERATED)
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
            path
            for path in sorted(entries)
            if entries[path].format != FORMAT or self.key_id(path) != current
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
        self,
        entries: dict[str, Entry],
        path: str,
        value: Secret,
        made_at: datetime | None,
        made_by: MadeBy,
    ) -> Entry:
        if not path or not value.reveal():
            raise SecretRefusedError(
                f"secret {path or 'without a name'} is empty", next_step="Give it a value."
            )
        before = entries.get(path)
        rule = replace(before.rule if before else RotationRule(), made_by=made_by)
        draft = Entry(b"", before.version + 1 if before else 1, made_at or self._clock())
        entries[path] = self._sealed(path, value.reveal(), draft, rule)
        return entries[path]

    def _sealed(self, path: str, value: str, entry: Entry, rule: RotationRule) -> Entry:
        """Return an entry of today's format with its version and time."""
        draft = Entry(b"", entry.version, entry.made_at, rule)
        sealed = envelope.seal(
            self.ring, path, value.encode(), draft.bound(), environment=self.environment
        )
        return replace(draft, sealed=sealed)

    @contextmanager
    def _writing(self) -> Iterator[dict[str, Entry]]:
        """Hold the lock, hand out the entries in the form of today, and write them."""
        with self.locked():
            self.refuse_lost_ring()
            if self.ring.due(self._rotate_every):
                self.ring.add_key()
            entries = {path: self._rewrapped(path, entry) for path, entry in self._load().items()}
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
        if entry.format == FORMAT:
            sealed = envelope.rewrap(self.ring, path, entry.sealed, environment=self.environment)
            return replace(entry, sealed=sealed)
        value = self._open(path, entry)
        return self._sealed(path, value, entry, _derived(path, value))

    def _open(self, path: str, entry: Entry) -> str:
        try:
            if entry.format == RAW:
                return self._open_old(path, entry.sealed).decode()
            self._refuse_other_version(path, entry)
            return envelope.unseal(
                self.ring, path, entry.sealed, entry.bound(), environment=self.environment
            ).decode()
        except TamperedError as error:
            raise TamperedError(
                f"{self.file}: secret {path} was changed or belongs to another environment, or "
                f"{self.ring.file} is another key ring",
                next_step=error.next_step,
            ) from None

    def _refuse_other_version(self, path: str, entry: Entry) -> None:
        """Refuse an envelope without an environment in a file whose envelopes all have one."""
        unbound = envelope.version_of(entry.sealed, path) != envelope.VERSION
        if unbound != (entry.format == UNRULED):
            raise TamperedError(
                f"secret {path} has an envelope of another format",
                next_step="Restore both files from one backup.",
            )

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
            self._entries, self._seen = read_entries(self.file), settled(seen)
        return self._entries

    def _write(self, entries: dict[str, Entry]) -> None:
        write_atomic(self.file, document_of(entries), mode=0o600)
        self._entries, self._seen = entries, UNSEEN


def _derived(path: str, value: str) -> RotationRule:
    """Return the rule of a value of an older format: ours have a form of their own."""
    return RotationRule(MadeBy.GENERATED if looks_generated(path, value) else MadeBy.GIVEN)
