"""A look at everything that secrets of an environment stand on."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hxp_enterprise_llm.configuration.audit import AuditError, AuditLog
from hxp_enterprise_llm.configuration.secrets.access import Verb
from hxp_enterprise_llm.configuration.secrets.backends.sealed import SealedFile
from hxp_enterprise_llm.configuration.secrets.entries import FORMAT
from hxp_enterprise_llm.configuration.secrets.errors import SecretRefusedError
from hxp_enterprise_llm.configuration.secrets.keyring import Clock, KeyRing, utc_now
from hxp_enterprise_llm.configuration.secrets.policy import SecretPolicy
from hxp_enterprise_llm.configuration.secrets.references import (
    AUDIT_FILE,
    local_manager,
    policy_of,
    refuse_unresolved,
    watched,
)
from hxp_enterprise_llm.configuration.secrets.rotation import Kind
from hxp_enterprise_llm.configuration.secrets.store import SealedStore
from hxp_enterprise_llm.core.exceptions import CitadelError

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.loader import LoadedEnvironment

_SCHEME = SealedFile.scheme
_RESTORE = "citadel secrets restore ENVIRONMENT FILE"


@dataclass(frozen=True)
class Finding:
    """What one check found: `ok`, `due` or `fault`."""

    name: str
    state: str
    text: str


async def examine(
    loaded: LoadedEnvironment, folder: Path, *, clock: Clock = utc_now
) -> tuple[Finding, ...]:
    """Check the key ring, the sealed file, the audit log, all references and all ages.

    Args:
        loaded: The environment.
        folder: Its state folder.
        clock: Time of now.
    """
    store, policy = SealedStore(folder), policy_of(loaded)
    checks: dict[str, Callable[[], Finding]] = {
        "key ring": lambda: _ring(KeyRing(store.ring.file, clock=clock), policy),
        "sealed file": lambda: _sealed(store, folder / AUDIT_FILE),
        "audit log": lambda: _audit(folder / AUDIT_FILE),
        "references": lambda: _references(loaded, folder),
    }
    found = [_checked(name, check) for name, check in checks.items()]
    return (*found, await _ages(loaded, folder, clock))


def _checked(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except (CitadelError, OSError) as error:
        return Finding(name, "fault", str(error).replace("\n", " "))


def _ring(ring: KeyRing, policy: SecretPolicy) -> Finding:
    keys = ring.entries()
    if ring.due(policy.rotate_every):
        ahead = keys[-1].made_at > ring.now()
        age = "of the future" if ahead else f"{policy.rotate_every.days} days old"
        text = f"the key is {age}; run: citadel secrets rekey"
        return Finding("key ring", "due", text)
    if len(keys) > 1:
        text = f"{len(keys)} keys: a rekey did not end; run: citadel secrets rekey"
        return Finding("key ring", "due", text)
    return Finding("key ring", "ok", f"{len(keys)} key in {ring.file}")


def _sealed(store: SealedStore, log: Path) -> Finding:
    if not store.file.exists() and (known := _known(store, log)):
        text = f"{store.file} is missing, and {known}; run: {_RESTORE}"
        return Finding("sealed file", "fault", text)
    _refuse_writable(store.file)
    store.refuse_changed()
    entries = {path: store.entry(path) for path in store.paths()}
    pending = ", ".join(path for path, entry in entries.items() if entry.pending)
    if pending:
        text = f"the rotation of {pending} did not end; run: citadel secrets rotate ENVIRONMENT"
        return Finding("sealed file", "due", f"{text} NAME: its hook gets the same value again")
    if any(entry.format != FORMAT for entry in entries.values()):
        text = "it has an older format, which binds no environment; run: citadel secrets rekey"
        return Finding("sealed file", "due", text)
    return Finding("sealed file", "ok", f"{len(entries)} secrets open")


def _known(store: SealedStore, log: Path) -> str:
    """Return who knows of secrets that a sealed file should hold; "" for nobody."""
    actions = {f"secret.{verb}" for verb in (Verb.WRITE, Verb.ROTATE, Verb.READ)}
    names = set()
    with closing(AuditLog(log)) as audit, suppress(AuditError):
        # A chain that is broken is the other check's matter.
        for record in audit.records():
            scheme, _, path = record.event.resource.partition(":")
            if (scheme, record.event.outcome) == (_SCHEME, "ok") and record.event.action in actions:
                names.add(path)
    if names:
        return f"the audit log knows of {', '.join(sorted(names))}"
    others = list(store.file.parents[1].glob(f"*/{store.file.name}"))
    if store.ring.entries() and not others:
        return f"{store.ring.file} has a key, which is made with the first secret only"
    return ""


def _refuse_writable(file: Path) -> None:
    if file.exists() and file.stat().st_mode & 0o022:
        raise SecretRefusedError(f"{file} can be written by others; run: chmod 600 {file}")


def _audit(path: Path) -> Finding:
    _refuse_writable(path)
    with closing(AuditLog(path)) as log:
        head = log.verify()
    return Finding("audit log", "ok", f"{head.number} records, chain whole")


def _references(loaded: LoadedEnvironment, folder: Path) -> Finding:
    refuse_unresolved(loaded, folder)
    return Finding("references", "ok", "all have a value")


async def _ages(loaded: LoadedEnvironment, folder: Path, clock: Clock) -> Finding:
    addresses = watched(loaded)
    schemes = {address.partition(":")[0] for address in addresses}
    policy = policy_of(loaded)
    manager = local_manager(folder, os.environ, schemes, strict=False, policy=policy, clock=clock)
    try:
        found = await manager.look(addresses)
    except (CitadelError, OSError) as error:
        return Finding("ages", "fault", str(error).replace("\n", " "))
    finally:
        await manager.aclose()
    if found.failed:
        return Finding("ages", "fault", "; ".join(": ".join(item) for item in found.failed))
    # The check of the key ring speaks of keys.
    due = ", ".join(item.path for item in found.due if item.kind is Kind.SECRET)
    if due:
        return Finding("ages", "due", f"{due}; run: citadel secrets rotate ENVIRONMENT --due")
    if found.ahead:
        text = f"{', '.join(found.ahead)}: set in the future, so a clock was wrong"
        return Finding("ages", "due", f"{text}; set the clock, then rotate or set them")
    unknown = ", ".join(found.unknown)
    return Finding(
        "ages", "ok", f"nothing is due{f'; of unknown age: {unknown}' if unknown else ''}"
    )
