"""AES-256-GCM envelopes: a data key for each document, sealed by a key of the ring (A5).

NIST SP 800-38D; each encryption draws a random 96-bit nonce. Layout, in bytes:

| part | length |
|---|---|
| magic `CSE` | 3 |
| version, 2 | 1 |
| length of the key id | 1 |
| key id | 1–255 |
| nonce of the sealed data key | 12 |
| sealed data key with its tag | 48 |
| nonce of the content | 12 |
| content with its tag | 16 and more |

The associated data of the data key is version, key id, path and environment; that of the content is
version, path, environment and what the caller binds to it. So an envelope opens in its own
environment and at its own path only, no bit of it can change, and it gets another key id without
its content being opened. Version 1 bound no environment: it is read, and `rewrap` makes it
version 2.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hxp_enterprise_llm.configuration.secrets.errors import TamperedError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"CSE"
VERSION = 2
_UNBOUND = 1
"""The version that bound no environment."""
KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_SEALED_KEY_BYTES = KEY_BYTES + _TAG_BYTES
_START = len(MAGIC) + 2


class Keys(Protocol):
    """Key-encryption keys by id."""

    def current(self) -> tuple[str, bytes]:
        """Return the id and the 32 bytes of the key that seals."""

    def find(self, key_id: str) -> bytes:
        """Return the key of an id; raise `UnknownKeyError` when there is none."""


@dataclass(frozen=True)
class _Envelope:
    version: int
    key_id: str
    key_nonce: bytes
    sealed_key: bytes
    nonce: bytes
    sealed: bytes

    def pack(self) -> bytes:
        name = self.key_id.encode()
        head = MAGIC + bytes((self.version, len(name))) + name
        return head + self.key_nonce + self.sealed_key + self.nonce + self.sealed


def seal(
    keys: Keys, path: str, content: bytes, bound: bytes = b"", *, environment: str = ""
) -> bytes:
    """Return an envelope.

    Args:
        keys: Their current one seals the data key.
        path: Where the envelope belongs; it opens nowhere else.
        content: What to seal.
        bound: Bytes beside the envelope that must not change either.
        environment: The environment that it belongs to.
    """
    key_id, key = keys.current()
    data_key, nonce = os.urandom(KEY_BYTES), os.urandom(_NONCE_BYTES)
    place = _Place(path, environment)
    sealed = _cipher(data_key).encrypt(nonce, content, place.content_data(bound))
    return _wrapped(key_id, key, place, data_key, nonce, sealed).pack()


def unseal(
    keys: Keys, path: str, data: bytes, bound: bytes = b"", *, environment: str = ""
) -> bytes:
    """Return the content of an envelope.

    Raises:
        TamperedError: It was changed, or made for another environment, path or other bound bytes.
        UnknownKeyError: The ring lacks its key.
    """
    parts = _parse(data, path)
    place = _Place(path, environment, parts.version)
    data_key = _data_key(keys, place, parts)
    return _opened(data_key, parts.nonce, parts.sealed, place.content_data(bound), path)


def rewrap(
    keys: Keys, path: str, data: bytes, bound: bytes = b"", *, environment: str = ""
) -> bytes:
    """Return the envelope under the current key; its content stays sealed.

    The content of version 1 is opened and sealed anew, since its environment is bound to it.

    Raises:
        TamperedError: The envelope's head was changed, or made for another place.
        UnknownKeyError: The ring lacks its key.
    """
    parts = _parse(data, path)
    if parts.version == _UNBOUND:
        content = unseal(keys, path, data, bound)
        return seal(keys, path, content, bound, environment=environment)
    key_id, key = keys.current()
    if parts.key_id == key_id:
        return data
    place = _Place(path, environment)
    data_key = _data_key(keys, place, parts)
    return _wrapped(key_id, key, place, data_key, parts.nonce, parts.sealed).pack()


def version_of(data: bytes, path: str) -> int:
    """Return the version of an envelope.

    Raises:
        TamperedError: It has no such form.
    """
    return _parse(data, path).version


def key_id_of(data: bytes, path: str) -> str:
    """Return the id of the key that an envelope names.

    Raises:
        TamperedError: It has no such form.
    """
    return _parse(data, path).key_id


@dataclass(frozen=True)
class _Place:
    path: str
    environment: str
    version: int = VERSION

    def key_data(self, key_id: str) -> bytes:
        return self._joined(b"citadel data key", key_id.encode(), self.path.encode())

    def content_data(self, bound: bytes) -> bytes:
        return self._joined(b"citadel content", self.path.encode(), bound)

    def _joined(self, *parts: bytes) -> bytes:
        """Join parts so that no two lists of parts give the same bytes."""
        if self.version != _UNBOUND:
            parts = (*parts, self.environment.encode())
        head = MAGIC + bytes((self.version,))
        return head + b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _wrapped(
    key_id: str, key: bytes, place: _Place, data_key: bytes, nonce: bytes, sealed: bytes
) -> _Envelope:
    key_nonce = os.urandom(_NONCE_BYTES)
    sealed_key = _cipher(key).encrypt(key_nonce, data_key, place.key_data(key_id))
    return _Envelope(place.version, key_id, key_nonce, sealed_key, nonce, sealed)


def _data_key(keys: Keys, place: _Place, parts: _Envelope) -> bytes:
    key, bound = keys.find(parts.key_id), place.key_data(parts.key_id)
    return _opened(key, parts.key_nonce, parts.sealed_key, bound, place.path)


def _parse(data: bytes, path: str) -> _Envelope:
    if data[: len(MAGIC)] != MAGIC:
        raise _tampered(path, "it is no envelope")
    version = data[len(MAGIC)] if len(data) > len(MAGIC) else 0
    if version not in {_UNBOUND, VERSION}:
        raise _tampered(path, f"its version is not {_UNBOUND} or {VERSION}")
    length = data[_START - 1] if len(data) >= _START else 0
    lengths = (length, _NONCE_BYTES, _SEALED_KEY_BYTES, _NONCE_BYTES)
    if not length or len(data) < _START + sum(lengths) + _TAG_BYTES:
        raise _tampered(path, "it was cut off")
    pieces, start = [], _START
    for size in lengths:
        pieces.append(data[start : start + size])
        start += size
    try:
        key_id = pieces[0].decode()
    except UnicodeDecodeError:
        raise _tampered(path, "its key id is no text") from None
    return _Envelope(version, key_id, pieces[1], pieces[2], pieces[3], data[start:])


def _opened(key: bytes, nonce: bytes, sealed: bytes, bound: bytes, path: str) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        return _cipher(key).decrypt(nonce, sealed, bound)
    except InvalidTag:
        raise _tampered(
            path, "it was changed, or made for another place, environment or key"
        ) from None


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _tampered(path: str, why: str) -> TamperedError:
    return TamperedError(
        f"the envelope of secret {path} cannot be opened: {why}",
        next_step="Restore the file and its key ring from one backup: citadel secrets restore.",
    )
