"""A lost store of the service comes back from the service's own backups."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.configuration.test_service_api import MAIN
from tests.configuration.test_service_process import MODULE, Process

from hxp_enterprise_llm.core.exceptions import ExitCode
from hxp_enterprise_llm.testing.waiting import until

pytestmark = pytest.mark.feature("CL-06", "CM-02")


def restore(service: Process, backup: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-m", MODULE, "--config", str(service.file)]
    return subprocess.run(
        [*command, "--restore", str(backup)],
        env=service.environ,
        capture_output=True,
        text=True,
        check=False,
    )


async def backed_up(tmp_path: Path, *, sealed: bool) -> tuple[Process, Path]:
    """Return a service of two revisions, stopped, and the backup that it made of them."""
    service = Process(tmp_path)
    if sealed:
        (tmp_path / "credentials" / "sealing").write_text("a sealing secret of a test")
        service.document["sealing"] = ["sealing"]
        service.write()
    async with service.running():
        assert [await service.apply(number) for number in (0, 1)] == [200, 200]
    pattern = "gateway.main.*.gz.sealed" if sealed else "gateway.main.*.gz"
    async with service.running():

        async def made() -> list[Path]:
            return sorted((tmp_path / "backups").glob(pattern))

        *_, archive = await until(made)
    return service, archive


@pytest.mark.parametrize("sealed", [False, True])
async def test_a_lost_store_comes_back_from_a_backup_and_serves_on(
    tmp_path: Path, *, sealed: bool
) -> None:
    service, archive = await backed_up(tmp_path, sealed=sealed)
    assert archive.stat().st_mode & 0o777 == 0o600
    assert (b"max_body" in archive.read_bytes()) is False
    shutil.rmtree(service.state / "revisions")
    done = restore(service, archive)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "document gateway/main · restored 2 · newest 2\n"
    assert restore(service, archive).stdout == "document gateway/main · restored 0 · newest 2\n"
    async with service.running():
        assert await service.status(MAIN) == 200
        assert await service.status(f"{MAIN}/revisions/1") == 200
        # What comes next follows what was restored.
        assert await service.apply(2) == 200


async def test_no_backup_of_another_environment_or_document_and_no_damaged_one_is_taken(
    tmp_path: Path,
) -> None:
    service, archive = await backed_up(tmp_path, sealed=False)
    shutil.rmtree(service.state / "revisions")
    renamed = archive.with_name(archive.name.replace("gateway.main", "gateway.other"))
    shutil.copy(archive, renamed)
    done = restore(service, renamed)
    assert done.returncode == ExitCode.REFUSED
    assert "is of test/gateway/main, and this is the store of test/gateway/other" in done.stderr
    service.document["environment"] = "production"
    service.write()
    assert "is of test/gateway/main" in restore(service, archive).stderr
    service.document["environment"] = "test"
    service.write()
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    assert "the backup is" in restore(service, archive).stderr
    assert not list((service.state / "revisions").rglob("*.json"))


async def test_what_cannot_be_restored_is_told(tmp_path: Path) -> None:
    service = Process(tmp_path)
    for name, said in (
        ("backup.gz", "backup.gz is no name of a backup"),
        ("gateway.main.1.gz", "gateway.main.1.gz: No such file or directory"),
        ("gateway.main.1.gz.sealed", "is sealed, and the configuration names no `sealing`"),
    ):
        done = restore(service, tmp_path / name)
        assert done.returncode != 0
        assert said in done.stderr
        assert "Traceback" not in done.stderr
