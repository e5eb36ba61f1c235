"""What is due, by which rule, and how it gets a new value (CX-03)."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.configuration.secrets.conftest import (
    NOON,
    Make,
    Now,
    Remote,
    full_disk,
    outcomes,
)

from hxp_enterprise_llm.configuration.audit import AuditError, AuditLog
from hxp_enterprise_llm.configuration.secrets.backends.base import SecretInfo
from hxp_enterprise_llm.configuration.secrets.backends.memory import Memory
from hxp_enterprise_llm.configuration.secrets.backends.process import Credentials, Files, Variables
from hxp_enterprise_llm.configuration.secrets.backends.sealed import SealedFile
from hxp_enterprise_llm.configuration.secrets.errors import (
    BackendAwayError,
    SecretError,
    SecretNotFoundError,
    SecretRefusedError,
)
from hxp_enterprise_llm.configuration.secrets.hooks import checked, command_hook
from hxp_enterprise_llm.configuration.secrets.keyring import ROTATE_EVERY
from hxp_enterprise_llm.configuration.secrets.metrics import ages_text
from hxp_enterprise_llm.configuration.secrets.policy import SecretPolicy
from hxp_enterprise_llm.configuration.secrets.rotation import Ages, Kind, keep_counted
from hxp_enterprise_llm.configuration.secrets.rules import (
    MadeBy,
    RotationRule,
    labelled,
    read_rule,
)
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.testing.matchers import metric

GENERATED = RotationRule(MadeBy.GENERATED)
CANARY = "canary-hook-7d1"
Program = Callable[[str], str]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Write a hook, and return its path."""

    def write(script: str) -> str:
        file = tmp_path / "hook"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o700)
        return str(file)

    return write


@pytest.mark.feature("CX-03")
async def test_secrets_are_due_after_90_days_and_a_rotation_ends_that(make: Make, now: Now) -> None:
    assert timedelta(days=90) == ROTATE_EVERY
    manager = make()
    await manager.set("gateway/key", Secret("k"), actor="ann")
    await manager.set_rule("gateway/key", GENERATED, actor="ann")
    now.time += timedelta(days=89, hours=23)
    await manager.set("young", Secret("y"), actor="ann")
    assert await manager.due() == ()
    now.time += timedelta(hours=2)
    (due,) = await manager.due()
    assert (due.path, due.over) == ("memory:gateway/key", timedelta(hours=1))
    assert metric(manager.metrics.registry, "citadel_secrets_due") == 1
    oldest = metric(manager.metrics.registry, "citadel_secret_oldest_age_seconds")
    assert oldest == timedelta(days=90, hours=1).total_seconds()
    info = await manager.rotate(due.path, actor="rotation")
    assert info.version == 2
    value = (await manager.get("gateway/key", actor="ann")).reveal()
    assert value != "k"
    assert value.startswith("ck_")
    assert await manager.due() == ()
    assert metric(manager.metrics.registry, "citadel_secrets_due") == 0
    assert metric(manager.metrics.registry, "citadel_secret_rotations_total") == 1


@pytest.mark.feature("CX-03")
async def test_a_time_in_the_future_gives_no_age_and_is_told(
    make: Make, sealed: SealedFile, now: Now
) -> None:
    manager = make(sealed)
    now.time += timedelta(days=3650)
    await manager.set("a", Secret("1"), actor="ann")
    now.time = NOON
    found = await manager.look()
    assert found.ahead == ("generated:a",)
    # Of the key it is enough to make a new one.
    assert [item.kind for item in found.due] == [Kind.KEY]
    assert metric(manager.metrics.registry, "citadel_secrets_unknown_age") == 1
    await manager.set("a", Secret("2"), actor="ann")
    found = await manager.look()
    assert (found.ahead, found.due) == ((), ())
    assert sealed.store.ring.entries()[-1].made_at == NOON


async def test_clocks_that_differ_by_little_make_nothing_due(make: Make, now: Now) -> None:
    manager = make()
    await manager.set("a", Secret("1"), actor="ann")
    now.time -= timedelta(minutes=5)
    found = await manager.look()
    assert (found.due, found.ahead, found.unknown) == ((), (), ())


