"""Changes beside and above a watched file: links, folders, files that are not there yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.manager import ConfigurationManager, ManagerSettings
from hxp_enterprise_llm.configuration.sources.base import Layer, Source
from hxp_enterprise_llm.configuration.sources.files import FileSource
from hxp_enterprise_llm.configuration.sources.folder import FolderSource
from hxp_enterprise_llm.configuration.watcher import WatchSettings, folders_of
from hxp_enterprise_llm.testing.waiting import until
from hxp_enterprise_llm.utilities.files import write_atomic

pytestmark = pytest.mark.feature("CH-01")
Manager = ConfigurationManager[Sample]
LIMIT = 2.0
"""Seconds that the documents give a change."""


@asynccontextmanager
async def watching(source: Source) -> AsyncIterator[Manager]:
    """Yield a manager that hears of changes from the file system only: no poll for an hour."""
    settings = ManagerSettings(watch=WatchSettings(poll=3600.0, signal=False))
    manager = ConfigurationManager(Sample, [source], settings=settings)
    await manager.load()
    watcher = manager.watcher()
    task = asyncio.create_task(watcher.run())
    await watcher.ready()
    try:
        yield manager
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def seen(manager: Manager, level: int, change: Callable[[], object]) -> None:
    """Make a change; it must serve within the limit."""
    began = time.perf_counter()
    change()

    async def look() -> bool:
        return manager.snapshot.config.level == level

    await until(look)
    assert time.perf_counter() - began < LIMIT


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text)
    return path


def link(path: Path, target: str | Path) -> None:
    """Make a link, or swap one as Kubernetes does: by a rename over it."""
    new = path.parent / f"{path.name}.new"
    new.symlink_to(target)
    new.rename(path)


@pytest.mark.parametrize("form", ["file", "folder"])
async def test_a_swapped_link_to_a_generation_is_noticed(tmp_path: Path, form: str) -> None:
    for level in (1, 2, 3):
        put(tmp_path / f"generation-{level}" / "app.yaml", f"level: {level}\n")
    link(tmp_path / "current", "generation-1")
    folder = tmp_path / "current"
    source: Source = FileSource(folder / "app.yaml") if form == "file" else FolderSource(folder)
    async with watching(source) as manager:
        for level in (2, 3):
            await seen(manager, level, partial(link, folder, f"generation-{level}"))


@pytest.mark.feature("CH-02")
async def test_a_swapped_link_reaches_subscribers_within_300_ms(tmp_path: Path) -> None:
    for level in range(1, 8):
        put(tmp_path / f"generation-{level}" / "app.yaml", f"level: {level}\n")
    link(tmp_path / "current", "generation-1")
    took = []
    async with watching(FileSource(tmp_path / "current" / "app.yaml")) as manager:
        told: asyncio.Queue[int] = asyncio.Queue()
        manager.subscribe(lambda old, new: told.put_nowait(new.config.level))
        for level in range(2, 8):
            began = time.perf_counter()
            link(tmp_path / "current", f"generation-{level}")
            assert await told.get() == level
            took.append(time.perf_counter() - began)
    # The median: one turn may wait for a busy machine, none for a look by the clock.
    assert sorted(took)[len(took) // 2] < 0.3
    assert max(took) < LIMIT


async def test_a_swapped_link_far_above_the_file_is_noticed(tmp_path: Path) -> None:
    for level in (1, 2):
        put(tmp_path / f"v{level}" / "etc" / "app" / "app.yaml", f"level: {level}\n")
    link(tmp_path / "live", tmp_path / "v1")
    async with watching(FileSource(tmp_path / "live" / "etc" / "app" / "app.yaml")) as manager:
        await seen(manager, 2, lambda: link(tmp_path / "live", tmp_path / "v2"))


async def test_each_link_of_a_chain_and_the_file_at_its_end_are_watched(tmp_path: Path) -> None:
    for level in (1, 2, 3):
        put(tmp_path / "data" / f"v{level}" / "app.yaml", f"level: {level}\n")
    (tmp_path / "etc").mkdir()
    link(tmp_path / "data" / "stable", "v1")
    link(tmp_path / "current", "data/stable")
    link(tmp_path / "etc" / "app.yaml", "../current/app.yaml")
    async with watching(FileSource(tmp_path / "etc" / "app.yaml")) as manager:
        await seen(manager, 2, lambda: link(tmp_path / "data" / "stable", "v2"))
        await seen(manager, 3, lambda: link(tmp_path / "current", "data/v3"))
        await seen(manager, 4, lambda: put(tmp_path / "data" / "v3" / "app.yaml", "level: 4\n"))
        await seen(
            manager, 2, lambda: link(tmp_path / "etc" / "app.yaml", "../data/stable/app.yaml")
        )


async def test_the_files_that_links_of_a_folder_lead_to_are_watched(tmp_path: Path) -> None:
    real = put(tmp_path / "real" / "app.yaml", "level: 1\n")
    (tmp_path / "config").mkdir()
    link(tmp_path / "config" / "10.yaml", real)
    async with watching(FolderSource(tmp_path / "config")) as manager:
        await seen(manager, 2, lambda: put(real, "level: 2\n"))
        other = put(tmp_path / "other" / "app.yaml", "level: 3\n")
        await seen(manager, 3, lambda: link(tmp_path / "config" / "20.yaml", other))
        await seen(manager, 4, lambda: put(other, "level: 4\n"))


async def test_a_folder_that_another_takes_the_place_of_is_noticed(tmp_path: Path) -> None:
    put(tmp_path / "config" / "app.yaml", "level: 1\n")
    put(tmp_path / "config.new" / "app.yaml", "level: 2\n")

    def swap() -> None:
        (tmp_path / "config").rename(tmp_path / "config.old")
        (tmp_path / "config.new").rename(tmp_path / "config")

    async with watching(FileSource(tmp_path / "config" / "app.yaml")) as manager:
        await seen(manager, 2, swap)
        await seen(manager, 3, lambda: put(tmp_path / "config" / "app.yaml", "level: 3\n"))


@pytest.mark.parametrize("form", ["file", "folder"])
async def test_an_extended_file_of_another_folder_that_goes_and_comes_back_is_noticed(
    tmp_path: Path, form: str
) -> None:
    base = put(tmp_path / "shared" / "deep" / "base.yaml", "level: 1\n")
    app = put(tmp_path / "config" / "app.yaml", "extends: ../shared/deep/base.yaml\n")

    def gone() -> None:
        base.unlink()
        base.parent.rmdir()
        base.parent.parent.rmdir()

    source: Source = FileSource(app) if form == "file" else FolderSource(app.parent)
    async with watching(source) as manager:
        for level in (2, 3):
            began = time.perf_counter()
            gone()
            await until(lambda: _stale(manager))
            assert time.perf_counter() - began < LIMIT
            failure = manager.health().failure
            assert failure is not None
            assert "there is no file ../shared/deep/base.yaml" in failure.message
            await seen(manager, level, partial(put, base, f"level: {level}\n"))
            assert manager.health().ok


async def test_a_file_that_is_not_there_at_the_start_is_noticed_when_it_comes(
    tmp_path: Path,
) -> None:
    source = FileSource(tmp_path / "later" / "app.yaml", required=False)
    async with watching(source) as manager:
        await seen(manager, 2, lambda: put(tmp_path / "later" / "app.yaml", "level: 2\n"))


async def test_links_in_a_circle_are_refused_and_end_nothing(tmp_path: Path) -> None:
    put(tmp_path / "one" / "app.yaml", "level: 1\n")
    link(tmp_path / "current", "one")
    async with watching(FileSource(tmp_path / "current" / "app.yaml")) as manager:
        link(tmp_path / "other", "current")
        link(tmp_path / "current", "other")
        await until(lambda: _stale(manager))
        assert manager.snapshot.config.level == 1
        await seen(manager, 2, lambda: _mended(tmp_path))
        assert manager.health().ok


def test_the_folders_of_all_links_on_the_way_are_watched(tmp_path: Path) -> None:
    put(tmp_path / "v1" / "etc" / "app.yaml", "")
    (tmp_path / "links").mkdir()
    link(tmp_path / "links" / "live", "../v1")
    link(tmp_path / "v1" / "conf", "etc")
    asked = tmp_path / "links" / "live" / "conf" / "app.yaml"
    assert folders_of([asked]) == {tmp_path / "links", tmp_path / "v1", tmp_path / "v1" / "etc"}
    link(tmp_path / "v1" / "conf", "nowhere")
    assert folders_of([asked]) == {tmp_path / "links", tmp_path / "v1"}


async def test_a_link_whose_target_has_a_name_that_is_too_long_ends_nothing(
    tmp_path: Path,
) -> None:
    file = put(tmp_path / "config" / "10.yaml", "level: 1\n")
    async with watching(FolderSource(file.parent)) as manager:
        link(file.parent / "20.yaml", "x" * 300)
        await until(lambda: _stale(manager))
        (file.parent / "20.yaml").unlink()
        await seen(manager, 2, lambda: put(file, "level: 2\n"))
        assert manager.health().ok
    app = put(tmp_path / "one" / "app.yaml", "level: 1\n")
    async with watching(FileSource(app)) as manager:
        app.unlink()
        link(app, "x" * 300)
        await until(lambda: _stale(manager))
        await seen(manager, 2, lambda: put(app, "level: 2\n"))
        assert manager.health().ok


class Closed(FileSource):
    """A file of a folder that may not be looked into for a while."""

    closed = False

    async def read(self) -> Layer:
        if self.closed:
            raise PermissionError
        return await super().read()


async def test_a_file_that_could_be_read_no_more_is_looked_at_when_it_can(tmp_path: Path) -> None:
    app = put(tmp_path / "app.yaml", "level: 1\n")
    source = Closed(app)
    async with watching(source) as manager:
        source.closed = True
        put(app, "level: 2\n")
        await until(lambda: _stale(manager))
        source.closed = False
        # The file is as it was when it could not be read.
        await seen(manager, 1, lambda: put(app, "level: 1\n"))
        await until(lambda: _healthy(manager))


async def _healthy(manager: Manager) -> bool:
    return manager.health().ok


async def _stale(manager: Manager) -> bool:
    return not manager.health().ok


def _mended(folder: Path) -> None:
    put(folder / "one" / "app.yaml", "level: 2\n")
    link(folder / "current", "one")
