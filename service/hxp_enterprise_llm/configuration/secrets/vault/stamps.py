"""When each key of a KV v2 document was written: Vault keeps a time for whole documents only.

A document's custom metadata takes one time for each key that was written through here, and the
version that these times are of. A version that somebody else wrote ends them all: then the
document's own time counts, which may be younger than the value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from hxp_enterprise_llm.configuration.secrets.backends.base import SecretInfo
from hxp_enterprise_llm.configuration.secrets.rules import labelled

DAYS = "citadel-rotate-days"
_VERSION, _AT = "citadel-version", "citadel-at-"
_MOST_ENTRIES, _LONGEST_NAME = 64, 128
"""What Vault takes: https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2"""

Metadata = Mapping[str, Any]


def info_of(path: str, metadata: Metadata) -> SecretInfo:
    """Return what a version's metadata says of one key."""
    key = path.partition("#")[2]
    custom = _custom(metadata)
    at = str(_times(metadata).get(key, metadata["created_time"]))
    rule = labelled(custom.get(DAYS))
    return SecretInfo(path, int(metadata["version"]), datetime.fromisoformat(at), rule=rule)


def stamped(
    before: Metadata | None, after: Metadata, keys: Iterable[str], written: str
) -> dict[str, str] | None:
    """Return the custom metadata of a document after one of its keys was written.

    Args:
        before: Metadata of the version that was written over; None for a new document.
        after: Metadata of the new version.
        keys: All keys of the new version.
        written: The key that has a new value; empty when one was removed.

    Returns:
        The whole map; None when Vault would not take it, since there are too many keys or too
        long ones.
    """
    known = _times(before) if before else {}
    since: str = before["created_time"] if before else after["created_time"]
    times = {key: known.get(key, since) for key in keys}
    if written:
        times[written] = after["created_time"]
    others = {} if before is None else _custom(before)
    kept = {name: text for name, text in others.items() if not name.startswith(_AT)}
    whole = {
        **kept,
        _VERSION: str(after["version"]),
        **{_AT + key: at for key, at in times.items()},
    }
    longest = max(len(name.encode()) for name in whole)
    return whole if len(whole) <= _MOST_ENTRIES and longest <= _LONGEST_NAME else None


def _times(metadata: Metadata) -> dict[str, str]:
    custom = _custom(metadata)
    if custom.get(_VERSION) != str(metadata["version"]):
        return {}
    return {name.removeprefix(_AT): at for name, at in custom.items() if name.startswith(_AT)}


def _custom(metadata: Metadata) -> dict[str, str]:
    return dict(metadata.get("custom_metadata") or {})
