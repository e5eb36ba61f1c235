"""A new key-encryption key for all environments of a checkout, without a moment's downtime.

The new key is added first, each file is re-wrapped while the old key still reads, and old keys go
last, when nothing names them. Killed anywhere, the next run ends it. It stands in the audit log of
each environment.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hxp_enterprise_llm.configuration.audit import AuditEvent, AuditLog
from hxp_enterprise_llm.configuration.secrets.files import locked, reporting, signature
from hxp_enterprise_llm.configuration.secrets.keyring import Clock, Guard, KeyRing, utc_now
from hxp_enterprise_llm.configuration.secrets.references import AUDIT_FILE, operator
from hxp_enterprise_llm.configuration.secrets.store import SEALED_NAME, SealedStore


@dataclass(frozen=True)
class Rekeyed:
    """What a rekey did, or would do.

    Attributes:
        key_id: The new key; empty in a dry run.
        environments: Name → how many secrets were wrapped anew.
        retired: Ids of the keys that were dropped.
    """

    key_id: str
    environments: dict[str, int]
    retired: tuple[str, ...]


def rekey(
    state: Path,
    *,
    actor: str = "",
    dry_run: bool = False,
    guard: Guard | None = None,
    clock: Clock = utc_now,
) -> Rekeyed:
    """Seal all secrets of a checkout with a new key.

    Args:
        state: The state folder, `.citadel`.
        actor: Who asks; who runs the process when not given.
        dry_run: Say what would be done.
        guard: What seals the ring's keys.
        clock: Time of now.
    """
    ring = KeyRing(state / "secrets.key", guard=guard, clock=clock)

    def stores() -> dict[str, SealedStore]:
        return {
            folder.name: SealedStore(folder, ring=ring, clock=clock) for folder in _sealed(state)
        }

    if dry_run:
        for store in stores().values():
            store.refuse_changed()
        counts = {name: len(store.paths()) for name, store in stores().items()}
        return Rekeyed("", counts, tuple(key.key_id for key in ring.entries()))
    with locked(state / "secrets.lock"):
        # Found under the lock: who writes first after it seals with the new key.
        found = stores()
        if not found:
            # A ring is made with the first secret: one without any means that a file is missing.
            return Rekeyed("", {}, ())
        # A lost ring is not replaced by a new one: what it sealed would stay closed.
        for store in found.values():
            store.refuse_lost_ring()
            # A new key vouches for nothing that the old one does not.
            store.refuse_changed()
        added = ring.add_key()
    counts = {}
    for name, store in found.items():
        counts[name] = len(store.rewrap())
        _record(store.file.parent, actor or operator(), added, counts[name], clock)
    with locked(state / "secrets.lock"):
        # Found again: a file that came since, from a backup, keeps the key that it needs.
        used = frozenset[str]().union(*(store.used_keys() for store in stores().values()))
        return Rekeyed(added, counts, ring.retire(used))


def _sealed(state: Path) -> list[Path]:
    """Return the folders with a sealed file; who cannot be asked may need the keys of before.

    Raises:
        SecretFileError: A folder or file cannot be looked at.
    """
    found = []
    with reporting(state, "read"):
        folders = sorted(folder for folder in state.iterdir() if folder.is_dir())
    for folder in folders:
        file = folder / SEALED_NAME
        with reporting(file, "read"):
            # A link to nowhere is an error here: what it points to may be away for a while.
            if file.is_symlink() or signature(file):
                file.stat()
                found.append(folder)
    return found


def _record(folder: Path, actor: str, key_id: str, count: int, clock: Clock) -> None:
    detail = {"secrets": str(count)}
    with closing(AuditLog(folder / AUDIT_FILE, clock=clock)) as log:
        log.append(AuditEvent(actor, "secret.rekey", f"key:{key_id}", "ok", detail), durable=True)
