"""What stands beside an envelope counts only when the envelope vouches for it (CX-04)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tests.unit.configuration.secrets.conftest import Make, Now

from hxp_enterprise_llm.configuration.secrets.backends.sealed import SealedFile
from hxp_enterprise_llm.configuration.secrets.errors import TamperedError
from hxp_enterprise_llm.configuration.secrets.hooks import command_hook
from hxp_enterprise_llm.configuration.secrets.manager import SecretManager
from hxp_enterprise_llm.configuration.secrets.rekey import rekey
from hxp_enterprise_llm.configuration.secrets.rules import MadeBy, RotationRule
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.watching import AgeWatch
from hxp_enterprise_llm.testing.matchers import metric

pytestmark = pytest.mark.feature("CX-04")
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """Return what an intruder's program would make."""
    return tmp_path / "ran"


@pytest.fixture
async def manager(make: Make, sealed: SealedFile, tmp_path: Path, ran: Path) -> SecretManager:
    program = tmp_path / "intruder"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o700)
    found = make(sealed, hook=command_hook("local"))
    for name in ("a", "whole"):
        await sealed.set(name, Secret(f"value of {name}"), made_by=MadeBy.GENERATED)
    return found


def refuse_ran(ran: Path) -> None:
    assert not ran.exists()


def changed(sealed: SealedFile, change: Change) -> bytes:
    """Change the entry of secret `a` without the key; return the file."""
    document = json.loads(sealed.store.file.read_text())
    change(document["entries"]["a"])
    sealed.store.file.write_text(json.dumps(document))
    return sealed.store.file.read_bytes()


CHANGES: dict[str, Callable[[Any, str], object]] = {
    "hook": lambda entry, hook: entry["rotation"].update(hook=hook),
    "made_by": lambda entry, _: entry["rotation"].update(made_by="given"),
    "days": lambda entry, _: entry["rotation"].update(every_days=3650),
    "made_at": lambda entry, _: entry.update(made_at="2026-11-20T12:00:00+00:00"),
    "version": lambda entry, _: entry.update(version=9),
}


async def _rekey(_: SecretManager, state: Path) -> None:
    rekey(state)


DONE: dict[str, Callable[[SecretManager, Path], Awaitable[object]]] = {
    "rotate": lambda manager, _: manager.rotate("a", actor="ann"),
    "set": lambda manager, _: manager.set("a", Secret("new"), actor="ann"),
    "rule": lambda manager, _: manager.set_rule("a", RotationRule(every_days=7), actor="ann"),
    "info": lambda manager, _: manager.info("a", actor="ann"),
    "rekey": _rekey,
    # The first write after 90 days would seal all with a new key.
    "aged key": lambda manager, _: manager.set("whole", Secret("new"), actor="ann"),
}


@pytest.mark.parametrize("part", CHANGES)
@pytest.mark.parametrize("verb", DONE)
async def test_a_part_that_was_changed_beside_the_envelope_is_refused_and_stays_evident(
    manager: SecretManager,
    sealed: SealedFile,
    tmp_path: Path,
    now: Now,
    ran: Path,
    part: str,
    verb: str,
) -> None:
    hook = str(tmp_path / "intruder")
    before = changed(sealed, lambda entry: CHANGES[part](entry, hook))
    ring = sealed.store.ring.file.read_bytes()
    if verb == "aged key":
        now.time += timedelta(days=91)
    with pytest.raises(TamperedError, match="secret a was changed") as caught:
        await DONE[verb](manager, tmp_path)
    assert "citadel secrets restore" in caught.value.next_step
    refuse_ran(ran)
    assert sealed.store.file.read_bytes() == before
    assert sealed.store.ring.file.read_bytes() == ring


@pytest.mark.parametrize("part", CHANGES)
async def test_the_due_list_names_what_was_changed_and_believes_nothing_of_it(
    manager: SecretManager, sealed: SealedFile, tmp_path: Path, now: Now, part: str
) -> None:
    changed(sealed, lambda entry: CHANGES[part](entry, str(tmp_path / "intruder")))
    now.time += timedelta(days=91)
    found = await manager.look()
    assert "generated:whole" in {item.path for item in found.due}
    assert "generated:a" not in {item.path for item in found.due}
    ((address, text),) = found.failed
    assert (address, "secret a was changed" in text) == ("generated:a", True)
    assert metric(manager.metrics.registry, "citadel_secrets_unknown_age") == 1
    (listed,) = await manager.list("a", actor="ann")
    assert "secret a was changed" in listed.rule.problem


async def test_a_write_of_another_secret_leaves_what_was_changed_evident(
    manager: SecretManager, sealed: SealedFile, tmp_path: Path
) -> None:
    changed(sealed, lambda entry: CHANGES["hook"](entry, str(tmp_path / "intruder")))
    await manager.set("whole", Secret("new"), actor="ann")
    assert (await manager.get("whole", actor="ann")).reveal() == "new"
    with pytest.raises(TamperedError, match="secret a was changed"):
        await manager.get("a", actor="ann")


async def test_with_the_key_ring_lost_nothing_counts_as_looked_at(
    manager: SecretManager, sealed: SealedFile
) -> None:
    sealed.store.ring.file.unlink()
    found = await manager.look()
    assert [address for address, _ in found.failed] == ["generated:a", "generated:whole"]
    assert all("has no key k" in text for _, text in found.failed)


async def test_who_has_no_key_ring_counts_ages_all_the_same(
    manager: SecretManager, sealed: SealedFile, now: Now
) -> None:
    sealed.store.ring.file.unlink()
    now.time += timedelta(days=91)
    watch = AgeWatch(sealed.store.file.parent, CollectorRegistry(), clock=now)
    assert {item.path for item in (await watch.look()).due} == {"generated:a", "generated:whole"}
