"""A hook changes a provider only when its new value is kept already, and one at a time (CX-03)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest
from tests.unit.configuration.secrets.conftest import Make, full_disk

from hxp_enterprise_llm.configuration.secrets.backends.sealed import SealedFile
from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretError,
    SecretFileError,
    SecretRefusedError,
    TamperedError,
    UnknownKeyError,
)
from hxp_enterprise_llm.configuration.secrets.rekey import rekey
from hxp_enterprise_llm.configuration.secrets.rules import MadeBy, RotationRule
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.store import SealedStore

pytestmark = pytest.mark.feature("CX-03")
RULE = RotationRule(MadeBy.GIVEN, 30, "/bin/hook")


class Provider:
    """What holds the other end of a secret; its hook can fail after it has taken a value."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.fails = False

    def __call__(self, _program: str, _path: str, fresh: Secret) -> Secret:
        self.taken.append(fresh.reveal())
        if self.fails:
            raise SecretError("the answer was lost")
        return fresh


@pytest.fixture
async def hooked(sealed: SealedFile) -> SealedFile:
    await sealed.set("a", Secret("old"))
    await sealed.set_rule("a", RULE)
    return sealed


async def test_a_value_that_the_provider_may_have_is_kept_until_a_hook_ends_well(
    make: Make, hooked: SealedFile
) -> None:
    provider = Provider()
    manager = make(hooked, hook=provider)
    provider.fails = True
    with pytest.raises(SecretError, match="the answer was lost"):
        await manager.rotate("a", actor="ann")
    assert (await manager.get("a", actor="ann")).reveal() == "old"
    assert (await manager.info("a", actor="ann")).pending
    assert provider.taken[0] not in hooked.store.file.read_text()
    # Other writes, a new rule and a new key leave it as it is.
    await manager.set("b", Secret("1"), actor="ann")
    await manager.set_rule("a", RotationRule(MadeBy.GIVEN, 7, "/bin/hook"), actor="ann")
    rekey(hooked.store.file.parents[1])
    provider.fails = False
    info = await manager.rotate("a", actor="ann")
    assert provider.taken == [provider.taken[0]] * 2
    assert (await manager.get("a", actor="ann")).reveal() == provider.taken[0]
    assert (info.version, info.pending, info.rule.every_days) == (2, False, 7)
    await manager.rotate("a", actor="ann")
    assert provider.taken[2] != provider.taken[0]


async def test_a_value_that_somebody_sets_ends_a_renewal_that_did_not(
    make: Make, hooked: SealedFile
) -> None:
    provider = Provider()
    provider.fails = True
    manager = make(hooked, hook=provider)
    with pytest.raises(SecretError, match="answer"):
        await manager.rotate("a", actor="ann")
    assert not (await manager.set("a", Secret("given"), actor="ann")).pending


KILLED = """
import os, sys
from pathlib import Path
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.store import SealedStore

def work(rule, offered):
    Path(sys.argv[2]).write_text(offered.reveal())
    os.kill(os.getpid(), 9)

SealedStore(Path(sys.argv[1])).renew("a", Secret("the new one"), work)
"""


async def test_a_kill_between_the_provider_and_the_write_loses_nothing(
    make: Make, hooked: SealedFile, tmp_path: Path
) -> None:
    provider, found = tmp_path / "provider", Provider()
    words = [sys.executable, "-c", KILLED, str(hooked.store.file.parent), str(provider)]
    killed = await asyncio.to_thread(subprocess.run, words, check=False)
    assert killed.returncode == -9
    assert provider.read_text() == "the new one"
    await make(hooked, hook=found).rotate("a", actor="ann")
    assert found.taken == ["the new one"]
    assert SealedStore(hooked.store.file.parent).get("a").reveal() == "the new one"


@pytest.mark.parametrize("fault", ["open ring", "lost ring", "no lock", "full disk"])
async def test_a_hook_does_not_begin_when_its_value_could_not_be_written(
    make: Make, hooked: SealedFile, fault: str
) -> None:
    provider, store = Provider(), hooked.store
    if fault == "open ring":
        store.ring.file.chmod(0o644)
    elif fault == "lost ring":
        store.ring.file.unlink()
    elif fault == "no lock":
        lock = store.file.parents[1] / "secrets.lock"
        lock.unlink()
        lock.mkdir()
    full = full_disk(store.file) if fault == "full disk" else nullcontext()
    with full, pytest.raises((SecretFileError, SecretRefusedError, UnknownKeyError)):
        await make(hooked, hook=provider).rotate("a", actor="ann")
    assert provider.taken == []


async def test_a_value_that_cannot_be_kept_after_its_hook_is_offered_again(
    make: Make, hooked: SealedFile
) -> None:
    provider, lock = Provider(), hooked.store.file.parents[1] / "secrets.lock"

    def spoiling(program: str, path: str, fresh: Secret) -> Secret:
        lock.unlink()
        lock.mkdir()
        return provider(program, path, fresh)

    with pytest.raises(SecretError, match=r"ended well, and .* cannot be locked") as caught:
        await make(hooked, hook=spoiling).rotate("a", actor="ann")
    assert "rotate it again" in caught.value.next_step
    lock.rmdir()
    await make(hooked, hook=provider).rotate("a", actor="ann")
    assert len(set(provider.taken)) == 1
    assert SealedStore(hooked.store.file.parent).get("a").reveal() == provider.taken[0]


async def test_two_rotations_at_once_come_one_after_the_other(
    make: Make, hooked: SealedFile
) -> None:
    taken: list[str] = []
    running, both = threading.Semaphore(1), threading.Event()

    def hook(_program: str, _path: str, fresh: Secret) -> Secret:
        if not running.acquire(blocking=False):
            both.set()
            raise AssertionError("two hooks of one secret ran at once")
        taken.append(fresh.reveal())
        both.wait(0.2)
        running.release()
        return fresh

    # Each has a store of its own, as two processes have.
    others = [SealedFile(SealedStore(hooked.store.file.parent)) for _ in range(2)]
    async with asyncio.TaskGroup() as group:
        for backend in others:
            group.create_task(make(backend, hook=hook).rotate("a", actor="ann"))
    assert len(set(taken)) == 2
    assert SealedStore(hooked.store.file.parent).get("a").reveal() == taken[-1]


async def test_a_value_set_during_a_rotation_comes_after_it(make: Make, hooked: SealedFile) -> None:
    begun, folder = threading.Event(), hooked.store.file.parent
    waited: list[bool] = []

    def hook(_program: str, _path: str, fresh: Secret) -> Secret:
        begun.set()
        waited.append(not done.wait(0.2))
        return fresh

    done = threading.Event()

    def write() -> None:
        begun.wait()
        SealedStore(folder).set("a", Secret("given meanwhile"))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    await make(hooked, hook=hook).rotate("a", actor="ann")
    writer.join()
    assert waited == [True]
    assert SealedStore(folder).get("a").reveal() == "given meanwhile"


@pytest.mark.feature("CX-04")
async def test_a_pending_value_that_was_changed_is_refused_before_the_hook(
    make: Make, hooked: SealedFile
) -> None:
    provider = Provider()
    manager = make(hooked, hook=provider)
    document = json.loads(hooked.store.file.read_text())
    # An envelope of the value itself is none of a pending value.
    document["entries"]["a"]["pending"] = document["entries"]["a"]["envelope"]
    hooked.store.file.write_text(json.dumps(document))
    with pytest.raises(TamperedError, match="secret a was changed"):
        await manager.rotate("a", actor="ann")
    assert provider.taken == []
