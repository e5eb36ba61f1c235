"""Configuration in a real PostgreSQL server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.database import Database, DatabaseAwayError
from hxp_enterprise_llm.configuration.diagnostics import InvalidDocumentError
from hxp_enterprise_llm.configuration.manager import ConfigurationManager, ManagerSettings
from hxp_enterprise_llm.configuration.phases import Phase, ReloadError
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.configuration.sources.postgres import PostgresSource
from hxp_enterprise_llm.testing.postgres import PostgresServer

Source = Callable[[str], PostgresSource]


@pytest.fixture
def source(postgres: PostgresServer) -> Source:
    def of(environment: str) -> PostgresSource:
        database = Database(postgres.dsn, postgres.password, timeout=1.0)
        return PostgresSource(database, environment)

    return of


@pytest.mark.feature("CL-02")
async def test_rows_are_a_source_that_says_who_wrote_each_value(source: Source) -> None:
    rows = source("production")
    await rows.prepare()
    first = await rows.write({("level",): 2, ("hosts", "qwen2.5"): {"memory": "1GiB"}}, actor="ann")
    second = await rows.write({("hosts", "llm-1", "memory"): "8GiB"}, actor="bob", reason="grown")
    await source("staging").write({("level",): 9}, actor="ann")
    assert second > first
    manager = ConfigurationManager(Sample, [MemorySource("file", {"level": 1}), rows])
    config = (await manager.load()).config
    assert (config.level, list(config.hosts)) == (2, ["llm-1", "qwen2.5"])
    (level,) = manager.explain("level")
    assert level.source == "table configuration_values, environment production, key level"
    assert (level.actor, level.revision) == ("ann", str(first))
    assert level.overrode == [{"value": 1, "source": "file"}]
    (memory, *_) = manager.explain("hosts.llm-1.memory")
    assert (memory.actor, memory.revision) == ("bob", str(second))


async def test_a_row_that_is_taken_away_gives_the_key_back(source: Source) -> None:
    rows = source("production")
    await rows.prepare()
    await rows.write({("level",): 2}, actor="ann")
    manager = ConfigurationManager(Sample, [MemorySource("file", {"level": 1}), rows])
    await manager.load()
    await rows.write({("level",): None}, actor="ann")
    await manager.reload(reason="back", actor="ann")
    assert manager.snapshot.config.level == 1


async def test_a_row_inside_another_row_is_refused(source: Source) -> None:
    rows = source("production")
    await rows.prepare()
    await rows.write({("store",): {"port": 1}, ("store", "port"): 2}, actor="ann")
    with pytest.raises(ReloadError) as caught:
        await ConfigurationManager(Sample, [rows]).load()
    assert isinstance(caught.value.cause, InvalidDocumentError)
    assert "the row of store says the same key" in str(caught.value)


async def test_a_wrong_value_names_its_row(source: Source) -> None:
    rows = source("production")
    await rows.prepare()
    await rows.write({("store", "password"): "hunter2"}, actor="ann")
    with pytest.raises(ReloadError) as caught:
        await ConfigurationManager(Sample, [rows]).load()
    assert "environment production, key store.password" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_many_processes_may_make_the_table_at_once(source: Source) -> None:
    await asyncio.gather(*(source("production").prepare() for _ in range(8)))
    assert (await source("production").read()).data == {}


async def test_a_write_is_whole_or_not_at_all(source: Source) -> None:
    rows = source("production")
    await rows.prepare()
    with pytest.raises(DatabaseAwayError):
        await rows.write({("level",): 2, (): 3}, actor="ann")
    assert (await rows.read()).data == {}


@pytest.mark.feature("CL-05")
async def test_while_the_database_is_away_the_old_configuration_serves(
    source: Source, postgres: PostgresServer
) -> None:
    rows = source("production")
    await rows.prepare()
    await rows.write({("level",): 2}, actor="ann")
    manager = ConfigurationManager(Sample, [rows])
    before = await manager.load()
    await postgres.stop()
    with pytest.raises(ReloadError) as caught:
        await manager.reload(reason="look", actor="ann")
    assert caught.value.phase is Phase.READ
    assert isinstance(caught.value.cause, DatabaseAwayError)
    assert postgres.password not in str(caught.value)
    assert manager.snapshot is before
    health = manager.health()
    assert not health.ok
    assert health.failure is not None
    assert health.failure.code == "configuration.database-away"
    await postgres.start()
    await rows.write({("level",): 3}, actor="ann")
    await manager.reload(reason="look", actor="ann")
    assert manager.snapshot.config.level == 3
    assert manager.health().ok


async def test_a_database_that_hangs_holds_nobody_up_for_long(
    source: Source, postgres: PostgresServer
) -> None:
    rows = source("production")
    await rows.prepare()
    settings = ManagerSettings(timeout=10.0)
    manager = ConfigurationManager(Sample, [rows], settings=settings)
    before = await manager.load()
    postgres.hang()
    began = time.monotonic()
    with pytest.raises(ReloadError) as caught:
        await manager.reload(reason="look", actor="ann")
    assert time.monotonic() - began < 5.0
    assert caught.value.phase is Phase.READ
    assert manager.snapshot is before


async def test_a_wrong_address_or_password_is_an_error_that_shows_neither(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    for database, words in (
        (Database(f"postgresql://u:hunter2@/x?host={tmp_path}", timeout=1.0), "did not answer"),
        (Database(postgres.dsn, "hunter2", timeout=1.0), "refused"),
    ):
        rows = PostgresSource(database, "production")
        with pytest.raises(DatabaseAwayError, match=words) as caught:
            await rows.read()
        assert "hunter2" not in str(caught.value)
        assert "hunter2" not in repr(rows)
