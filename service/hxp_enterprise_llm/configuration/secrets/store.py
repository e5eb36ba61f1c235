"""The sealed file of one environment: a document of envelopes, opened with the key ring.

Readers take no lock: the file is replaced as a whole. Writers hold the lock of the folder that the
environments of a checkout share, because they share the ring.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hxp_enterprise_llm.configuration.secrets import envelope
from hxp_enterprise_llm.configuration.secrets.damage import Damage, damage_of, keep_aside
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
    held,
    replace_whole,
    reporting,
    settled,
    signature,
)
from hxp_enterprise_llm.configuration.secrets.keyring import ROTATE_EVERY, Clock, KeyRing, utc_now
from hxp_enterprise_llm.configuration.secrets.rules import MadeBy, RotationRule, derived
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.core.exceptions import CitadelError

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.secrets.backup import Saved

SEALED_NAME = "secrets.json"
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
        self.file = folder / SEALED_NAME
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

    def checked(self, path: str) -> Entry:
        """Return a secret as it lies in the file, once its envelope vouches for all beside it.

        Older formats say nothing of a rule: their value's form does.

        Raises:
            SecretNotFoundError: There is none.
            TamperedError: Its rule, time, version or content was changed.
            UnknownKeyError: The ring lacks its key.
        """
        value = self.get(path).reveal()
        entry = self.entry(path)
        return entry if entry.format == FORMAT else replace(entry, rule=derived(path, value))

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
        before = self._load().get(path)
        hooked = before is not None and bool(before.rule.hook)
        renewing: AbstractContextManager[None] = self._renewing(path) if hooked else nullcontext()
        with renewing, self._writing() as entries:
            return self._put(entries, path, value, made_at, made_by)

    def renew(
        self, path: str, fresh: Secret, work: Callable[[RotationRule, Secret], Secret]
    ) -> None:
        """Give a secret the value that some work outside made of a fresh one.

        The fresh value is sealed beside the old one before the work begins, so it is not lost
        however the work ends; the next renewal offers it again. One renewal of a secret runs at a
        time, and `set` waits for it.

        Args:
            path: The secret.
            fresh: A new value.
            work: Takes the rule and the value to bring in; returns the value that counts.

        Raises:
            SecretError: It cannot be written: then the work has not begun. Or the work failed.
        """
        with self._renewing(path):
            rule, offered = self._offer(path, fresh)
            new = work(rule, offered)
            try:
                with self._writing() as entries:
                    self._put(entries, path, new, None, rule.made_by)
            except CitadelError as error:
                raise SecretError(
                    f"the hook of secret {path} ended well, and {error.message}",
                    next_step="Mend that, then rotate it again: a hook that printed nothing gets "
                    "the same value.",
                ) from None

    def set_rule(self, path: str, rule: RotationRule) -> Entry:
        """Change how a secret is renewed, and return what lies there now; its value stays.

        Raises:
            SecretNotFoundError: There is none.
        """
        self.entry(path)
        with self._writing() as entries:
            before = entries[path]
            pending = self._open_pending(path, before)
            entries[path] = self._sealed(path, self._open(path, before), before, rule)
            if pending:
                entries[path] = self._with_pending(path, entries[path], pending)
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
        pending = {
            envelope.key_id_of(entry.pending, path)
            for path, entry in self._load().items()
            if entry.pending
        }
        return frozenset(self.key_id(path) for path in self._load()) | pending

    def refuse_changed(self) -> None:
        """Refuse a file with a secret that does not open.

        Raises:
            TamperedError: One was changed.
            UnknownKeyError: The ring lacks the key of one.
        """
        for path, entry in self._load().items():
            self._open(path, entry)
            self._open_pending(path, entry)

    def damage(self) -> Damage:
        """Return what does not open any more."""
        files: list[tuple[Path, str]] = []
        entries: Mapping[str, Entry] = {}
        try:
            entries = self._load()
        except TamperedError as error:
            files.append((self.file, error.message))
        try:
            if not self.ring.entries() and entries:
                files.append((self.ring.file, f"{self.ring.file} is missing"))
        except TamperedError as error:
            files.append((self.ring.file, error.message))
        secrets = [(path, self._closed(path, entry)) for path, entry in sorted(entries.items())]
        return damage_of(self.file, files, [(path, why) for path, why in secrets if why])

    def put_back(self, saved: Iterable[Saved]) -> tuple[Path, ...]:
        """Put secrets of a backup back in one write, with their times and rules.

        What does not open is left out; the files that held it are kept aside before.

        Returns:
            The files that were kept aside.
        """
        with self.locked():
            damage = self.damage()
            with reporting(self.file.parent, "written"):
                kept = keep_aside(damage, f"{self._clock():%Y%m%dT%H%M%S.%f}")
            broken = {file for file, _ in damage.files}
            if self.ring.file in broken:
                self.ring.start_anew()
            here = {} if self.file in broken else self._load()
            entries = {
                path: self._rewrapped(path, entry)
                for path, entry in here.items()
                if path not in damage.closed
            }
            for item in saved:
                before = entries.get(item.path)
                version = before.version + 1 if before else 1
                draft = Entry(b"", version, item.made_at or self._clock())
                entries[item.path] = self._sealed(item.path, item.value.reveal(), draft, item.rule)
            self._write(entries)
        return kept

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock that all writers of the folder take; no write of this store inside."""
        with held(self._lock_file):
            yield

    @contextmanager
    def _renewing(self, path: str) -> Iterator[None]:
        """Hold the lock of one secret: a hook runs long, and may itself write other secrets."""
        name = hashlib.sha256(path.encode()).hexdigest()[:16]
        with held(self.file.with_name(f".renewing-{name}.lock")):
            yield

    def _offer(self, path: str, fresh: Secret) -> tuple[RotationRule, Secret]:
        """Seal a value beside that of now, unless one lies there, and return it with the rule."""
        self.entry(path)
        with self._writing() as entries:
            before = entries[path]
            self._open(path, before)
            pending = self._open_pending(path, before) or fresh.reveal()
            entries[path] = self._with_pending(path, before, pending)
        return before.rule, Secret(pending)

    def _with_pending(self, path: str, entry: Entry, value: str) -> Entry:
        bound = entry.bound_pending()
        sealed = envelope.seal(self.ring, path, value.encode(), bound, environment=self.environment)
        return replace(entry, pending=sealed)

    def _open_pending(self, path: str, entry: Entry) -> str:
        """Return the value that a hook was given, and whose renewal did not end; "" for none."""
        if not entry.pending:
            return ""
        return self._unsealed(path, entry.pending, entry.bound_pending())

    def _closed(self, path: str, entry: Entry) -> str:
        """Return why a secret does not open; "" when it does."""
        try:
            self._open(path, entry)
            self._open_pending(path, entry)
        except (TamperedError, UnknownKeyError) as error:
            return error.message
        return ""

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
        if before:
            # Nothing of what stands beside the old envelope counts before that has opened.
            self._open(path, before)
        elif not path.isprintable():
            raise SecretRefusedError(
                f"the name {path!a} has a character that cannot be shown",
                next_step="Take letters, digits and . _ - / for names.",
            )
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
                # A new key vouches for nothing that the old one does not.
                self.refuse_changed()
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
                next_step="Put the key ring back, or the secrets: citadel secrets restore "
                "ENVIRONMENT FILE --replace.",
            )

    def _rewrapped(self, path: str, entry: Entry) -> Entry:
        """Return an entry of today's form; what has it is written as it is, changed or not."""
        if entry.format == FORMAT and {*self._key_ids(path, entry)} == {self.ring.current()[0]}:
            return entry
        value = self._open(path, entry)
        if entry.format != FORMAT:
            return self._sealed(path, value, entry, derived(path, value))
        self._open_pending(path, entry)
        return replace(
            entry,
            sealed=self._rewrap(path, entry.sealed),
            pending=entry.pending and self._rewrap(path, entry.pending),
        )

    def _rewrap(self, path: str, sealed: bytes) -> bytes:
        return envelope.rewrap(self.ring, path, sealed, environment=self.environment)

    def _key_ids(self, path: str, entry: Entry) -> Iterator[str]:
        for sealed in filter(None, (entry.sealed, entry.pending)):
            yield envelope.key_id_of(sealed, path)

    def _open(self, path: str, entry: Entry) -> str:
        with self._naming(path):
            if entry.format == RAW:
                return self._open_old(path, entry.sealed).decode()
            self._refuse_other_version(path, entry)
        return self._unsealed(path, entry.sealed, entry.bound())

    def _unsealed(self, path: str, sealed: bytes, bound: bytes) -> str:
        with self._naming(path):
            return envelope.unseal(
                self.ring, path, sealed, bound, environment=self.environment
            ).decode()

    @contextmanager
    def _naming(self, path: str) -> Iterator[None]:
        """Say of a secret that does not open which file it lies in, and what to do."""
        # A ring that cannot be read says so itself.
        self.ring.entries()
        try:
            yield
        except (TamperedError, UnicodeDecodeError):
            raise TamperedError(
                f"{self.file}: secret {path} was changed or belongs to another environment, or "
                f"{self.ring.file} is another key ring",
                next_step="Keep the file, then: citadel secrets restore ENVIRONMENT FILE "
                "--replace. Without a backup take its entry out of the file, and set it.",
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
        with reporting(self.file, "read"):
            seen = signature(self.file)
            if seen is None:
                self._entries, self._seen = {}, None
            elif seen != self._seen:
                self._entries, self._seen = read_entries(self.file), settled(seen)
        return self._entries

    def _write(self, entries: dict[str, Entry]) -> None:
        with reporting(self.file, "written"):
            replace_whole(self.file, document_of(entries))
        self._entries, self._seen = entries, UNSEEN
