"""Records sealed with AES-256-GCM where they lie: on a disk, in a database, in a copy (CC-04).

The keys are made of credentials. The first seals, all open: a new credential is put in front, and
the older ones stay as long as records of theirs are to be read.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hxp_enterprise_llm.configuration.revisions.base import Shelf, TamperedRevisionError
from hxp_enterprise_llm.configuration.secrets.envelope import Keys, seal, unseal
from hxp_enterprise_llm.configuration.secrets.errors import TamperedError, UnknownKeyError
from hxp_enterprise_llm.configuration.secrets.keyring import key_id_of
from hxp_enterprise_llm.configuration.secrets.secret import Secret

_PURPOSE = b"citadel sealing key"
_MARK = b"sealed:"


class CredentialKeys:
    """Keys of 256 bits, made of secrets.

    Args:
        secrets: The first seals.
    """

    def __init__(self, secrets: Sequence[Secret]) -> None:
        made = [hmac.digest(one.reveal().encode(), _PURPOSE, "sha256") for one in secrets]
        self._keys = {key_id_of(key): key for key in made}
        self._current = key_id_of(made[0])

    def current(self) -> tuple[str, bytes]:
        """Return the key that seals, with its id."""
        return self._current, self._keys[self._current]

    def find(self, key_id: str) -> bytes:
        """Return the key of an id.

        Raises:
            UnknownKeyError: None of the credentials makes it.
        """
        if key_id not in self._keys:
            raise UnknownKeyError(
                f"a record is sealed with key {key_id}, which no credential makes",
                next_step="Give the credential of before as a further one of `sealing`.",
            )
        return self._keys[key_id]


def seal_record(keys: Keys, path: str, record: bytes, bound: str = "") -> bytes:
    """Return a record as text that only the keys open, and only at this path.

    Args:
        keys: Their current one seals.
        path: Where it belongs.
        record: What to seal.
        bound: What else it belongs to: its number.
    """
    return _MARK + base64.b64encode(seal(keys, path, record, bound.encode()))


def open_record(keys: Keys, path: str, record: bytes, bound: str = "") -> bytes:
    """Return what was sealed; a record of before there were keys as it is.

    Raises:
        TamperedError: It was changed, or belongs elsewhere.
        UnknownKeyError: Its key is none of these.
    """
    if not record.startswith(_MARK):
        return record
    try:
        sealed = base64.b64decode(record[len(_MARK) :], validate=True)
    except ValueError:
        raise TamperedError(
            f"the sealed record of {path} is no base64", next_step="Restore it from a backup."
        ) from None
    return unseal(keys, path, sealed, bound.encode())


@dataclass(frozen=True)
class SealedShelf:
    """A shelf whose records are sealed, each at its place and number.

    Args:
        inner: Where they lie.
        keys: What they are sealed with.
        path: Names the document.
    """

    inner: Shelf
    keys: Keys
    path: str

    @property
    def name(self) -> str:
        """Return the place in words."""
        return self.inner.name

    async def newest(self, below: int | None = None) -> tuple[int, bytes] | None:
        """Return the record with the highest number."""
        found = await self.inner.newest(below)
        return None if found is None else (found[0], self._opened(*found))

    async def read(self, number: int) -> bytes | None:
        """Return a record."""
        found = await self.inner.read(number)
        return None if found is None else self._opened(number, found)

    async def span(self, first: int, last: int) -> dict[int, bytes]:
        """Return the records from one number to another."""
        found = await self.inner.span(first, last)
        return {number: self._opened(number, record) for number, record in found.items()}

    async def add(self, records: Mapping[int, bytes]) -> bool:
        """Add records."""
        sealed = {
            number: seal_record(self.keys, self.path, record, str(number))
            for number, record in records.items()
        }
        return await self.inner.add(sealed)

    async def set_aside(self, numbers: Sequence[int], mark: str) -> str:
        """Take records away, sealed as they are."""
        return await self.inner.set_aside(numbers, mark)

    def _opened(self, number: int, record: bytes) -> bytes:
        try:
            return open_record(self.keys, self.path, record, str(number))
        except TamperedError:
            why = "was changed after it was sealed, or belongs elsewhere"
            raise TamperedRevisionError(number, self.name, why) from None
