"""Keys of an audit log's chain. A new key begins a segment, which names the head of the old one.

So whoever learns an older key can write nothing anew: the next segment holds, under a newer key,
how the older one ended. The older keys lie beside the log, in a file of mode 0600.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hxp_enterprise_llm.configuration.audit import AuditError, AuditLog
from hxp_enterprise_llm.configuration.secrets.files import refuse_readable_by_others
from hxp_enterprise_llm.configuration.secrets.keyring import Clock, utc_now
from hxp_enterprise_llm.configuration.security.retention import drop_twins, segment_of
from hxp_enterprise_llm.utilities.files import write_atomic

FoundT = TypeVar("FoundT")
KEPT, OWN = "audit-keys.json", "audit.key"
_BYTES = 32
_UNKEYED = b""


def keyed_log(path: Path, key: bytes | None, *, clock: Clock = utc_now) -> AuditLog:
    """Return a log whose chain is keyed; a log of an older key, or of none, becomes a segment.

    Args:
        path: The log; its folder must exist.
        key: The key; None for one of its own, which is made once and kept beside the log.
        clock: Time of now.

    Raises:
        AuditError: The keys of before cannot be read.
        SecretError: A file of keys can be read by others.
    """
    current = key or _own(path.with_name(OWN))
    kept = _kept(path.with_name(KEPT))
    if kept is None:
        # A log that was begun without any key goes on with one.
        kept = (_UNKEYED,) if path.exists() and AuditLog(path).fits() else ()
    older = tuple(one for one in kept if one != current)
    if current not in kept:
        _write(path.with_name(KEPT), (*kept, current))
    log = AuditLog(path, key=current, older=older, clock=clock)
    if path.exists() and not log.fits() and _any_fits(path, older):
        drop_twins(path)
        log.rotate(segment_of(path, clock()))
    return log


def _any_fits(path: Path, keys: tuple[bytes, ...]) -> bool:
    return any(AuditLog(path, key=key).fits() for key in keys)


def _own(path: Path) -> bytes:
    if not path.exists():
        write_atomic(path, secrets.token_hex(_BYTES) + "\n", mode=0o600)
    return _read(path, lambda text: bytes.fromhex(text.strip()))


def _kept(path: Path) -> tuple[bytes, ...] | None:
    if not path.exists():
        return None
    return _read(path, lambda text: tuple(bytes.fromhex(one) for one in json.loads(text)["keys"]))


def _write(path: Path, keys: tuple[bytes, ...]) -> None:
    said = {"keys": [key.hex() for key in keys]}
    write_atomic(path, json.dumps(said, indent=1) + "\n", mode=0o600)


def _read(path: Path, parse: Callable[[str], FoundT]) -> FoundT:
    refuse_readable_by_others(path)
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        raise AuditError(
            f"{path}: the keys of the audit log cannot be read",
            next_step="Restore the file from a backup, or move it away with the log beside it.",
        ) from None
