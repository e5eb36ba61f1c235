"""Signed revisions: Ed25519 (RFC 8032) over a revision's hash, by keys that are rotated."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.errors import SignatureError
from hxp_enterprise_llm.configuration.snapshot import hash_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

    from hxp_enterprise_llm.configuration.revisions.base import Revision
    from hxp_enterprise_llm.configuration.secrets.store import SealedStore

ALGORITHM = "ed25519"
SECRET_PATH = "configuration/signing-keys"  # noqa: S105 # where they lie, no value
_PURPOSE = b"citadel revision\x00"
"""Signed along, so that no signature over something else passes for one over a revision."""


@dataclass(frozen=True)
class Verifier:
    """Public keys that are trusted: what a client needs.

    Attributes:
        trusted: Key id → 32 bytes of a public key.
    """

    trusted: Mapping[str, bytes]

    def verify(self, digest: str, signature: str) -> bool:
        """Return whether a signature is of this hash, by a key that is trusted."""
        key_id, value = _parsed(signature)
        return key_id in self.trusted and _fits(self.trusted[key_id], value, digest)

    def check(self, revision: Revision) -> str:
        """Return the id of the key that a revision is signed with.

        Raises:
            SignatureError: It is not signed, not by a trusted key, or was changed; names it.
        """
        if not revision.signature:
            raise _refused(revision, "is not signed", "Let the service apply it again.")
        key_id, _ = _parsed(revision.signature)
        if not key_id:
            raise _refused(revision, "has a signature of an unknown form", "Do not use it.")
        if key_id not in self.trusted:
            raise _refused(
                revision,
                f"is signed with key {key_id}, which is not trusted",
                "Fetch the public keys anew; if it is missing there too, do not use the revision.",
            )
        whole = (revision.id, revision.hash) == (hash_of(revision.text), revision.digest())
        if not whole or not self.verify(revision.hash, revision.signature):
            raise _refused(
                revision,
                f"does not fit its signature by key {key_id}: it was changed",
                "Do not use it; compare it with the audit log and a backup.",
            )
        return key_id

    def dump(self) -> dict[str, Any]:
        """Return the public keys as plain data, for clients."""
        keys = {name: base64.b64encode(key).decode() for name, key in self.trusted.items()}
        return {"algorithm": ALGORITHM, "keys": keys}

    @classmethod
    def load(cls, document: Mapping[str, Any]) -> Self:
        """Return the public keys that `dump` gave.

        Raises:
            SignatureError: They were changed.
        """
        try:
            keys = {
                name: base64.b64decode(text, validate=True)
                for name, text in document["keys"].items()
            }
        except (ValueError, KeyError, AttributeError, TypeError):
            raise _broken_keys() from None
        if document.get("algorithm") != ALGORITHM or any(
            key_id_of(key) != name for name, key in keys.items()
        ):
            raise _broken_keys()
        return cls(keys)


@dataclass(frozen=True)
class Signer:
    """The key that signs, and the keys that are trusted.

    Attributes:
        private: 32 bytes of the private key.
        verifier: The public keys, that of the private one among them.
    """

    private: bytes = field(repr=False)
    verifier: Verifier

    @classmethod
    def new(cls) -> Self:
        """Return a signer with a new key."""
        private, public = _new_pair()
        return cls(private, Verifier({key_id_of(public): public}))

    @property
    def key_id(self) -> str:
        """Return the id of the key that signs."""
        return key_id_of(_public_of(self.private))

    def verify(self, digest: str, signature: str, number: int = 0) -> bool:  # noqa: ARG002 # all alike
        """Return whether a signature is of this hash, by a key that is trusted."""
        return self.verifier.verify(digest, signature)

    def sign(self, digest: str) -> str:
        """Return the signature of a revision's hash: `ed25519:KEY:BASE64`."""
        value = _private_key(self.private).sign(_PURPOSE + digest.encode())
        return f"{ALGORITHM}:{self.key_id}:{base64.b64encode(value).decode()}"

    def rotated(self) -> Self:
        """Return a signer with a new key, which still trusts what the old ones signed."""
        private, public = _new_pair()
        trusted = {**self.verifier.trusted, key_id_of(public): public}
        return replace(self, private=private, verifier=Verifier(trusted))

    def without(self, key_id: str) -> Self:
        """Return a signer that no longer trusts a key.

        Raises:
            SignatureError: It is the one that signs.
        """
        if key_id == self.key_id:
            raise SignatureError(
                f"key {key_id} signs revisions", next_step="Rotate the keys first, then drop it."
            )
        left = {name: key for name, key in self.verifier.trusted.items() if name != key_id}
        return replace(self, verifier=Verifier(left))

    def dump(self) -> Secret:
        """Return all keys as a secret, to be kept."""
        private = base64.b64encode(self.private).decode()
        return Secret(json.dumps({"private": private, **self.verifier.dump()}, sort_keys=True))

    @classmethod
    def load(cls, kept: Secret) -> Self:
        """Return the signer that `dump` gave.

        Raises:
            SignatureError: It was changed.
        """
        try:
            document = json.loads(kept.reveal())
            private = base64.b64decode(document["private"], validate=True)
            public = _public_of(private)
        except (ValueError, KeyError, TypeError):
            raise _broken_keys() from None
        verifier = Verifier.load(document)
        if key_id_of(public) not in verifier.trusted:
            raise _broken_keys()
        return cls(private, verifier)


def kept_signer(store: SealedStore) -> Signer:
    """Return the signer whose keys lie in a sealed file; they are made with the first use."""
    return Signer.load(store.get_or_make(SECRET_PATH, lambda: Signer.new().dump().reveal()))


def rotate_kept(store: SealedStore) -> Signer:
    """Give the keys in a sealed file a new one that signs, and return the signer."""
    signer = kept_signer(store).rotated()
    store.set(SECRET_PATH, signer.dump())
    return signer


def key_id_of(public: bytes) -> str:
    """Return the id of a public key: what its digest begins with."""
    return "s" + hashlib.sha256(public).hexdigest()[:16]


def _parsed(signature: str) -> tuple[str, bytes]:
    """Return key id and value; both empty for a signature of another form."""
    algorithm, _, rest = signature.partition(":")
    key_id, _, text = rest.partition(":")
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:
        value = b""
    return (key_id, value) if algorithm == ALGORITHM and value else ("", b"")


def _fits(public: bytes, value: bytes, digest: str) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        _public_key(public).verify(value, _PURPOSE + digest.encode())
    except InvalidSignature:
        return False
    return True


def _new_pair() -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate().private_bytes_raw()
    return private, _public_of(private)


def _public_of(private: bytes) -> bytes:
    return _private_key(private).public_key().public_bytes_raw()


def _private_key(private: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(private)


def _public_key(public: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(public)


def _refused(revision: Revision, why: str, next_step: str) -> SignatureError:
    return SignatureError(f"revision {revision.number} {why}", next_step=next_step)


def _broken_keys() -> SignatureError:
    return SignatureError(
        "the signing keys are not as they were written", next_step="Restore them from a backup."
    )
