"""The service as a process: its command line, its own file, its memory, its end."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from tests.configuration.test_service_api import GATEWAY, MAIN

from hxp_enterprise_llm.configuration.service.door import digest
from hxp_enterprise_llm.core.exceptions import ExitCode
from hxp_enterprise_llm.testing.configuration_service import KEY, authorization, key_of
from hxp_enterprise_llm.testing.connections import free_port
from hxp_enterprise_llm.testing.postgres import PostgresServer
from hxp_enterprise_llm.testing.waiting import until

MODULE = "hxp_enterprise_llm.configuration.service"
LIMIT_MB = 90


class Process:
    """The service, with a file and a credential of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.file = folder / "configuration.yaml"
        self.state = folder / "state"
        credentials = folder / "credentials"
        credentials.mkdir()
        (credentials / "key").write_text(KEY.reveal())
        (credentials / "signing").write_text("a signing secret of a test")
        self.environ = {**os.environ, "CREDENTIALS_DIRECTORY": str(credentials)}
        self.document = {
            "schema": 1,
            "environment": "test",
            "listen": {"port": self.port},
            "state": str(self.state),
            "store": {"kind": "files", "folder": str(self.state)},
            "signing": "signing",
            "backup": {"folder": str(folder / "backups")},
        }
        self.write()

    def share(self, postgres: PostgresServer) -> None:
        """Keep revisions, accounts and sessions in a database."""
        (self.file.parent / "credentials/database").write_text(postgres.password)
        store = {"kind": "postgres", "host": str(postgres.folder)}
        store |= {"database": postgres.database, "user": postgres.user}
        self.document["store"] = store
        self.write()

    def write(self) -> None:
        self.file.write_text(yaml.safe_dump(self.document))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", MODULE, "--config", str(self.file), env=self.environ
        )
        try:
            await until(self.ready, seconds=30)
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                await process.wait()

    async def ready(self) -> bool:
        return await self.status("/health/ready", None) == 200

    async def status(self, path: str, by: str | None = "citadel") -> int:
        return (await self.ask("GET", path, authorization(by)))[0]

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: object = None
    ) -> tuple[int, Any]:
        """Return the status and the body of an answer."""
        async with (
            aiohttp.ClientSession(f"http://127.0.0.1:{self.port}") as session,
            session.request(method, path, headers=headers, json=body) as answer,
        ):
            text = await answer.text()
            return answer.status, json.loads(text) if text.startswith("{") else text

    async def apply(self, number: int) -> int:
        match = {"If-Match": f'"{number}"'} if number else {"If-None-Match": "*"}
        document = {**GATEWAY, "limits": {"max_body": 5000 + number}}
        wanted = {"document": document, "reason": "a test"}
        return (await self.ask("PUT", MAIN, authorization("citadel") | match, wanted))[0]


