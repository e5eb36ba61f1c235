"""A watch that breaks: it is told, it begins anew, and the signal that reloads stays heard."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.unit.configuration.sample import Sample
from tests.unit.core.demo import DemoConfig, DemoService

from hxp_enterprise_llm.configuration import watcher as watcher_module
from hxp_enterprise_llm.configuration.following import serve
from hxp_enterprise_llm.configuration.manager import ConfigurationManager
from hxp_enterprise_llm.configuration.phases import StaleError
from hxp_enterprise_llm.configuration.sources.files import FileSource
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.configuration.watcher import Watcher
from hxp_enterprise_llm.core.lifecycle import State
from hxp_enterprise_llm.testing.waiting import until
from hxp_enterprise_llm.utilities.files import write_atomic
from hxp_enterprise_llm.utilities.retry import Retrier, RetryPolicy

pytestmark = pytest.mark.feature("CH-01")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sample.yaml"
    path.write_text("level: 1\n")
    return path


@pytest.mark.parametrize("part", ["_are_others", "_until_moved"])
async def test_a_watch_that_breaks_shows_in_health_keeps_its_signal_and_begins_anew(
    file: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    broken = True
    real = getattr(Watcher, part)

    async def breaks(watcher: Watcher, *arguments: Any) -> Any:
        if broken:
            raise ZeroDivisionError
        return await real(watcher, *arguments)

    at_once = Retrier(RetryPolicy(attempts=None, first_wait=0.05))
    monkeypatch.setattr(watcher_module, "_RESTS", at_once)
    monkeypatch.setattr(Watcher, part, breaks)
    manager = ConfigurationManager(Sample, [FileSource(file)])
    await manager.load()
    task = asyncio.create_task(manager.watcher().run())

    async def unhealthy() -> bool:
        return not manager.health().ok

    async def healthy() -> bool:
        return manager.health().ok

    await until(unhealthy)
    with pytest.raises(StaleError, match="changes may not be noticed \\(ZeroDivisionError\\)"):
        await manager.check()
    write_atomic(file, "level: 2\n")
    # Without its handler the signal would end this process.
    os.kill(os.getpid(), signal.SIGHUP)

    async def taken() -> bool:
        return manager.snapshot.config.level == 2

    await until(taken)
    broken = False
    await until(healthy)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_service_whose_watcher_ended_is_not_healthy(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ends(_: Watcher) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Watcher, "run", ends)
    manager = ConfigurationManager(DemoConfig, [MemorySource("overrides", {"steps": 1})])
    service = DemoService((await manager.load()).config)
    serving = asyncio.create_task(serve(service, manager))

    async def told() -> bool:
        checks = (await service.health()).checks
        return any("not noticed any more" in item.detail for item in checks)

    await until(told)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_a_service_that_does_not_follow_its_file_outlives_sighup() -> None:
    manager = ConfigurationManager(DemoConfig, [MemorySource("overrides", {"steps": 1})])
    service = DemoService((await manager.load()).config)
    serving = asyncio.create_task(serve(service, manager, follow=False))
    await service.lifecycle.wait_for(State.READY)
    os.kill(os.getpid(), signal.SIGHUP)
    service.ask_stop()
    await asyncio.wait_for(serving, 10)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


EARLY = """
import os, signal, sys
from hxp_enterprise_llm.{package} import __main__, process

async def run(*_):
    os.kill(os.getpid(), signal.SIGHUP)
    print("serves")

process.run = run
sys.exit(__main__.main(["--config", "none.yaml"]))
"""


@pytest.mark.parametrize("package", ["gateway", "configuration.service"])
def test_a_process_that_nobody_listens_in_yet_outlives_sighup(package: str) -> None:
    program = [sys.executable, "-c", EARLY.format(package=package)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "serves\n", "")