async def test_the_most_overdue_comes_first(make: Make, now: Now) -> None:
    backend = Memory(clock=now)
    for name, days in (("b", 91), ("a", 95), ("c", 100)):
        await backend.set(name, Secret("1"), made_at=NOON - timedelta(days=days))
    due = await make(backend).due()
    assert [item.path for item in due] == ["memory:c", "memory:a", "memory:b"]


async def test_a_secret_that_is_not_there_is_not_rotated_into_being(make: Make) -> None:
    manager = make()
    with pytest.raises(SecretNotFoundError):
        await manager.rotate("a", actor="ann")
    assert await manager.list(actor="ann") == ()


async def test_the_metric_of_what_is_due_is_kept_fresh_through_faults() -> None:
    told: list[str] = []
    looks = 0

    async def look() -> Ages:
        nonlocal looks
        looks += 1
        raise SecretError("broken") if looks < 3 else PermissionError("closed")

    async def sleep(seconds: float) -> None:
        assert seconds == 3600
        if looks == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await keep_counted(
            look,
            told=lambda error: told.append(type(error).__name__),
            sleep=sleep,
        )
    assert told == ["SecretError", "SecretError", "PermissionError"]


@pytest.mark.feature("CX-03")
async def test_the_90_days_are_a_policy_and_a_secret_may_have_a_rule_of_its_own(
    make: Make, now: Now
) -> None:
    for policy, after in ((None, 90), (SecretPolicy(rotate_every=timedelta(days=30)), 30)):
        now.time = NOON
        manager = make(policy=policy)
        for name, days in (("usual", None), ("soon", 7), ("late", 365)):
            await manager.set(name, Secret("1"), actor="ann")
            await manager.set_rule(name, RotationRule(every_days=days), actor="ann")
        due = {}
        for days in (6, 7, after - 1, after, 364, 365):
            now.time = NOON + timedelta(days=days)
            due[days] = {item.path.partition(":")[2] for item in await manager.due()}
        assert due == {
            6: set(),
            7: {"soon"},
            after - 1: {"soon"},
            after: {"soon", "usual"},
            364: {"soon", "usual"},
            365: {"soon", "usual", "late"},
        }


async def test_a_new_value_keeps_the_rule_of_its_secret(make: Make, sealed: SealedFile) -> None:
    for backend in (Memory(), sealed):
        manager = make(backend)
        await manager.set("a", Secret("1"), actor="ann")
        info = await manager.set_rule("a", RotationRule(MadeBy.GENERATED, 30), actor="ann")
        assert (info.version, info.rule) == (1, RotationRule(MadeBy.GENERATED, 30))
        assert (await manager.get("a", actor="ann")).reveal() == "1"
        assert (await manager.rotate("a", actor="ann")).rule == info.rule
        given = await manager.set("a", Secret("2"), actor="ann")
        assert given.rule == RotationRule(MadeBy.GIVEN, 30)


@pytest.mark.feature("CX-03")
async def test_a_key_of_90_days_is_due_and_counted_like_a_secret(
    make: Make, sealed: SealedFile, now: Now
) -> None:
    manager = make(sealed)
    await sealed.set("a", Secret("1"))
    now.time += timedelta(days=89)
    await sealed.set("a", Secret("2"))
    assert await manager.due() == ()
    now.time += timedelta(days=1)
    (due,) = await manager.due()
    (key,) = sealed.store.ring.entries()
    assert (due.kind, due.path) == (Kind.KEY, f"secrets.key#{key.key_id}")
    assert metric(manager.metrics.registry, "citadel_secrets_due") == 1
    # The next write brings a new key, by itself.
    await sealed.set("b", Secret("3"))
    assert await manager.due() == ()


