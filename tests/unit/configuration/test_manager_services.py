"""The manager together with the real things around it: services, secrets, variables, logs."""

from __future__ import annotations

import asyncio
import io
import json
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import Field
from tests.unit.configuration.sample import Sample
from tests.unit.core.demo import DemoConfig, DemoService

from hxp_enterprise_llm.configuration.effects import Effect, effect_of, leaves
from hxp_enterprise_llm.configuration.manager import ConfigurationManager, ManagerSettings
from hxp_enterprise_llm.configuration.phases import Phase, ReloadError
from hxp_enterprise_llm.configuration.secrets import Secret, Secrets
from hxp_enterprise_llm.configuration.snapshot import Snapshot, document_of
from hxp_enterprise_llm.configuration.sources.arguments import ArgumentsSource
from hxp_enterprise_llm.configuration.sources.files import FileSource
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.configuration.sources.variables import VariablesSource
from hxp_enterprise_llm.configuration.watcher import WatchSettings
from hxp_enterprise_llm.core.health import Check
from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.factory import SchemaFactory
from hxp_enterprise_llm.schemas.performance_targets import ConfigurationTargets
from hxp_enterprise_llm.schemas.reference import SecretReference
from hxp_enterprise_llm.testing.waiting import until
from hxp_enterprise_llm.utilities.files import write_atomic
from hxp_enterprise_llm.utilities.logging import LoggingSettings, configure

CANARY = "canary-7f3a"
SAMPLES = sorted((checkout() / "docs" / "samples").glob("*.yaml"))


@pytest.mark.feature("CL-07")
async def test_a_real_service_takes_configurations_in_two_phases() -> None:
    source = MemorySource("overrides", {"steps": 2})
    service = DemoService(DemoConfig(steps=1))
    manager = ConfigurationManager(DemoConfig, [source], parts=[service])
    await manager.load()
    assert service.config.steps == 2
    service.checks.add(Check("configuration", manager.check, critical=False))
    await service.start()
    try:
        source.update({"steps": 3})
        await manager.reload(reason="a test", actor="ann")
        assert service.config is manager.snapshot.config
        source.update({"steps": 11})
        with pytest.raises(ReloadError) as caught:
            await manager.reload(reason="a test", actor="ann")
        assert caught.value.phase is Phase.BUILD
        assert service.config.steps == 3
        health = await service.health()
        (check,) = (item for item in health.checks if item.name == "configuration")
        assert check.verdict == "degraded"
        assert "phase build" in check.detail
    finally:
        await service.stop()
    assert service.journal[-1].startswith("close")


async def test_one_service_s_refusal_undoes_what_another_built() -> None:
    source = MemorySource("overrides", {"steps": 2})
    services = [DemoService(name="first"), DemoService(name="second")]
    manager = ConfigurationManager(DemoConfig, [source], parts=services)
    await manager.load()
    for service in services:
        await service.start()

    async def verify(new: Snapshot[DemoConfig]) -> bool:
        return new.config.steps != 5

    rolling = ConfigurationManager(DemoConfig, [source], parts=services, verify=verify)
    await rolling.load()
    source.update({"steps": 5})
    with pytest.raises(ReloadError):
        await rolling.reload(reason="a test", actor="ann")
    assert [service.config.steps for service in services] == [2, 2]
    for service in services:
        assert service.journal[-4:] == ["prepare 5", "commit 5", "prepare 2", "commit 2"]
        await service.stop()


async def test_generated_secrets_are_resolved_by_the_real_backend(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "local")
    (tmp_path / "local").mkdir()
    manager = ConfigurationManager(Sample, [], resolver=secrets.resolve)
    snapshot = await manager.load()
    assert len(snapshot.secret("generated:store").reveal()) > 32
    with pytest.raises(KeyError):
        snapshot.secret("generated:other")


async def test_secrets_of_maps_and_lists_are_resolved_and_hidden_too() -> None:
    class Keys(CitadelModel):
        keys: dict[str, SecretReference] = Field(default_factory=dict)
        more: tuple[SecretReference, ...] = ()
        inner: tuple[Sample, ...] = (Sample(),)

    low = MemorySource("low", {"keys": {"a": CANARY}})
    high = MemorySource("high", {"keys": {"a": "env:A"}, "more": ["env:B"]})
    manager = ConfigurationManager(Keys, [low, high], resolver=Secret)
    snapshot = await manager.load()
    assert set(snapshot.secrets) == {"env:A", "env:B", "generated:store"}
    (item,) = manager.explain("keys.a")
    assert item.overrode == [{"value": "(hidden)", "source": "low"}]
    low.update({"keys": {"b": "env:C"}})
    (change,) = await manager.plan()
    assert change.secret


@pytest.mark.feature("CH-01", "A43")
@pytest.mark.parametrize("name", [path.name for path in SAMPLES])
async def test_every_kind_of_service_takes_a_changed_file_within_2_s(
    name: str, tmp_path: Path
) -> None:
    text = (SAMPLES[0].parent / name).read_text()
    data = yaml.safe_load(text)
    model = model_of(data)
    assert [path for path, effect in leaves(model) if effect is None] == []
    file = tmp_path / name
    file.write_text(text)
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    async with watching(model, file) as manager:
        before = manager.snapshot
        manager.subscribe(lambda old, new: heard.put_nowait((old.revision, new.revision)))
        began = time.perf_counter()
        # Nobody asks: only the file system tells of it, and no poll comes within an hour.
        write_atomic(file, yaml.safe_dump(grown(data)))
        async with asyncio.timeout(10):
            old, new = await heard.get()
        assert time.perf_counter() - began < ConfigurationTargets().hot_reload_time == 2.0
        assert old == before.revision != new == manager.snapshot.revision
        assert (manager.snapshot.actor, manager.snapshot.reason) == ("citadel", "noticed by file")
        assert manager.snapshot.document == document_of(model.model_validate(grown(data)))
        assert manager.health().ok


