"""Public keys that signed here: a new signing key does not make the history unreadable.

The file lies on the server's own disk, not in the store: who can write the store cannot add a key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from hxp_enterprise_llm.configuration.security.errors import SignatureError
from hxp_enterprise_llm.configuration.security.signing import Signer, Verifier
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.utilities.files import write_atomic

FILE = "trusted-keys.json"


class _Kept(CitadelModel):
    """What the file says: `until` has, by old key and document, the last number it may sign."""

    algorithm: str
    current: str
    keys: dict[str, str]
    until: dict[str, dict[str, int]] = Field(default={})


@dataclass(frozen=True)
class TrustedSigner:
    """Signs with today's key, and trusts what older keys signed before they were replaced.

    Attributes:
        signer: Today's key, and all public keys.
        until: Old key → document → number of its last revision that the key may have signed.
    """

    signer: Signer
    until: Mapping[str, Mapping[str, int]]

    def of(self, key: DocumentKey) -> DocumentSigner:
        """Return what signs one document's revisions."""
        return DocumentSigner(self, str(key))


@dataclass(frozen=True)
class DocumentSigner:
    """Signs and verifies one document's revisions: a `revisions.Signer`."""

    trusted: TrustedSigner
    document: str

    def sign(self, digest: str) -> str:
        """Return the signature of a hash, by today's key."""
        return self.trusted.signer.sign(digest)

    def verify(self, digest: str, signature: str, number: int) -> bool:
        """Return whether today's key signed this, or an older one while it was today's."""
        last = self.trusted.until.get(signature.split(":")[1] if ":" in signature else "")
        if last is not None and number > last.get(self.document, 0):
            return False
        return self.trusted.signer.verify(digest, signature, number)


def trusted_signer(path: Path, signer: Signer, heads: Mapping[DocumentKey, int]) -> TrustedSigner:
    """Return what signs, with the keys that signed before; a new one is noted in the file.

    Args:
        path: The file; its folder must exist.
        signer: The key that the credential gives.
        heads: Newest revisions: no key that is replaced now is trusted for later ones.

    Raises:
        SignatureError: The file was changed, or cannot be read.
    """
    kept = _kept(path)
    until = dict(kept.until) if kept is not None else {}
    trusted = dict(Verifier.load(kept.model_dump()).trusted) if kept is not None else {}
    if kept is None or kept.current != signer.key_id:
        if kept is not None:
            until[kept.current] = {str(key): number for key, number in heads.items()}
        until.pop(signer.key_id, None)
        trusted |= signer.verifier.trusted
        said: dict[str, Any] = Verifier(trusted).dump()
        said |= {"current": signer.key_id, "until": until}
        write_atomic(path, json.dumps(said, indent=2, sort_keys=True) + "\n", mode=0o600)
    trusted |= signer.verifier.trusted
    return TrustedSigner(Signer(signer.private, Verifier(trusted)), until)


def _kept(path: Path) -> _Kept | None:
    try:
        return _Kept.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise SignatureError(
            f"{path}: the keys that were trusted cannot be read",
            next_step="Restore the file from a backup, or copy it from another server.",
        ) from None