@pytest.mark.feature("CX-03")
async def test_the_due_list_holds_what_an_environment_refers_to_in_other_backends(
    make: Make, now: Now, tmp_path: Path
) -> None:
    vault, cluster = Remote("vault", clock=now), Remote("kubernetes", clock=now)
    (tmp_path / "token").write_text("t")
    (tmp_path / "token").chmod(0o600)
    os.utime(tmp_path / "token", (0, (now.time + timedelta(days=90)).timestamp()))
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "key").write_text("k")
    (folder / "key").chmod(0o400)
    manager = make(
        Memory(clock=now),
        vault,
        cluster,
        Variables({"TOKEN": "t"}),
        Files(tmp_path),
        Credentials(folder),
    )
    await vault.set("kv/app#token", Secret("1"))
    await vault.set("kv/other#token", Secret("1"))
    await cluster.set("ns/app#token", Secret("1"))
    now.time += timedelta(days=100)
    named = ("vault:kv/app#token", "kubernetes:ns/app#token", "file:token", "env:TOKEN")
    found = await manager.look((*named, "credential:key", "vault:kv/none#x", "aws:x", *named))
    # The file was written ten days before.
    assert [item.path for item in found.due] == ["kubernetes:ns/app#token", "vault:kv/app#token"]
    assert found.unknown == ("env:TOKEN", "credential:key")
    assert [address for address, _ in found.failed] == ["vault:kv/none#x", "aws:x"]
    assert metric(manager.metrics.registry, "citadel_secrets_due") == 2
    assert metric(manager.metrics.registry, "citadel_secrets_unknown_age") == 4
    looked_at = metric(manager.metrics.registry, "citadel_secrets_looked_at_timestamp_seconds")
    assert looked_at == now.time.timestamp()
    assert await manager.due() == ()
    below = await manager.due(["vault:kv/"])
    assert [item.path for item in below] == ["vault:kv/app#token", "vault:kv/other#token"]


async def test_what_is_away_hides_nothing_of_the_rest(make: Make, now: Now) -> None:
    class Away(Remote):
        async def info(self, path: str) -> SecretInfo:
            raise BackendAwayError(f"no answer for {path}")

    manager = make(Memory(clock=now), Away("vault", clock=now))
    await manager.set("a", Secret("1"), actor="ann")
    now.time += timedelta(days=90)
    found = await manager.look(["vault:kv/app#token"])
    assert [item.path for item in found.due] == ["memory:a"]
    assert found.failed == (("vault:kv/app#token", "no answer for kv/app#token"),)


@pytest.mark.feature("CX-03")
def test_ages_are_told_in_the_text_format_of_prometheus() -> None:
    found = Ages(oldest=timedelta(days=2), unknown=("env:A",), failed=(("vault:a", "away"),))
    lines = ages_text(found, NOON, "local").splitlines()
    series = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert {name: float(value) for name, value in series.items()} == {
        'citadel_secrets_due{environment="local"}': 0,
        'citadel_secret_oldest_age_seconds{environment="local"}': 172800,
        'citadel_secrets_unknown_age{environment="local"}': 2,
        'citadel_secrets_looked_at_timestamp_seconds{environment="local"}': NOON.timestamp(),
    }


@pytest.mark.feature("CX-03")
async def test_a_value_that_somebody_gave_is_not_replaced_by_a_random_one(make: Make) -> None:
    manager = make()
    await manager.set("smtp/password", Secret("theirs"), actor="ann")
    with pytest.raises(SecretRefusedError, match="was given by somebody") as caught:
        await manager.rotate("smtp/password", actor="ann")
    assert "citadel secrets set" in caught.value.next_step
    assert (await manager.get("smtp/password", actor="ann")).reveal() == "theirs"
    given = await manager.rotate("smtp/password", actor="ann", value=Secret("new"))
    assert given.rule.made_by is MadeBy.GIVEN
    assert not given.rule.automatic


@pytest.mark.feature("CX-03", "CX-05")
async def test_a_hook_renews_what_others_hold_and_both_steps_stand_in_the_audit_log(
    make: Make, log: Path, program: Program
) -> None:
    manager = make(hook=command_hook("local"))
    hook = program('read fresh; echo "$CITADEL_ENVIRONMENT $CITADEL_SECRET ${#fresh}"')
    await manager.set("smtp/password", Secret("old"), actor="ann")
    await manager.set_rule("smtp/password", RotationRule(MadeBy.GIVEN, hook=hook), actor="ann")
    info = await manager.rotate("smtp/password", actor="rotation")
    assert (await manager.get("smtp/password", actor="ann")).reveal() == "local smtp/password 43"
    assert info.rule.hook == hook
    assert outcomes(log)[2:4] == [
        ("secret.rotate", "memory:smtp/password", "begun"),
        ("secret.rotate", "memory:smtp/password", "ok"),
    ]
    # A hook that prints nothing took the value that it was given.
    program("cat > " + str(log.with_name("taken")))
    await manager.rotate("smtp/password", actor="rotation")
    taken = log.with_name("taken").read_text()
    assert (await manager.get("smtp/password", actor="ann")).reveal() == taken