@pytest.mark.feature("CH-03")
@pytest.mark.parametrize("name", [path.name for path in SAMPLES])
async def test_a_dangerous_change_of_any_service_s_file_waits_for_approval(
    name: str, tmp_path: Path
) -> None:
    text = (SAMPLES[0].parent / name).read_text()
    data = yaml.safe_load(text)
    model = model_of(data)
    file = tmp_path / name
    file.write_text(text)
    async with watching(model, file) as manager:
        before = manager.snapshot
        write_atomic(file, yaml.safe_dump({**data, "environment": "elsewhere"}))
        assert effect_of(model, ("environment",)) is Effect.DANGEROUS
        await until(partial(is_refused, manager))
        assert manager.snapshot is before
        await manager.reload(reason="moved", actor="ann", approver="bob")
        assert manager.snapshot.revision != before.revision


def model_of(data: dict[str, Any]) -> type[CitadelModel]:
    factory = SchemaFactory()
    return factory.schema(factory.name_of(data) or "")


def grown(data: dict[str, Any]) -> dict[str, Any]:
    """Return a service or a deployment with a little more memory."""
    section = "resources" if "service_name" in data else "resource_limits"
    memory = data[section]["memory_mb"] + 1
    return {**data, section: {**data[section], "memory_mb": memory}}


@asynccontextmanager
async def watching(
    model: type[CitadelModel], file: Path
) -> AsyncIterator[ConfigurationManager[CitadelModel]]:
    settings = ManagerSettings(watch=WatchSettings(poll=3600.0))
    manager = ConfigurationManager(model, [FileSource(file)], settings=settings)
    await manager.load()
    watcher = manager.watcher()
    task = asyncio.create_task(watcher.run())
    await watcher.ready()
    try:
        yield manager
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def is_refused(manager: ConfigurationManager[CitadelModel]) -> bool:
    return not manager.health().ok


@pytest.mark.feature("CL-02")
async def test_no_secret_shows_in_any_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A canary stands wherever a secret can stand, rightly or wrongly."""
    stream = io.StringIO()
    logging = configure(LoggingSettings(), stream=stream)
    file = tmp_path / "sample.yaml"
    held = tmp_path / "secret"
    held.write_text(CANARY)
    held.chmod(0o600)
    right = f"store: {{password: 'file:{held}'}}\n"
    file.write_text(right)
    flags = ArgumentsSource()
    variables: dict[str, str] = {}
    manager = ConfigurationManager(
        Sample,
        [FileSource(file), VariablesSource(environ=variables), flags],
        resolver=Secrets(tmp_path).resolve,
    )
    outputs: list[str] = []

    def failing(old: object, new: object) -> None:
        raise RuntimeError("a subscriber")

    manager.subscribe(failing)
    snapshot = await manager.load()
    assert snapshot.secret(f"file:{held}").reveal() == CANARY
    wrong_files = (
        f"store: {{password: {CANARY}}}\n",
        f"store: {{password: '{CANARY}\n",
        f"store: {{password: ['{CANARY}']}}\n",
        f"level: {CANARY}\n{right}",
        f"{right}version: x\nlevel: 2\n",
    )
    for text in wrong_files:
        for name, value in (
            ("", ""),
            ("CITADEL_STORE__PASSWORD", CANARY),
            ("CITADEL_STROE", CANARY),
            ("CITADEL_LEVEL", CANARY),
        ):
            file.write_text(text)
            variables.clear()
            variables.update({name: value} if name else {})
            flags.settings = [CANARY] if name == "CITADEL_LEVEL" else []
            try:
                reload = await manager.reload(reason="r", actor="ann", approver="bob")
                outputs += [repr(reload), *map(str, reload.changes)]
                outputs += [json.dumps(change.as_data()) for change in reload.changes]
            except ReloadError as error:
                outputs += [str(error), repr(error), repr(error.cause)]
                outputs += traceback.format_exception(error)
            outputs += [repr(manager.health()), repr(manager.snapshot)]
            outputs += [repr(await source.read()) for source in manager._sources]
            outputs += map(repr, manager.explain())
    outputs += [manager.metrics.expose().decode(), stream.getvalue(), *capsys.readouterr()]
    logging.close()
    assert len(outputs) > 200
    assert [text for text in outputs if CANARY in text] == []


async def test_an_old_secret_that_was_written_in_the_file_below_is_hidden(tmp_path: Path) -> None:
    low = MemorySource("low", {"store": {"password": CANARY}})
    high = MemorySource("high", {"store": {"password": "env:STORE"}})
    manager = ConfigurationManager(Sample, [low, high])
    await manager.load()
    (item,) = manager.explain("store.password")
    assert item.value == "env:STORE"
    assert item.overrode == [{"value": "(hidden)", "source": "low"}]
    assert CANARY not in repr(manager.snapshot) + repr(manager.snapshot.origins)


async def test_two_managers_may_share_their_metrics() -> None:
    from hxp_enterprise_llm.configuration.series import ConfigurationMetrics

    metrics = ConfigurationMetrics()
    managers = [
        ConfigurationManager(Sample, [], name=name, metrics=metrics) for name in ("one", "two")
    ]
    await asyncio.gather(*(manager.load() for manager in managers))
    exposed = metrics.metrics.expose().decode()
    for name in ("one", "two"):
        assert f'citadel_configuration_newest_serves{{name="{name}"}} 1.0' in exposed
