"""What hosts get: the files of the wheel, the packages of the lock, and nothing else."""

from __future__ import annotations

import asyncio
import json
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import aiohttp
import pytest

from hxp_enterprise_llm.orchestration.artifacts.digests import PACKAGE, service_files
from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.testing.connections import free_port
from hxp_enterprise_llm.testing.engine import EngineDouble
from hxp_enterprise_llm.testing.gateway import HEADERS, running_gateway

CHAT = "/v1/chat/completions"
BODY = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}]}
# Isolated, and without the packages of this environment.
START = "import runpy, sys; sys.path.insert(0, {!r}); runpy.run_module({!r}, run_name='__main__')"


def started_from(folder: Path) -> tuple[str, ...]:
    """Return what starts a worker with the packages of a folder."""
    start = START.format(str(folder), "hxp_enterprise_llm.gateway")
    return (sys.executable, "-I", "-S", "-c", start)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a folder as it lies on a host: our wheel's files, and the locked packages."""
    folder, root = tmp_path / "site-packages", checkout()
    for file in service_files("gateway", root):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        target = folder / "hxp_enterprise_llm" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(root / PACKAGE / file)
    locked = tomllib.loads((root / "locks/pylock.gateway.toml").read_text())["packages"]
    for package in locked:
        found = distribution(package["name"])
        for name in {Path(str(file)).parts[0] for file in found.files or ()} - {".."}:
            if not (folder / name).exists():
                (folder / name).symlink_to(Path(str(found.locate_file(name))))
    return folder


async def test_a_worker_serves_reloads_and_drains_with_what_is_locked_and_nothing_else(
    tmp_path: Path, installed: Path
) -> None:
    program = started_from(installed)
    async with (
        EngineDouble() as engine,
        running_gateway(tmp_path, {"tiny": [engine.address]}, program=program) as gateway,
        aiohttp.ClientSession(gateway.url, headers=HEADERS) as client,
    ):
        async with client.post(CHAT, json=BODY) as response:
            assert response.status == 200
        gateway.change(limits={"max_body": 10})
        await gateway.logged("configuration.applied", 2)
        async with client.post(CHAT, json=BODY) as response:
            assert response.status == 413
        gateway.change(limits={"max_bdy": 10})
        await gateway.logged("configuration.refused", 1)
        assert 'citadel_configuration_newest_serves{name="gateway.yaml"} 0.0' in (
            await gateway.metrics()
        )
        async with client.post(CHAT, json=BODY) as response:
            assert response.status == 413
        gateway.terminate()
        assert await gateway.ended() == [0]
    assert "Traceback" not in gateway.log.read_text()


async def test_a_worker_needs_each_package_that_the_gateway_asks_for(
    tmp_path: Path, installed: Path
) -> None:
    root = tomllib.loads((checkout() / "pyproject.toml").read_text())
    extra = root["project"]["optional-dependencies"]["gateway"]
    names = [line.partition("==")[0].replace("-", "_") for line in extra]
    where = {"host": "127.0.0.1", "port": free_port()}
    (tmp_path / "gateway.yaml").write_text(json.dumps({"listen": where, "metrics": where}))
    for name in names:
        (installed / name).rename(installed / "away")
        worker = await asyncio.create_subprocess_exec(
            *started_from(installed),
            *("--config", str(tmp_path / "gateway.yaml")),
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        _, said = await asyncio.wait_for(worker.communicate(), 30)
        (installed / "away").rename(installed / name)
        assert f"No module named '{name}'" in said.decode()
    assert len(names) > 5


async def test_a_worker_loads_nothing_that_it_does_not_use() -> None:
    code = "import sys, hxp_enterprise_llm.gateway.process; print(*sys.modules)"
    asked = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", code, stdout=asyncio.subprocess.PIPE
    )
    shown, _ = await asyncio.wait_for(asked.communicate(), 30)
    # Of its memory, each would take megabytes.
    unused = {"typer", "rich", "jinja2", "structlog", "stamina", "cryptography", "fastapi"}
    unused |= {"asyncpg", "hxp_enterprise_llm.schemas.environment"}
    assert not unused & set(shown.decode().split())
