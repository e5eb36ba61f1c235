"""References to values: the last step before a secret is used (D8).

`generated:` values are made on first use and kept sealed (AES-256-GCM, NIST SP 800-38D, one
random 96-bit nonce an entry, the entry's name as associated data) in the environment's state
folder; the key lies beside the checkout's state in a file of mode 0600.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets as random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hxp_enterprise_llm.core.exceptions import CitadelError, RefusedError
from hxp_enterprise_llm.utilities.files import write_atomic

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.diagnostics import KeyPath
    from hxp_enterprise_llm.configuration.loader import LoadedEnvironment

_KEY_BYTES = 32
_NONCE_BYTES = 12
_FORMAT = 1


@dataclass(frozen=True, repr=False)
class Secret:
    """Holds a value that no repr, str, log or error shows."""

    _value: str

    def reveal(self) -> str:
        """Return the value; call it only where it is used."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__


class Secrets:
    """Resolves the references of one environment.

    Args:
        folder: The state folder of the environment, `.citadel/NAME`.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "secrets.json"
        self._key_file = folder.parent / "secrets.key"
        self._lock_file = folder.parent / "secrets.lock"
        self._checkout = folder.parents[1]

    def resolve(self, reference: str) -> Secret:
        """Return the value behind a reference; a `generated:` one is made when it is new.

        A relative path of a `file:` starts at the checkout, wherever the command runs.

        Raises:
            RefusedError: The scheme is unknown or its backend is not available.
            CitadelError: The file or variable is missing or empty, or the sealed file was changed.
        """
        scheme, _, rest = reference.partition(":")
        if scheme == "generated":
            return Secret(self._generated(rest))
        if scheme == "file":
            return Secret(_read_file(self._checkout / Path(rest).expanduser()))
        if scheme == "env":
            return Secret(_read_variable(rest))
        raise RefusedError(
            f"secret reference {scheme}:… cannot be resolved",
            next_step="Use generated:NAME, file:PATH or env:NAME.",
        )

    def names(self) -> tuple[str, ...]:
        """Return the names of the generated values that exist, sorted."""
        return tuple(sorted(self._entries()))

    def _generated(self, name: str) -> str:
        with self._locked():
            entries = self._entries()
            if name not in entries:
                entries[name] = self._seal(name, new_value(name))
                document = {"format": _FORMAT, "cipher": "AES-256-GCM", "entries": entries}
                write_atomic(self._file, json.dumps(document, indent=1, sort_keys=True), mode=0o600)
            return self._open(name, entries[name])

    def _entries(self) -> dict[str, str]:
        if not self._file.exists():
            return {}
        entries: dict[str, str] = json.loads(self._file.read_text())["entries"]
        return entries

    def _seal(self, name: str, value: str) -> str:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self._key()).encrypt(nonce, value.encode(), name.encode())
        return base64.b64encode(nonce + sealed).decode()

    def _open(self, name: str, sealed: str) -> str:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        data = base64.b64decode(sealed)
        try:
            plain = AESGCM(self._key()).decrypt(
                data[:_NONCE_BYTES], data[_NONCE_BYTES:], name.encode()
            )
        except InvalidTag:
            raise CitadelError(
                f"{self._file}: secret {name} was changed, or {self._key_file} is another key",
                next_step="Restore both files from one backup; a removed entry is made anew.",
            ) from None
        return plain.decode()

    def _key(self) -> bytes:
        if not self._key_file.exists():
            write_atomic(self._key_file, os.urandom(_KEY_BYTES), mode=0o600)
        _refuse_readable_by_others(self._key_file)
        return self._key_file.read_bytes()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock_file.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def refuse_unresolved(loaded: LoadedEnvironment, folder: Path, only: KeyPath | None = None) -> None:
    """Refuse an environment with references that have no value here; `generated:` ones always have.

    Args:
        loaded: The environment.
        folder: Its state folder.
        only: The one key to look at; all when not given.

    Raises:
        InvalidEnvironmentError: Names all of them, with the places of their keys.
    """
    from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, InvalidEnvironmentError
    from hxp_enterprise_llm.configuration.rules.secrets import UNRESOLVED, references

    secrets, found = Secrets(folder), []
    for path, reference in references(loaded.environment):
        if reference.startswith("generated:") or path != (only or path):
            continue
        try:
            secrets.resolve(reference)
        except CitadelError as error:
            place, fix = loaded.draft.place(path), error.next_step
            found.append(Diagnostic(UNRESOLVED, place, path, f"{error.message}.", fix))
    if found:
        raise InvalidEnvironmentError(found)


def new_value(name: str) -> str:
    """Return a fresh value of 256 random bits; names that end in `/key` are virtual keys `ck_…`."""
    return ("ck_" if name.endswith("/key") else "") + random.token_urlsafe(32)


def _refuse_readable_by_others(path: Path) -> None:
    if path.stat().st_mode & 0o077:
        raise RefusedError(f"{path} can be read by others", next_step=f"run: chmod 600 {path}")


def _read_file(path: Path) -> str:
    try:
        _refuse_readable_by_others(path)
        value = path.read_text().rstrip("\n")
    except OSError as error:
        raise CitadelError(
            f"secret file {path}: {error.strerror}", next_step="Create it with mode 0600."
        ) from None
    if not value:
        raise CitadelError(f"secret file {path} is empty", next_step="Write the secret into it.")
    return value


def _read_variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise CitadelError(
            f"variable {name} is not set", next_step=f"export {name}=… and try again."
        )
    return value
