"""What a revision is, what keeps revisions, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from hxp_enterprise_llm.configuration.snapshot import canonical, hash_of
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode, FaultDomain, RefusedError

START = "0" * 64
"""The parent of the first revision."""
VERSION = 2
"""Of what is hashed: 2 binds what a revision is of; 1, which did not, is still read."""


def identity(environment: str, kind: str, name: str) -> str:
    """Return what the revisions of one document are of: `production/gateway/main`."""
    return f"{environment}/{kind}/{name}"


@dataclass(frozen=True)
class Revision:
    """A configuration that was applied.

    Attributes:
        number: Counts from 1 in its store.
        id: SHA-256 of the canonical document: `Snapshot.revision` of what was applied.
        made_at: When it was stored, in UTC.
        actor: Who applied it.
        reason: Why.
        approver: Who approved it, for dangerous changes.
        parent: Hash of the revision before it.
        hash: SHA-256 of all of the above, of `source`, and of what `version` adds.
        signature: Of the hash, where the store signs.
        text: The document as canonical JSON: defaults filled in, secrets as references.
        source: Text of the file that said so; empty where it came from elsewhere.
        version: What the hash covers: 1 is all of the above, 2 also itself and what follows.
        of: Whose configuration: `identity()`, so that no other document's store takes it.
        holds: After a rollback, a hash of what the sources said: it is held back as long as they
            say just that.
    """

    number: int
    id: str
    made_at: datetime
    actor: str
    reason: str
    approver: str | None
    parent: str
    hash: str
    signature: str | None
    text: bytes = field(repr=False)
    source: str = field(default="", repr=False)
    version: int = 1
    of: str = ""
    holds: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """Return the configuration as plain data; the data is the caller's own."""
        import json

        document: dict[str, Any] = json.loads(self.text)
        return document

    @property
    def head(self) -> Head:
        """Return what to note elsewhere, so that a cut-off history is seen."""
        return Head(self.number, self.hash)

    def digest(self) -> str:
        """Return the hash that the revision must have."""
        said: dict[str, Any] = {
            "number": self.number,
            "id": self.id,
            "made_at": self.made_at.isoformat(),
            "actor": self.actor,
            "reason": self.reason,
            "approver": self.approver,
            "parent": self.parent,
            "source": self.source,
        }
        if self.version > 1:
            said |= {"version": self.version, "of": self.of, "holds": self.holds}
        return hash_of(canonical(said))

    def as_data(self) -> dict[str, Any]:
        """Return who, when and why as plain data, without the document."""
        return {
            "number": self.number,
            "id": self.id,
            "made_at": self.made_at.isoformat(),
            "actor": self.actor,
            "reason": self.reason,
            "approver": self.approver,
            "parent": self.parent,
            "hash": self.hash,
            "signature": self.signature,
            "version": self.version,
            "of": self.of,
            "holds": self.holds,
        }


@dataclass(frozen=True)
class Head:
    """The newest revision of a store: its number and its hash."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


class Shelf(Protocol):
    """Where the records of a store lie. It knows nothing of what is in them."""

    @property
    def name(self) -> str:
        """Return the place in words, for people."""

    async def newest(self, below: int | None = None) -> tuple[int, bytes] | None:
        """Return the record with the highest number, of those with a smaller one than `below`."""

    async def read(self, number: int) -> bytes | None:
        """Return a record; None when there is none of that number."""

    async def span(self, first: int, last: int) -> dict[int, bytes]:
        """Return the records from one number to another, both included, by their numbers."""

    async def add(self, records: Mapping[int, bytes]) -> bool:
        """Add records durably; False, and nothing is added, when a number is taken.

        One record is there whole or not at all, whatever happens.
        """

    async def set_aside(self, numbers: Sequence[int], mark: str) -> str:
        """Take records away, and keep them where none is looked for; return where, in words.

        Args:
            numbers: Of the records; those that are not there are nothing.
            mark: Tells these from what was set aside before.
        """


class Signer(Protocol):
    """Signs hashes of revisions, and knows what it signed."""

    def sign(self, digest: str) -> str:
        """Return the signature of a hash."""

    def verify(self, digest: str, signature: str, number: int) -> bool:
        """Return whether a signature is of this hash, by a key that is trusted for this number."""


class RevisionError(CitadelError):
    """Revisions cannot be kept or read."""

    code = "revision.store"
    domain = FaultDomain.CONFIGURATION


class UnknownRevisionError(RefusedError):
    """There is no revision of that number."""

    code = "revision.unknown"
    domain = FaultDomain.INPUT


class UnusableRevisionError(RevisionError):
    """A revision is there, and must not be used.

    Attributes:
        number: Which.
    """

    code = "revision.unusable"
    cure = "Keep it as evidence, and restore a backup: citadel config restore."

    def __init__(self, number: int, where: str, why: str) -> None:
        self.number = number
        super().__init__(f"revision {number} of {where} {why}", next_step=self.cure)


class TamperedRevisionError(UnusableRevisionError):
    """A revision is not what was stored."""

    code = "revision.tampered"
    exit_code = ExitCode.REFUSED


class UnreadableRevisionError(UnusableRevisionError):
    """A revision is there, and cannot be read."""

    code = "revision.unreadable"
    cure = "Let this account read it, or restore a backup: citadel config restore."


class ForeignRevisionError(TamperedRevisionError):
    """A revision is of another environment or document than the store that it lies in."""

    code = "revision.foreign"
    cure = "Give the backup of this one; if nobody gave another, keep it: somebody moved it here."


class NewerRevisionError(UnusableRevisionError):
    """A revision is of a version that is not known here."""

    code = "revision.newer"
    cure = "Use the version of citadel that wrote it, or a newer one."
