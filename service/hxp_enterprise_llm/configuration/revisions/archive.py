"""A backup of revisions: one compressed file, with a checksum of its own."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import zlib
from collections.abc import Sequence

from hxp_enterprise_llm.configuration.revisions.base import Revision, RevisionError
from hxp_enterprise_llm.configuration.revisions.record import encoded

_FORMAT = "citadel-revisions"
VERSION = 1


def packed(chain: Sequence[Revision]) -> bytes:
    """Return a backup of revisions, the oldest first; equal chains give equal bytes."""
    lines = [encoded(item) for item in chain]
    head = {
        "format": _FORMAT,
        "version": VERSION,
        "count": len(lines),
        "sha256": hashlib.sha256(b"\n".join(lines)).hexdigest(),
    }
    return gzip.compress(b"\n".join([json.dumps(head).encode(), *lines]), mtime=0)


def unpacked(archive: bytes) -> dict[int, bytes]:
    """Return the records of a backup by their numbers.

    Raises:
        RevisionError: It is no backup, is damaged, or of a version that is not known.
    """
    try:
        first, *lines = gzip.decompress(archive).split(b"\n")
        head = json.loads(first)
        known, version, count = head["format"] == _FORMAT, head["version"], head["count"]
        digest = str(head["sha256"])
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError):
        raise _refused("is no backup of revisions, or is damaged") from None
    if not known:
        raise _refused("is a backup of something else")
    if version != VERSION:
        raise _refused(f"is of version {version}; this citadel knows version {VERSION}")
    same = hmac.compare_digest(hashlib.sha256(b"\n".join(lines)).hexdigest(), digest)
    if count != len(lines) or not same:
        raise _refused("is damaged: its checksum is another")
    return dict(enumerate(lines, start=1))


def _refused(why: str) -> RevisionError:
    return RevisionError(f"the backup {why}", next_step="Take another copy of it.")
