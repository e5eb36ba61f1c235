"""A real gateway for tests and benches: worker processes with their own ports and key."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from hxp_enterprise_llm.testing.connections import free_port
from hxp_enterprise_llm.testing.waiting import until

KEY = "ck_" + "k" * 40
PROGRAM = (sys.executable, "-m", "hxp_enterprise_llm.gateway")
HEADERS = {"Authorization": f"Bearer {KEY}"}


@dataclass
class RunningGateway:
    """Worker processes that share a port."""

    port: int
    metrics_port: int
    workers: list[asyncio.subprocess.Process]
    log: Path
    config: dict[str, Any]

    @property
    def url(self) -> str:
        """Return where users come in."""
        return f"http://127.0.0.1:{self.port}"

    def operations(self, worker: int = 1) -> str:
        """Return where a worker's metrics and health are."""
        return f"http://127.0.0.1:{self.metrics_port + worker - 1}"

    async def ready(self, *, status: int = 200) -> dict[str, Any]:
        """Return what readiness says once every worker answers `status`."""
        async with aiohttp.ClientSession() as session:
            found: dict[str, Any] = {}
            for worker in range(1, len(self.workers) + 1):
                found = await until(partial(self._look, session, worker, status))
        return found

    async def _look(
        self, session: aiohttp.ClientSession, worker: int, status: int
    ) -> dict[str, Any]:
        async with session.get(self.operations(worker) + "/health/ready") as response:
            document: dict[str, Any] = await response.json()
            return document if response.status == status else {}

    @property
    def file(self) -> Path:
        """Return the file that all workers read."""
        return self.log.parent / "gateway.yaml"

    def change(self, **sections: Any) -> None:
        """Write the file with other sections, and have all workers read it."""
        self.config |= sections
        self.file.write_text(yaml.safe_dump(self.config))
        self.hang_up()

    def hang_up(self) -> None:
        """Have all workers read their file."""
        self._send(signal.SIGHUP)

    def terminate(self) -> None:
        """Ask all workers to drain and end."""
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        for worker in self.workers:
            if worker.returncode is None:
                worker.send_signal(number)

    async def metrics(self, worker: int = 1) -> str:
        """Return a worker's metrics."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.operations(worker) + "/metrics") as response,
        ):
            return await response.text()

    async def ended(self) -> list[int]:
        """Return the exit codes of all workers."""
        return [await worker.wait() for worker in self.workers]

    async def logged(self, name: str, count: int) -> list[dict[str, Any]]:
        """Return the log's events of a name, once there are at least `count`."""

        async def look() -> list[dict[str, Any]]:
            lines = [json.loads(line) for line in self.log.read_text().splitlines()]
            found = [line for line in lines if line["event"] == name]
            return found if len(found) >= count else []

        return await until(look)


@asynccontextmanager
async def running_gateway(
    folder: Path,
    models: Mapping[str, Sequence[str]],
    *,
    workers: int = 1,
    program: Sequence[str] = PROGRAM,
    **sections: Any,
) -> AsyncIterator[RunningGateway]:
    """Start a gateway and end it.

    Args:
        folder: An empty folder for its files.
        models: Served name → upstreams.
        workers: How many processes share the port.
        program: What starts a worker; its arguments follow.
        sections: Further sections of `gateway.yaml`.
    """
    port, metrics_port = free_port(), free_port(workers)
    config = {
        "schema": 1,
        "listen": {"host": "127.0.0.1", "port": port},
        "metrics": {"host": "127.0.0.1", "port": metrics_port},
        "models": {name: {"upstreams": list(found)} for name, found in models.items()},
        "health": {"interval": 0.1},
        **sections,
    }
    gateway = RunningGateway(port, metrics_port, [], folder / "log", config)
    gateway.file.write_text(yaml.safe_dump(config))
    (folder / "key").write_text(KEY + "\n")
    try:
        for number in range(1, workers + 1):
            gateway.workers.append(await _start(program, folder, number))
        await until(lambda: _live(gateway), seconds=30)
        yield gateway
    finally:
        for worker in gateway.workers:
            if worker.returncode is None:
                worker.kill()
        await gateway.ended()


async def _start(program: Sequence[str], folder: Path, number: int) -> asyncio.subprocess.Process:
    with (folder / "log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *program,
            "--config",
            str(folder / "gateway.yaml"),
            "--worker",
            str(number),
            env=os.environ | {"CREDENTIALS_DIRECTORY": str(folder)},
            stdout=log,
            stderr=log,
        )


async def _live(gateway: RunningGateway) -> bool:
    async with aiohttp.ClientSession() as session:
        for number, worker in enumerate(gateway.workers, start=1):
            if worker.returncode is not None:
                raise RuntimeError(f"worker {number} ended: {gateway.log.read_text()}")
            async with session.get(gateway.operations(number) + "/health/live") as response:
                if response.status != 200:
                    return False
    return True
