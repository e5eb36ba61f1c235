"""Sealed copies: a configuration on its way to, or on the disk of, whoever runs it (CC-04)."""

from __future__ import annotations

from hxp_enterprise_llm.configuration.secrets.envelope import Keys, seal, unseal
from hxp_enterprise_llm.configuration.snapshot import hash_of

_PATH = "configuration/copy"


def seal_copy(keys: Keys, text: bytes) -> tuple[str, bytes]:
    """Return a document's id and the document sealed with AES-256-GCM, bound to that id.

    Args:
        keys: A key ring.
        text: The canonical document.
    """
    identity = hash_of(text)
    return identity, seal(keys, _PATH, text, identity.encode())


def open_copy(keys: Keys, identity: str, sealed: bytes) -> bytes:
    """Return the document of an id.

    Raises:
        TamperedError: It was changed, or is a copy of another document.
        UnknownKeyError: The ring lacks its key.
    """
    return unseal(keys, _PATH, sealed, identity.encode())
