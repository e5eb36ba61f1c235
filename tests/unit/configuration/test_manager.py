"""Reloads take all or nothing; readers see one whole configuration."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from tests.unit.configuration.sample import Sample, events

from hxp_enterprise_llm.configuration.diff import Change
from hxp_enterprise_llm.configuration.manager import ConfigurationManager, ManagerSettings
from hxp_enterprise_llm.configuration.phases import (
    ApprovalError,
    NotLoadedError,
    Outcome,
    Phase,
    ReloadError,
    StaleError,
)
from hxp_enterprise_llm.configuration.pipeline import Draft
from hxp_enterprise_llm.configuration.secrets import Secret
from hxp_enterprise_llm.configuration.snapshot import Snapshot, revision_of
from hxp_enterprise_llm.configuration.sources.base import Layer
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.core.exceptions import CitadelError, RefusedError
from hxp_enterprise_llm.core.reload import Prepared
from hxp_enterprise_llm.schemas.effect import Effect

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass
class Part:
    """A service that takes configurations in two phases, and says what was asked of it."""

    refuses: int | None = None
    fails_at: int | None = None
    calls: list[str] = field(default_factory=list)
    live: Sample | None = None

    async def prepare(self, config: Sample) -> Prepared[Sample]:
        self.calls.append(f"prepare {config.level}")
        if config.level == self.refuses:
            raise RefusedError("this port is taken", next_step="Take another.")
        return Prepared(config, f"built {config.level}")

    def commit(self, prepared: Prepared[Sample]) -> None:
        if prepared.config.level == self.fails_at:
            raise CitadelError("broken")
        self.calls.append(f"commit {prepared.config.level}")
        self.live = prepared.config

    async def abandon(self, prepared: Prepared[Sample]) -> None:
        self.calls.append(f"abandon {prepared.config.level}")


@dataclass
class Stored:
    document: Mapping[str, Any]
    actor: str = ""
    reason: str = ""
    approver: str | None = None
    holds: str = ""
    number: int = 0


@dataclass
class Memory:
    """A store of revisions; may be away."""

    revisions: list[Stored] = field(default_factory=list)
    away: bool = False

    async def latest(self) -> Stored | None:
        if self.away:
            raise ConnectionRefusedError
        return self.revisions[-1] if self.revisions else None

    async def get(self, number: int) -> Stored:
        if self.away:
            raise ConnectionRefusedError
        return self.revisions[number - 1]

    async def append(
        self,
        document: Mapping[str, Any],
        *,
        actor: str,
        reason: str,
        approver: str | None,
        holds: str,
    ) -> None:
        if self.away:
            raise ConnectionRefusedError
        number = len(self.revisions) + 1
        self.revisions.append(Stored(document, actor, reason, approver, holds, number))


@pytest.fixture
def source() -> MemorySource:
    return MemorySource("overrides", {"level": 1}, actor="ann", revision="1")


def managed(source: MemorySource, **arguments: Any) -> ConfigurationManager[Sample]:
    return ConfigurationManager(Sample, [source], now=lambda: NOW, **arguments)


async def changed(
    manager: ConfigurationManager[Sample], source: MemorySource, **data: Any
) -> Outcome:
    source.update(data)
    return (await manager.reload(reason="a test", actor="ann")).outcome


async def refused(
    manager: ConfigurationManager[Sample], source: MemorySource, **data: Any
) -> ReloadError:
    with pytest.raises(ReloadError) as caught:
        await changed(manager, source, **data)
    return caught.value


def sample_of(metrics: bytes, line: str) -> bool:
    return line in metrics.decode()


@pytest.mark.feature("CL-05")
async def test_nothing_is_read_before_it_is_used(source: MemorySource) -> None:
    reads = []

    class Counting(MemorySource):
        async def read(self) -> Layer:
            reads.append(1)
            return await super().read()

    manager = ConfigurationManager(Sample, [Counting("lazy", {"level": 4})])
    assert reads == []
    with pytest.raises(NotLoadedError, match=r"not loaded yet\n  Await load"):
        _ = manager.snapshot
    assert not hasattr(manager, "snapshot")
    assert not hasattr(manager, "anything")
    assert await manager.get("level") == 4
    await manager.load()
    await manager.load()
    assert reads == [1]


async def test_a_snapshot_says_what_who_when_and_why(source: MemorySource) -> None:
    manager = managed(source)
    await manager.load()
    source.update({"level": 2})
    await manager.reload(reason="more work", actor="ann", approver="bob")
    snapshot = manager.snapshot
    assert snapshot.config.level == 2
    assert (snapshot.actor, snapshot.reason, snapshot.approver) == ("ann", "more work", "bob")
    assert (snapshot.number, snapshot.made_at) == (2, NOW)
    assert snapshot.revision == revision_of(snapshot.document)
    assert len(snapshot.revision) == 64


async def test_a_snapshot_cannot_be_changed(source: MemorySource) -> None:
    snapshot = await managed(source).load()
    with pytest.raises(FrozenInstanceError):
        snapshot.number = 5  # type: ignore[misc]
    with pytest.raises(ValidationError):
        snapshot.config.level = 5
    with pytest.raises(TypeError):
        snapshot.origins[("level",)] = None  # type: ignore[index]
    snapshot.document["level"] = 5
    assert snapshot.document["level"] == 1


async def test_equal_configurations_have_equal_revisions() -> None:
    one = await managed(MemorySource("a", {"level": 2, "debug": True})).load()
    other = await managed(MemorySource("b", {"debug": True, "level": 2, "version": None})).load()
    assert one.revision == other.revision


async def test_work_keeps_the_snapshot_that_it_began_with(source: MemorySource) -> None:
    manager = managed(source)
    began_with = await manager.load()
    await changed(manager, source, level=2)
    assert (began_with.config.level, manager.snapshot.config.level) == (1, 2)


async def test_reading_a_snapshot_costs_one_attribute(source: MemorySource) -> None:
    manager = managed(source)
    await manager.load()
    assert "snapshot" in vars(manager)


@pytest.mark.feature("CH-02")
async def test_subscribers_are_told_of_old_and_new_at_the_same_time(source: MemorySource) -> None:
    manager = managed(source)
    told: list[tuple[str, int, int]] = []
    together = asyncio.Barrier(2)

    async def waiting(old: Snapshot[Sample], new: Snapshot[Sample]) -> None:
        await together.wait()
        told.append(("waiting", old.config.level, new.config.level))

    def plain(old: Snapshot[Sample], new: Snapshot[Sample]) -> None:
        told.append(("plain", old.config.level, new.config.level))

    manager.subscribe(waiting)
    manager.subscribe(waiting)
    stop = manager.subscribe(plain)
    await manager.load()
    assert told == []
    await changed(manager, source, level=2)
    assert sorted(told) == [("plain", 1, 2), ("waiting", 1, 2), ("waiting", 1, 2)]
    stop()
    await changed(manager, source, level=3)
    assert [name for name, *_ in told[3:]] == ["waiting", "waiting"]


async def test_a_subscriber_that_fails_or_hangs_hinders_nobody(source: MemorySource) -> None:
    manager = managed(source, settings=ManagerSettings(timeout=0.05))
    told = []

    def failing(old: Snapshot[Sample], new: Snapshot[Sample]) -> None:
        raise ValueError("secret words")

    async def hanging(old: Snapshot[Sample], new: Snapshot[Sample]) -> None:
        await asyncio.Event().wait()

    manager.subscribe(failing)
    manager.subscribe(hanging)
    manager.subscribe(lambda old, new: told.append(new.config.level))
    await manager.load()
    assert await changed(manager, source, level=2) is Outcome.APPLIED
    assert told == [2]
    assert sample_of(
        manager.metrics.expose(),
        'citadel_configuration_subscriber_errors_total{name="configuration"} 2.0',
    )


async def test_what_did_not_change_tells_nobody(source: MemorySource) -> None:
    manager = managed(source)
    told = []
    manager.subscribe(lambda old, new: told.append(new))
    before = await manager.load()
    assert await changed(manager, source, level=1, debug=False) is Outcome.UNCHANGED
    assert told == []
    assert manager.snapshot.revision == before.revision
    assert manager.snapshot.config is before.config
    assert ("debug",) in manager.snapshot.origins


@pytest.mark.feature("CH-03")
async def test_changes_are_tracked_with_their_effect(source: MemorySource) -> None:
    manager = managed(source)
    await manager.load()
    source.update({"level": 2, "version": "2"})
    reload = await manager.reload(reason="a test", actor="ann")
    assert reload.changes == (
        Change(("level",), 1, 2, Effect.LIVE),
        Change(("version",), None, "2", Effect.DRAIN),
    )
    assert reload.old is not None
    assert (reload.old.config.level, reload.new.config.level) == (1, 2)


@pytest.mark.feature("CH-03", "CV-01")
async def test_an_invalid_change_is_refused_and_the_old_serves(source: MemorySource) -> None:
    manager = managed(source)
    before = await manager.load()
    error = await refused(manager, source, level=-1, store={"prot": 1})
    assert manager.snapshot is before
    assert error.phase is Phase.VALIDATE
    assert "overrides  level" in str(error)
    assert "Did you mean port?" in str(error)
    assert str(error).endswith("The old configuration serves on.")
    health = manager.health()
    assert (health.ok, health.revision, health.number) == (False, before.revision, 1)
    assert health.failure is not None
    assert (health.failure.phase, health.failure.at) == (Phase.VALIDATE, NOW)
    with pytest.raises(StaleError, match="phase validate"):
        await manager.check()
    assert await changed(manager, source, level=5) is Outcome.APPLIED
    assert manager.health().ok
    assert await manager.check() == f"revision {manager.snapshot.revision[:12]}"


async def test_a_refused_reload_is_a_metric_and_an_event(
    source: MemorySource, caplog: pytest.LogCaptureFixture
) -> None:
    manager = managed(source, name="sample")
    await manager.load()
    for _ in range(3):
        await refused(manager, source, level=-1)
    exposed = manager.metrics.expose()
    for line in (
        'citadel_configuration_reload_failures_total{name="sample",phase="validate"} 3.0',
        'citadel_configuration_reloads_total{name="sample",outcome="failed"} 3.0',
        'citadel_configuration_newest_serves{name="sample"} 0.0',
        f'citadel_configuration_info{{name="sample",revision="{manager.snapshot.revision}"}} 1.0',
    ):
        assert sample_of(exposed, line)
    refusals = [item for item in events(caplog) if item["event"] == "configuration.refused"]
    assert len(refusals) == 1
    assert (refusals[0]["phase"], refusals[0]["code"]) == ("validate", "configuration.document")


async def test_applied_reloads_are_counted_and_timed(source: MemorySource) -> None:
    manager = managed(source)
    first = await manager.load()
    await changed(manager, source, level=2)
    exposed = manager.metrics.expose()
    for line in (
        'citadel_configuration_reloads_total{name="configuration",outcome="applied"} 2.0',
        'citadel_configuration_reload_seconds_count{name="configuration"} 2.0',
        'citadel_configuration_snapshot{name="configuration"} 2.0',
        'citadel_configuration_newest_serves{name="configuration"} 1.0',
    ):
        assert sample_of(exposed, line)
    assert not sample_of(exposed, first.revision)


async def test_a_part_builds_before_the_swap_and_commits_at_it(source: MemorySource) -> None:
    part = Part()
    manager = managed(source, parts=[part])
    await manager.load()
    await changed(manager, source, level=2)
    assert part.calls == ["prepare 1", "commit 1", "prepare 2", "commit 2"]
    assert part.live == manager.snapshot.config


async def test_what_one_part_refuses_no_part_gets(source: MemorySource) -> None:
    first, second, third = Part(), Part(refuses=2), Part()
    manager = managed(source, parts=[first, second])
    detach = manager.attach(third)
    before = await manager.load()
    error = await refused(manager, source, level=2)
    assert (error.phase, manager.snapshot) == (Phase.BUILD, before)
    assert "this port is taken\n  Take another. The old configuration serves on." in str(error)
    assert first.calls[2:] == ["prepare 2", "abandon 2"]
    assert third.calls[2:] == []
    detach()
    await changed(manager, source, level=3)
    assert third.calls == ["prepare 1", "commit 1"]


@pytest.mark.parametrize("answer", [False, CitadelError("no answer from the new engine")])
async def test_a_probe_that_fails_before_the_swap_changes_nothing(
    source: MemorySource, answer: bool | Exception
) -> None:
    async def probe(new: Snapshot[Sample]) -> bool:
        if new.config.level == 2 and isinstance(answer, Exception):
            raise answer
        return new.config.level != 2

    part, told = Part(), []
    manager = managed(source, parts=[part], probe=probe)
    manager.subscribe(lambda old, new: told.append(new))
    before = await manager.load()
    error = await refused(manager, source, level=2)
    assert (error.phase, manager.snapshot, told) == (Phase.PROBE, before, [])
    assert part.calls[2:] == ["prepare 2", "abandon 2"]


@pytest.mark.feature("CH-03")
async def test_a_probe_that_fails_after_the_swap_rolls_back_by_itself(
    source: MemorySource, caplog: pytest.LogCaptureFixture
) -> None:
    async def verify(new: Snapshot[Sample]) -> bool:
        return new.config.level != 2

    part, store, told = Part(), Memory(), []
    manager = managed(source, parts=[part], verify=verify, store=store)
    manager.subscribe(lambda old, new: told.append((old.config.level, new.config.level)))
    before = await manager.load()
    error = await refused(manager, source, level=2)
    assert error.phase is Phase.VERIFY
    assert told == [(1, 2), (2, 1)]
    assert manager.snapshot.revision == before.revision
    assert part.live == before.config
    assert manager.snapshot.number == 3
    assert manager.snapshot.actor == "citadel"
    assert manager.snapshot.reason.startswith("automatic rollback of ")
    assert [item.document["level"] for item in store.revisions] == [1, 2, 1]
    assert not manager.health().ok
    assert "configuration.rolled-back" in [item["event"] for item in events(caplog)]
    assert sample_of(
        manager.metrics.expose(),
        'citadel_configuration_reloads_total{name="configuration",outcome="rolled-back"} 1.0',
    )


async def test_what_was_rolled_back_comes_again_only_when_somebody_asks(
    source: MemorySource,
) -> None:
    bad = {2}

    async def verify(new: Snapshot[Sample]) -> bool:
        return new.config.level not in bad

    manager = managed(source, verify=verify)
    await manager.load()
    await refused(manager, source, level=2)
    bad.clear()
    await manager.noticed("poll")
    assert manager.snapshot.config.level == 1
    assert not manager.health().ok
    await manager.noticed("signal")
    assert manager.snapshot.config.level == 2
    assert manager.health().ok


async def test_a_part_that_breaks_at_the_swap_is_rolled_back(source: MemorySource) -> None:
    whole, broken = Part(), Part(fails_at=2)
    manager = managed(source, parts=[whole, broken])
    before = await manager.load()
    error = await refused(manager, source, level=2)
    assert error.phase is Phase.SWAP
    assert whole.live == broken.live == before.config
    assert manager.snapshot.revision == before.revision


async def test_a_rollback_goes_through_even_where_a_part_cannot_go_back(
    source: MemorySource,
) -> None:
    part = Part()

    async def verify(new: Snapshot[Sample]) -> bool:
        part.refuses = 1
        return new.config.level != 2

    store = Memory()
    manager = managed(source, parts=[part], verify=verify, store=store)
    await manager.load()

    def store_goes_away(old: object, new: object) -> None:
        store.away = True

    manager.subscribe(store_goes_away)
    await refused(manager, source, level=2)
    assert manager.snapshot.config.level == 1


async def test_the_old_is_drained_last_and_a_drain_that_fails_changes_nothing(
    source: MemorySource,
) -> None:
    order: list[str] = []

    async def drain(old: Snapshot[Sample]) -> None:
        order.append(f"drain {old.config.level}")
        raise ValueError

    manager = managed(source, drain=drain)
    manager.subscribe(lambda old, new: order.append(f"told {new.config.level}"))
    await manager.load()
    assert await changed(manager, source, level=2) is Outcome.APPLIED
    assert order == ["told 2", "drain 1"]


@pytest.mark.parametrize(
    ("reason", "approver", "missing"),
    [
        ("", "bob", "a reason"),
        ("  ", "bob", "a reason"),
        ("moved", None, "somebody's approval"),
        ("moved", "ann", "the approval of somebody else than its actor"),
    ],
)
async def test_a_dangerous_change_needs_a_reason_and_somebody_else_s_approval(
    source: MemorySource, reason: str, approver: str | None, missing: str
) -> None:
    manager = managed(source)
    before = await manager.load()
    source.update({"level": 2, "data": "/srv", "store": {"password": "generated:new"}})
    with pytest.raises(ReloadError) as caught:
        await manager.reload(reason=reason, actor="ann", approver=approver)
    assert caught.value.phase is Phase.APPROVE
    assert isinstance(caught.value.cause, ApprovalError)
    assert f"data, store.password: a dangerous change needs {missing}" in str(caught.value)
    assert manager.snapshot is before
    reload = await manager.reload(reason="moved", actor="ann", approver="bob")
    assert reload.outcome is Outcome.APPLIED
    assert manager.snapshot.approver == "bob"


@pytest.mark.parametrize("approver", ["", " ", "ann", "ann ", " Ann\t"])
async def test_a_blank_approver_or_the_actor_in_another_spelling_approves_nothing(
    source: MemorySource, approver: str
) -> None:
    manager = managed(source)
    await manager.load()
    source.update({"data": "/srv"})
    with pytest.raises(ReloadError, match="approval"):
        await manager.reload(reason="moved", actor="ann", approver=approver)
    assert manager.snapshot.config.data == "/opt/data"


async def test_a_file_that_asks_for_a_dangerous_change_waits_for_approval(
    source: MemorySource,
) -> None:
    manager = managed(source)
    await manager.load()
    source.update({"level": 1, "data": "/srv"})
    await manager.noticed("poll")
    assert manager.snapshot.config.data == "/opt/data"
    assert manager.health().failure is not None
    await manager.reload(reason="moved", actor="ann", approver="bob")
    assert manager.snapshot.config.data == "/srv"


async def test_secrets_are_resolved_before_the_swap_and_never_shown(
    source: MemorySource, caplog: pytest.LogCaptureFixture
) -> None:
    values = {"generated:store": "canary-1"}

    def resolver(reference: str) -> Secret:
        if reference not in values:
            raise CitadelError("there is no such secret", next_step="Set it.")
        return Secret(values[reference])

    manager = managed(source, resolver=resolver)
    snapshot = await manager.load()
    assert snapshot.config.store.password == "generated:store"
    assert snapshot.secret("generated:store").reveal() == "canary-1"
    error = await refused(manager, source, store={"password": "generated:other"})
    assert (error.phase, str(error.cause)) == (
        Phase.RESOLVE,
        "there is no such secret\n  Set it.",
    )
    told = []
    manager.subscribe(lambda old, new: told.append(new))
    values["generated:store"] = "canary-2"
    source.update({"level": 1})
    reload = await manager.reload(reason="rotated", actor="ann")
    assert (reload.outcome, reload.changes) == (Outcome.APPLIED, ())
    assert manager.snapshot.secret("generated:store").reveal() == "canary-2"
    assert told == [manager.snapshot]
    shown = [repr(manager.snapshot), str(reload), caplog.text, manager.metrics.expose().decode()]
    shown += [str(record.msg) for record in caplog.records] + [str(manager.explain())]
    assert not [text for text in shown if "canary" in text]


async def test_a_resolver_may_wait_and_hang(source: MemorySource) -> None:
    hanging = False

    async def resolver(reference: str) -> Secret:
        if hanging:
            await asyncio.Event().wait()
        return Secret("x")

    manager = managed(source, resolver=resolver, settings=ManagerSettings(timeout=0.05))
    assert (await manager.load()).secret("generated:store").reveal() == "x"
    hanging = True
    error = await refused(manager, source, level=2)
    assert (error.phase, manager.snapshot.config.level) == (Phase.RESOLVE, 1)
    assert "secrets were not resolved within 0.05 s" in str(error)


async def test_a_source_that_hangs_or_breaks_is_given_up(source: MemorySource) -> None:
    class Odd(MemorySource):
        broken: str = ""

        async def read(self) -> Layer:
            if self.broken == "hangs":
                await asyncio.Event().wait()
            if self.broken:
                raise ValueError("secret words")
            return await super().read()

    odd = Odd("odd", {"level": 1})
    manager = managed(odd, settings=ManagerSettings(timeout=0.05))
    before = await manager.load()
    for broken, words in (("hangs", "did not answer within 0.05 s"), ("breaks", "ValueError")):
        odd.broken = broken
        error = await refused(manager, odd, level=2)
        assert (error.phase, manager.snapshot) == (Phase.READ, before)
        assert words in str(error)
        assert "secret words" not in str(error)


async def test_a_document_is_migrated_before_it_is_checked(source: MemorySource) -> None:
    def migrate(draft: Draft) -> Draft:
        if "old_level" in draft.data:
            draft.data["level"] = draft.data.pop("old_level")
        if draft.data.get("schema") == 0:
            raise CitadelError("version 0 is too old", next_step="Migrate it by 2.0.")
        return draft

    manager = managed(source, migrate=migrate)
    await manager.load()
    assert await changed(manager, source, old_level=3) is Outcome.APPLIED
    assert manager.snapshot.config.level == 3
    error = await refused(manager, source, schema=0)
    assert (error.phase, manager.snapshot.config.level) == (Phase.MIGRATE, 3)


async def test_a_cancelled_reload_leaves_everything_as_it_was(source: MemorySource) -> None:
    began = asyncio.Event()

    async def probe(new: Snapshot[Sample]) -> None:
        if new.config.level == 2:
            began.set()
            await asyncio.Event().wait()

    part = Part()
    manager = managed(source, parts=[part], probe=probe)
    before = await manager.load()
    task = asyncio.create_task(changed(manager, source, level=2))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert manager.snapshot is before
    assert part.calls[2:] == ["prepare 2", "abandon 2"]
    assert await changed(manager, source, level=3) is Outcome.APPLIED


async def test_a_reload_that_is_cancelled_while_it_builds_abandons_what_is_built(
    source: MemorySource,
) -> None:
    class Slow(Part):
        async def prepare(self, config: Sample) -> Prepared[Sample]:
            if config.level == 2:
                began.set()
                await asyncio.Event().wait()
            return await super().prepare(config)

    class Clumsy(Part):
        async def abandon(self, prepared: Prepared[Sample]) -> None:
            await super().abandon(prepared)
            raise ValueError

    began, built, clumsy = asyncio.Event(), Part(), Clumsy()
    manager = managed(source, parts=[built, clumsy, Slow()])
    before = await manager.load()
    task = asyncio.create_task(changed(manager, source, level=2))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert manager.snapshot is before
    assert clumsy.calls[-1] == built.calls[-1] == "abandon 2"


@pytest.mark.parametrize("where", ["tell", "verify"])
async def test_a_reload_that_is_cancelled_after_the_swap_is_rolled_back(
    source: MemorySource, where: str
) -> None:
    reached, store, part = asyncio.Event(), Memory(), Part()

    async def hang(place: str, new: Snapshot[Sample]) -> None:
        if place == where and new.config.level == 2:
            reached.set()
            await asyncio.Event().wait()

    manager = managed(source, parts=[part], store=store, verify=lambda new: hang("verify", new))
    manager.subscribe(lambda old, new: hang("tell", new))
    await manager.load()
    source.update({"level": 2})
    task = asyncio.create_task(manager.reload(reason="a test", actor="ann"))
    await reached.wait()
    assert manager.snapshot.config.level == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert manager.snapshot.config.level == 1
    assert part.live is manager.snapshot.config
    assert [item.document["level"] for item in store.revisions] == [1, 2, 1]


async def test_a_rollback_that_is_cancelled_goes_on_to_its_end(source: MemorySource) -> None:
    store, going_back = Memory(), asyncio.Event()

    async def verify(new: Snapshot[Sample]) -> bool:
        return new.config.level != 2

    async def slow(old: Snapshot[Sample], new: Snapshot[Sample]) -> None:
        if new.config.level == 1:
            going_back.set()
            await asyncio.sleep(0)

    manager = managed(source, store=store, verify=verify)
    manager.subscribe(slow)
    await manager.load()
    source.update({"level": 2})
    task = asyncio.create_task(manager.reload(reason="a test", actor="ann"))
    await going_back.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [item.document["level"] for item in store.revisions] == [1, 2, 1]


async def test_a_first_load_that_is_cancelled_in_its_probe_serves_nothing(
    source: MemorySource,
) -> None:
    reached = asyncio.Event()

    async def verify(new: Snapshot[Sample]) -> None:
        reached.set()
        await asyncio.Event().wait()

    manager = managed(source, verify=verify)
    task = asyncio.create_task(manager.load())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not manager.health().ok
    with pytest.raises(NotLoadedError):
        _ = manager.snapshot


async def test_a_subscriber_that_raises_a_cancellation_of_its_own_hinders_nobody(
    source: MemorySource,
) -> None:
    def cancelled(old: Snapshot[Sample], new: Snapshot[Sample]) -> None:
        raise asyncio.CancelledError

    manager = managed(source)
    manager.subscribe(cancelled)
    await manager.load()
    assert await changed(manager, source, level=2) is Outcome.APPLIED
    line = 'citadel_configuration_subscriber_errors_total{name="configuration"} 1.0'
    assert sample_of(manager.metrics.expose(), line)


@pytest.mark.parametrize(
    ("data", "key"),
    [({"version": "a\ud83d"}, "version"), ({"engine": {"list": ["a", "\udc00"]}}, "engine.list")],
)
async def test_half_of_a_surrogate_pair_is_refused_with_its_key(
    source: MemorySource, data: dict[str, Any], key: str
) -> None:
    manager = managed(source)
    await manager.load()
    source.update(data)
    await manager.noticed("poll")
    failure = manager.health().failure
    assert failure is not None
    assert failure.phase is Phase.VALIDATE
    assert key in failure.message
    assert "half of a surrogate pair" in failure.message
    with pytest.raises(ReloadError, match="half of a surrogate pair"):
        await managed(source).load()


async def test_an_error_that_nobody_expects_is_a_refusal_too(source: MemorySource) -> None:
    manager = managed(source, resolver=lambda _: None)
    await manager.load()
    await manager.noticed("poll")
    failure = manager.health().failure
    assert failure is not None
    assert "AttributeError" in failure.message
    assert manager.snapshot.config.level == 1


async def test_a_restored_document_that_the_sources_say_too_is_followed_again(
    source: MemorySource,
) -> None:
    manager = managed(source)
    await manager.load()
    await manager.restore({"level": 1}, label="revision 1", reason="same", actor="ann")
    await manager.noticed("poll")
    assert manager.explain("level")[0].source == "overrides"


async def test_reloads_do_not_overlap(source: MemorySource) -> None:
    running, most = 0, 0

    async def probe(new: Snapshot[Sample]) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    manager = managed(source, probe=probe)
    source.update({"level": 2})
    await asyncio.gather(*(manager.reload(reason="r", actor=f"a{n}") for n in range(10)))
    assert most == 1
    assert manager.snapshot.config.level == 2


async def test_a_plan_says_what_a_reload_would_do_and_does_nothing(source: MemorySource) -> None:
    manager = managed(source)
    before = await manager.load()
    found = await manager.plan(MemorySource("proposal", {"data": "/srv", "level": 2}))
    assert [(str(change)) for change in found] == [
        'data: "/opt/data" → "/srv" (dangerous)',
        "level: 1 → 2 (live)",
    ]
    assert manager.snapshot is before
    with pytest.raises(ReloadError, match="proposal  level"):
        await manager.plan(MemorySource("proposal", {"level": "x"}))


@pytest.mark.feature("CH-03")
async def test_a_rollback_puts_back_what_served_before(source: MemorySource) -> None:
    manager = managed(source)
    first = await manager.load()
    with pytest.raises(RefusedError, match="no older snapshot"):
        await manager.rollback(reason="r", actor="ann")
    await changed(manager, source, level=2)
    reload = await manager.rollback(reason="too many", actor="bob")
    assert reload.new.revision == first.revision
    assert (reload.new.actor, reload.new.reason) == ("bob", "too many")
    assert manager.explain("level")[0].source == "snapshot 1"
    assert manager.health().ok


async def test_after_a_rollback_the_sources_wait_for_another_change(source: MemorySource) -> None:
    manager = managed(source)
    await manager.load()
    await changed(manager, source, level=2)
    await manager.rollback(reason="too many", actor="bob")
    await manager.noticed("poll")
    assert manager.snapshot.config.level == 1
    source.update({"level": 3})
    await manager.noticed("poll")
    assert manager.snapshot.config.level == 3


async def test_restoring_a_document_needs_approval_like_any_change(source: MemorySource) -> None:
    manager = managed(source)
    await manager.load()
    document = {"level": 4, "data": "/srv"}
    with pytest.raises(ReloadError) as caught:
        await manager.restore(document, label="revision 7", reason="back", actor="ann")
    assert caught.value.phase is Phase.APPROVE
    await manager.restore(document, label="revision 7", reason="back", actor="ann", approver="bob")
    assert manager.snapshot.config.data == "/srv"
    with pytest.raises(ReloadError):
        await manager.restore({"level": "x"}, label="revision 8", reason="back", actor="ann")


async def test_every_applied_configuration_is_stored_before_it_serves(
    source: MemorySource,
) -> None:
    store = Memory()
    manager = managed(source, store=store)
    await manager.load()
    source.update({"level": 1, "data": "/srv"})
    await manager.reload(reason="moved", actor="ann", approver="bob")
    (_, last) = store.revisions
    assert last.document == manager.snapshot.document
    assert (last.actor, last.reason, last.approver) == ("ann", "moved", "bob")
    store.away = True
    error = await refused(manager, source, level=3, data="/srv")
    assert (error.phase, manager.snapshot.config.level) == (Phase.RECORD, 1)


async def test_a_restart_serves_the_stored_revision_where_the_sources_cannot(
    source: MemorySource,
) -> None:
    store = Memory()
    await managed(source, store=store).load()
    source.update({"level": "broken"})
    manager = managed(source, store=store)
    snapshot = await manager.load()
    assert snapshot.config.level == 1
    assert not manager.health().ok
    assert len(store.revisions) == 1
    source.update({"level": 2})
    await manager.noticed("poll")
    assert manager.snapshot.config.level == 2
    assert manager.health().ok


async def test_a_restart_is_no_way_round_an_approval(source: MemorySource) -> None:
    store = Memory()
    await managed(source, store=store).load()
    source.update({"level": 1, "data": "/srv"})
    manager = managed(source, store=store)
    assert (await manager.load()).config.data == "/opt/data"
    failure = manager.health().failure
    assert failure is not None
    assert failure.phase is Phase.APPROVE


async def test_a_restart_without_a_change_stores_nothing_new(source: MemorySource) -> None:
    store = Memory()
    await managed(source, store=store).load()
    await managed(source, store=store).load()
    assert len(store.revisions) == 1


async def test_a_first_load_that_fails_serves_nothing(source: MemorySource) -> None:
    source.update({"level": "x"})
    manager = managed(source, store=Memory())
    with pytest.raises(ReloadError, match="There is no older one to serve"):
        await manager.load()
    assert not manager.health().ok
    source.update({"level": 2})
    reload = await manager.reload(reason="mended", actor="ann")
    assert (reload.outcome, reload.old) == (Outcome.APPLIED, None)
    assert manager.health().ok


async def test_what_fails_its_first_probe_is_not_served(source: MemorySource) -> None:
    async def verify(new: Snapshot[Sample]) -> bool:
        return new.config.level != 2

    source.update({"level": 2})
    manager = managed(source, verify=verify)
    for _ in range(2):
        with pytest.raises(ReloadError) as caught:
            await manager.load()
        assert caught.value.phase is Phase.VERIFY
        assert not hasattr(manager, "snapshot")
    store = Memory([Stored({"level": 1})])
    stored = managed(source, verify=verify, store=store)
    assert (await stored.load()).config.level == 1
    assert not stored.health().ok


async def test_a_stored_revision_that_fits_no_more_is_an_error(source: MemorySource) -> None:
    source.update({"level": "x"})
    store = Memory([Stored({"gone": 1})])
    with pytest.raises(ReloadError, match="There is no older one to serve"):
        await managed(source, store=store).load()


async def test_a_store_that_is_away_at_the_start_gets_the_revision_later(
    source: MemorySource,
) -> None:
    store = Memory(away=True)
    manager = managed(source, store=store)
    assert (await manager.load()).config.level == 1
    failure = manager.health().failure
    assert failure is not None
    assert (failure.phase, manager.health().ok) == (Phase.RECORD, False)
    store.away = False
    await manager.noticed("poll")
    assert manager.health().ok
    assert [item.document["level"] for item in store.revisions] == [1]


@pytest.mark.feature("CL-05", "UT-04")
async def test_many_values_are_read_at_once_from_one_snapshot(source: MemorySource) -> None:
    source.update({"level": 3, "hosts": {"qwen2.5": {"memory": "1GiB"}}})
    manager = managed(source)
    assert await manager.get_many(["level", "hosts.qwen2.5.memory", "store"]) == {
        "level": 3,
        "hosts.qwen2.5.memory": 2**30,
        "store": {"port": 5433, "password": "generated:store"},
    }
    with pytest.raises(CitadelError, match=r"no key lvel\n  Did you mean level\?"):
        await manager.get_many(["level", "lvel"])


@pytest.mark.feature("CL-04", "UT-04")
async def test_looked_up_values_are_cached_until_the_next_snapshot(source: MemorySource) -> None:
    manager = managed(source)
    for _ in range(100):
        await manager.get("level")
    assert manager.cache.hit_rate == 0.99
    assert sample_of(
        manager.metrics.expose(),
        'citadel_configuration_cache_hit_rate{name="configuration"} 0.99',
    )
    await changed(manager, source, level=2)
    assert await manager.get("level") == 2


async def test_what_a_caller_does_to_a_looked_up_value_nobody_else_sees(
    source: MemorySource,
) -> None:
    manager = managed(source)
    (await manager.get("store"))["port"] = 1
    first = await manager.get_many(["store"])
    assert first["store"]["port"] == 5433
    first["store"]["port"] = 1
    assert (await manager.get("store"))["port"] == 5433


def test_a_model_that_could_be_changed_is_refused_at_once() -> None:
    class Loose(BaseModel):
        level: int = 1

    with pytest.raises(TypeError, match="Loose is not frozen"):
        ConfigurationManager(Loose, [])


@pytest.mark.feature("CL-07")
async def test_thousand_reloads_fail_never_and_keep_memory_bounded(source: MemorySource) -> None:
    manager = managed(source)
    await manager.load()
    for number in range(1000):
        assert await changed(manager, source, level=number + 2) is Outcome.APPLIED
    assert manager.snapshot.number == 1001
    exposed = manager.metrics.expose().decode()
    assert 'outcome="applied"} 1001.0' in exposed
    # Fewer than one error in a thousand: none.
    assert 'outcome="failed"' not in exposed
    assert manager.metrics.expose().decode().count("citadel_configuration_info{") == 1


async def test_the_wall_clock_may_jump(source: MemorySource) -> None:
    times = [datetime(2026, 1, 1, tzinfo=UTC), datetime(1999, 1, 1, tzinfo=UTC), NOW]
    manager = ConfigurationManager(Sample, [source], now=lambda: times[0])
    for number in range(3):
        times.append(times.pop(0)) if number else None
        await changed(manager, source, level=number)
        assert (manager.snapshot.number, manager.snapshot.config.level) == (number + 1, number)
    assert manager.health().ok


async def test_judges_see_the_model_and_their_warnings_stay(tmp_path: Path) -> None:
    from functools import partial

    from hxp_enterprise_llm.configuration.loader import judge
    from hxp_enterprise_llm.configuration.sources.files import FileSource
    from hxp_enterprise_llm.orchestration.paths import checkout
    from hxp_enterprise_llm.schemas.environment import Environment

    file = checkout() / "stacks" / "environments" / "local.yaml"
    flags = MemorySource("flags", {})
    manager = ConfigurationManager(
        Environment, [FileSource(file), flags], judge=partial(judge, name="local")
    )
    began = time.perf_counter()
    snapshot = await manager.load()
    assert time.perf_counter() - began < 1.0
    flags.update({"infrastructure_services": {"api_gateway": {"port": 9100}}})
    with pytest.raises(ReloadError, match="error C301"):
        await manager.reload(reason="r", actor="ann", approver="bob")
    assert manager.snapshot is snapshot
    flags.update({"infrastructure_services": {"api_gateway": {"rate_limit_rps": 5}}})
    await manager.reload(reason="r", actor="ann")
    assert "C390" in {item.code for item in manager.snapshot.warnings}
    again = ConfigurationManager(Environment, [MemorySource("stored", snapshot.document)])
    assert (await again.load()).revision == snapshot.revision