def pss(pid: int) -> float:
    """Return the proportional memory of a process in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("Pss:")]
    return int(line.split()[1]) * 1024 / 1e6


@pytest.mark.feature("CL-01")
@pytest.mark.parametrize("shared", [False, True])
async def test_it_takes_less_than_90_mb_after_100_requests_and_ends_with_0(
    tmp_path: Path,
    postgres: PostgresServer,
    record_property: Callable[[str, object], None],
    shared: bool,
) -> None:
    service = Process(tmp_path)
    if shared:
        service.share(postgres)
    async with service.running() as process:
        for number in range(20):
            assert await service.apply(number) == 200
        for path in (MAIN, MAIN + "/explain", MAIN + "/history", "/v1/documents"):
            for _ in range(20):
                assert await service.status(path) == 200
        used = pss(process.pid)
        record_property("pss_mb", used)
        sys.stderr.write(f"configuration service: {used:.1f} MB\n")
        assert used <= LIMIT_MB
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_it_takes_new_principals_from_its_file_while_it_runs(tmp_path: Path) -> None:
    service = Process(tmp_path)
    async with service.running():
        assert await service.apply(0) == 200
        assert await service.status(MAIN, "ada") == 401
        service.document["principals"] = [{"id": "ada", "roles": ["reader"]}]
        service.document["keys"] = [{"principal": "ada", "sha256": digest(key_of("ada"))}]
        service.write()

        async def known() -> bool:
            return await service.status(MAIN, "ada") == 200

        await until(known, seconds=20)
        # A file that is broken, or changes what needs a restart, leaves everything as it is.
        service.file.write_text("listen: {port: [")
        assert await service.status(MAIN, "ada") == 200


@pytest.mark.parametrize("change", [{"listne": 1}, {"hot_reload": False}])
async def test_its_metrics_say_whether_the_newest_of_its_own_file_serves(
    tmp_path: Path, change: dict[str, object]
) -> None:
    service = Process(tmp_path)
    serves = 'citadel_configuration_newest_serves{name="configuration.yaml"} '
    async with service.running():
        assert serves + "1.0" in (await service.ask("GET", "/metrics", {}))[1]
        service.document |= change
        service.write()

        async def refused() -> bool:
            return serves + "0.0" in (await service.ask("GET", "/metrics", {}))[1]

        await until(refused, seconds=20)


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({}, ExitCode.OK, ""),
        ({"listne": 1}, ExitCode.REFUSED, "Did you mean listen?"),
        ({"principals": [{"id": "x", "roles": ["nobody"]}]}, ExitCode.REFUSED, "nobody"),
        ({"store": {"kind": "tape"}}, ExitCode.REFUSED, "store"),
        ({"security": {"level": "high"}}, ExitCode.REFUSED, "high asks for `sealing`"),
    ],
)
async def test_check_validates_the_file_and_serves_nothing(
    tmp_path: Path, change: dict[str, object], code: int, said: str
) -> None:
    service = Process(tmp_path)
    service.document |= change
    service.write()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", MODULE, "--config", str(service.file), "--check",
        env=service.environ, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()
    assert process.returncode == code
    assert said in errors.decode()
    assert not service.state.exists()


@pytest.mark.feature("CC-04")
async def test_at_level_high_it_seals_what_it_keeps_and_its_backups_can_be_opened(
    tmp_path: Path,
) -> None:
    service = Process(tmp_path)
    for name in ("sealing-1", "audit"):
        (tmp_path / "credentials" / name).write_text(f"the credential {name} of a test")
    service.document |= {
        "security": {"level": "high"},
        "sealing": ["sealing-1"],
        "audit_key": "audit",
    }
    service.write()
    for _ in range(2):
        async with service.running():
            assert await service.apply(0) in (200, 412)
            assert await service.status(MAIN) == 200
    (revision,) = service.state.glob("revisions/*/*/*.json")
    assert b"sealed:" in revision.read_bytes()
    assert b"listen" not in revision.read_bytes()
    (archive,) = (tmp_path / "backups").glob("gateway.main.*.gz.sealed")
    opened = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", MODULE, "--config", str(service.file), "--open", str(archive),
        env=service.environ, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await opened.communicate()
    assert opened.returncode == 0
    assert b'"listen"' in gzip.decompress(output)
    assert not (service.state / "audit.key").exists()


async def test_without_its_key_it_does_not_start(tmp_path: Path) -> None:
    service = Process(tmp_path)
    service.environ["CREDENTIALS_DIRECTORY"] = str(tmp_path / "none")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", MODULE, "--config", str(service.file),
        env=service.environ, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()
    assert process.returncode == ExitCode.REFUSED
    assert "credential" in errors.decode()
    assert "CREDENTIALS_DIRECTORY" in errors.decode()


async def test_revisions_are_backed_up(tmp_path: Path) -> None:
    service = Process(tmp_path)
    async with service.running():
        assert await service.apply(0) == 200
    async with service.running():

        async def backed_up() -> list[Path]:
            return list((tmp_path / "backups").glob("gateway.main.*.gz"))

        (archive,) = await until(backed_up)
    assert archive.stat().st_mode & 0o777 == 0o600
