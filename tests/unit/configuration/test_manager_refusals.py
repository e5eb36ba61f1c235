"""Reloads take all or nothing: what is refused, and what is seen of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.configuration.managed import NOW, changed, managed, refused, sample_of
from tests.unit.configuration.sample import Sample, events

from hxp_enterprise_llm.configuration.manager import ManagerSettings
from hxp_enterprise_llm.configuration.phases import (
    ApprovalError,
    Outcome,
    Phase,
    ReloadError,
    StaleError,
)
from hxp_enterprise_llm.configuration.pipeline import Draft
from hxp_enterprise_llm.configuration.secrets import Secret
from hxp_enterprise_llm.configuration.snapshot import Snapshot
from hxp_enterprise_llm.configuration.sources.base import Layer
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.core.exceptions import CitadelError


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

    manager = managed(source, resolver=resolver, settings=ManagerSettings(timeout=0.5))
    assert (await manager.load()).secret("generated:store").reveal() == "x"
    hanging = True
    error = await refused(manager, source, level=2)
    assert (error.phase, manager.snapshot.config.level) == (Phase.RESOLVE, 1)
    assert "secrets were not resolved within 0.5 s" in str(error)


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
    manager = managed(odd, settings=ManagerSettings(timeout=0.5))
    before = await manager.load()
    for broken, words in (("hangs", "did not answer within 0.5 s"), ("breaks", "ValueError")):
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
