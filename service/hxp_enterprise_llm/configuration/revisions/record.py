"""A revision as the text of a record, and back; a record that was changed does not come back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from hxp_enterprise_llm.configuration.revisions.base import (
    START,
    VERSION,
    ForeignRevisionError,
    NewerRevisionError,
    Revision,
    Signer,
    TamperedRevisionError,
)
from hxp_enterprise_llm.configuration.snapshot import canonical, hash_of


def encoded(revision: Revision) -> bytes:
    """Return the record of a revision."""
    document = revision.as_data() | {"document": revision.document, "source": revision.source}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def decoded(
    number: int, record: bytes, where: str, signer: Signer | None, of: str | None = None
) -> Revision:
    """Return the revision of a record.

    Args:
        number: The number that it lies under.
        record: Its text.
        where: The shelf, for errors.
        signer: Must have signed it; None asks for no signature.
        of: What it must be of; None takes any. Revisions of version 1 do not say.

    Raises:
        TamperedRevisionError: It is not what was stored.
        ForeignRevisionError: It was stored for something else.
        NewerRevisionError: It is of a version that is not known.
    """
    try:
        revision = _parsed(json.loads(record))
    except (ValueError, KeyError, TypeError):
        raise TamperedRevisionError(number, where, "cannot be read") from None
    if revision.version not in range(1, VERSION + 1):
        why = f"is of version {revision.version}; this citadel knows 1 to {VERSION}"
        raise NewerRevisionError(number, where, why)
    same = (revision.number, revision.id) == (number, hash_of(revision.text))
    if not same or revision.hash != revision.digest():
        raise TamperedRevisionError(number, where, "was changed after it was stored")
    if of is not None and revision.version > 1 and revision.of != of:
        why = f"is of {revision.of or 'nothing named'}, and this is the store of {of or 'none'}"
        raise ForeignRevisionError(number, where, why)
    if signer is not None and not _signed(revision, signer):
        raise TamperedRevisionError(number, where, "bears no signature that is trusted")
    return revision


def linked(revision: Revision, before: Revision | None, where: str) -> Revision:
    """Return a revision that follows another.

    Raises:
        TamperedRevisionError: It does not; names its number, or that of one that is missing.
    """
    after = before.number if before is not None else 0
    if revision.number != after + 1:
        raise TamperedRevisionError(after + 1, where, "is missing")
    if revision.parent != (before.hash if before is not None else START):
        raise TamperedRevisionError(revision.number, where, "does not follow the one before it")
    if before is not None and revision.version < before.version:
        # Whoever moves an old revision in would have it pass without saying what it is of.
        raise TamperedRevisionError(revision.number, where, "is of an older version than before it")
    return revision


def signed(revision: Revision, signer: Signer | None) -> Revision:
    """Return a revision with its hash, and its signature."""
    digest = revision.digest()
    signature = signer.sign(digest) if signer is not None else None
    return replace(revision, hash=digest, signature=signature)


def _signed(revision: Revision, signer: Signer) -> bool:
    given = revision.signature
    return given is not None and signer.verify(revision.hash, given, revision.number)


def _parsed(said: dict[str, Any]) -> Revision:
    return Revision(
        number=int(said["number"]),
        id=str(said["id"]),
        made_at=datetime.fromisoformat(said["made_at"]),
        actor=str(said["actor"]),
        reason=str(said["reason"]),
        approver=said["approver"],
        parent=str(said["parent"]),
        hash=str(said["hash"]),
        signature=said["signature"],
        text=canonical(said["document"]),
        source=str(said["source"]),
        version=int(said.get("version", 1)),
        of=str(said.get("of", "")),
        holds=str(said.get("holds", "")),
    )