@pytest.mark.feature("CX-03")
@pytest.mark.parametrize(
    ("script", "message"),
    [
        (f"echo {CANARY}; echo {CANARY} >&2; exit 3", "ended with 3"),
        (f"echo {CANARY}; exec sleep 60", "did not end within 0.3 s"),
        ("printf '\\377'", "cannot be run: UnicodeDecodeError"),
    ],
)
async def test_a_hook_that_fails_changes_nothing_and_shows_nothing_that_it_printed(
    make: Make, log: Path, program: Program, script: str, message: str
) -> None:
    manager = make(hook=command_hook("local", timeout=0.3))
    await manager.set("a", Secret("old"), actor="ann")
    await manager.set_rule("a", RotationRule(hook=program(script)), actor="ann")
    with pytest.raises(SecretError, match=message) as caught:
        await manager.rotate("a", actor="ann")
    trace = "".join(traceback.format_exception(caught.value))
    assert CANARY not in repr(caught.value) + str(vars(caught.value)) + trace
    assert CANARY not in str(list(AuditLog(log).records()))
    assert (await manager.get("a", actor="ann")).reveal() == "old"
    assert ("secret.rotate", "memory:a", "failed") in outcomes(log)


async def test_a_hook_does_not_begin_what_cannot_be_recorded(
    make: Make, log: Path, program: Program, tmp_path: Path
) -> None:
    manager = make(hook=command_hook("local"))
    await manager.set("a", Secret("old"), actor="ann")
    hook = program(f"touch {tmp_path}/ran")
    await manager.set_rule("a", RotationRule(hook=hook), actor="ann")
    with full_disk(log), pytest.raises(AuditError):
        await manager.rotate("a", actor="ann")
    assert not (tmp_path / "ran").exists()


def test_a_hook_that_others_can_write_or_nobody_can_run_is_refused(
    program: Program, tmp_path: Path
) -> None:
    hook = Path(program("true"))
    hook.chmod(0o722)
    with pytest.raises(SecretRefusedError, match="can be written by others"):
        checked(hook)
    hook.chmod(0o600)
    for path in (hook, tmp_path, tmp_path / "none"):
        with pytest.raises(SecretRefusedError, match="is no program"):
            checked(path)
    hook.chmod(0o700)
    assert checked(hook) == str(hook)


async def test_a_manager_without_hooks_rotates_nothing_that_has_one(make: Make) -> None:
    manager = make()
    await manager.set("a", Secret("old"), actor="ann")
    await manager.set_rule("a", RotationRule(hook="/bin/true"), actor="ann")
    with pytest.raises(SecretRefusedError, match="is renewed by a hook"):
        await manager.rotate("a", actor="ann")


@pytest.mark.parametrize("days", ["0", "-1", "x", "1.5", "99999", "1" * 5000, "٣"])
async def test_a_label_that_is_no_number_of_days_is_said_and_keeps_nobody_from_the_rest(
    make: Make, days: str
) -> None:
    class Labelled(Remote):
        async def info(self, path: str) -> SecretInfo:
            return SecretInfo(path, made_at=NOON, rule=labelled(days))

    manager = make(Labelled("vault"))
    await manager.set("a", Secret("1"), actor="ann")
    assert (await manager.info("a", actor="ann")).path == "a"
    ((address, text),) = (await manager.look(["vault:a"])).failed
    assert (address, "is no number from 1 to 3650" in text) == ("vault:a", True)


def test_a_label_is_a_number_of_days_or_nothing() -> None:
    assert labelled("30") == RotationRule(every_days=30)
    assert labelled("") == labelled(None) == RotationRule()


@pytest.mark.parametrize(
    "change",
    [{"made_by": "x"}, {"every_days": 0}, {"every_days": True}, {"every_days": "3"}, {"hook": 1}],
)
def test_a_rule_of_another_form_is_refused(change: dict[str, object]) -> None:
    rule = RotationRule(MadeBy.GIVEN, 30, "/bin/hook")
    assert read_rule(rule.document()) == rule
    with pytest.raises(ValueError, match=r"made_by|every_days|hook|MadeBy"):
        read_rule({**rule.document(), **change})
    with pytest.raises(ValueError, match="no map"):
        read_rule([])
