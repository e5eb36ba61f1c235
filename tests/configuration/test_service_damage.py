"""A store that somebody changed: what is good serves on, and what is bad is named."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from tests.configuration.test_service_api import GATEWAY, MAIN, with_body

from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.sealing import CredentialKeys
from hxp_enterprise_llm.configuration.security.signing import Signer
from hxp_enterprise_llm.testing.configuration_service import ServiceUnderTest
from hxp_enterprise_llm.testing.waiting import until

pytestmark = pytest.mark.feature("CH-02")
OTHER = "/v1/documents/gateway/other"


def record(folder: Path, number: int) -> Path:
    return folder / f"revisions/gateway/main/{number:08d}.json"


def damage(folder: Path, number: int) -> bytes:
    """Change one byte of a revision; return what it was."""
    path = record(folder, number)
    text = path.read_bytes()
    at = len(text) // 2
    path.write_bytes(text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :])
    return text


async def five(folder: Path, **more: Any) -> None:
    """Apply five revisions, and one of another document."""
    async with ServiceUnderTest(folder, **more) as service:
        for number in range(5):
            assert (await service.apply(with_body(5000 + number), number)).status == 200
        assert (await service.apply(GATEWAY, path=OTHER)).status == 200


@pytest.mark.parametrize("sealed", [False, True])
async def test_a_restart_on_a_tampered_newest_revision_serves_the_last_good_one(
    tmp_path: Path, *, sealed: bool
) -> None:
    more: dict[str, Any] = {"signer": Signer.new()}
    if sealed:
        more["sealing"] = CredentialKeys([Secret("a credential of a test")])
    await five(tmp_path, **more)
    whole = damage(tmp_path, 5)
    async with ServiceUnderTest(tmp_path, settings={"timeouts": {"poll": 0.1}}, **more) as service:
        read = await service.ask("GET", MAIN)
        assert (read.status, read.headers["etag"]) == (200, '"4"')
        assert read.body["document"]["limits"]["max_body"] == 5003
        listed = (await service.ask("GET", "/v1/documents")).body["items"]
        assert [(one["name"], one["number"]) for one in listed] == [("main", 4), ("other", 1)]

        history = (await service.ask("GET", MAIN + "/history")).body
        assert [one["number"] for one in history["items"]] == [4, 3, 2, 1]
        (bad,) = history["unusable"]
        assert (bad["number"], bad["code"], bad["status"]) == (5, "revision.tampered", 500)
        asked = await service.ask("GET", MAIN + "/revisions/5")
        assert (asked.status, asked.body["code"]) == (500, "revision.tampered")
        explained = await service.ask("GET", MAIN + "/explain?path=limits.max_body")
        assert explained.body["items"][0]["set_by"]["number"] == 4

        for number in (0, 4, 5):
            refused = await service.apply(with_body(6000), number)
            assert (refused.status, refused.body["code"]) == (500, "revision.tampered")
            assert "configuration.service --config FILE --restore" in refused.body["next_step"]
            assert "citadel config" not in refused.body["next_step"]

        ready = await service.ask("GET", "/health/ready", by=None)
        assert (ready.status, ready.body["status"]) == (200, "degraded")
        (check,) = [one for one in ready.body["checks"] if one["name"] == "documents"]
        assert check["status"] == "degraded"
        assert "gateway/main: revision 5" in check["detail"]

        record(tmp_path, 5).write_bytes(whole)

        async def mended() -> bool:
            return bool(
                (await service.ask("GET", "/health/ready", by=None)).body["status"] == "healthy"
            )

        await until(mended)
        assert (await service.ask("GET", MAIN)).headers["etag"] == '"5"'


async def test_several_bad_ones_are_stepped_over_and_an_older_one_hides_no_other(
    tmp_path: Path,
) -> None:
    await five(tmp_path)
    for number in (5, 4, 2):
        damage(tmp_path, number)
    async with ServiceUnderTest(tmp_path) as service:
        history = (await service.ask("GET", MAIN + "/history")).body
        assert [one["number"] for one in history["items"]] == [3, 1]
        assert [one["number"] for one in history["unusable"]] == [5, 4, 2]
        # Of 3 nobody can tell whether it follows 2, which was changed: 1 serves.
        assert (await service.ask("GET", MAIN)).headers["etag"] == '"1"'


async def test_where_no_revision_is_good_none_serves_and_health_says_so(tmp_path: Path) -> None:
    await five(tmp_path)
    for number in range(1, 6):
        damage(tmp_path, number)
    async with ServiceUnderTest(tmp_path) as service:
        assert (await service.ask("GET", MAIN)).status == 404
        assert (await service.ask("GET", OTHER)).status == 200
        ready = await service.ask("GET", "/health/ready", by=None)
        assert ready.body["status"] == "degraded"
        assert "gateway/main: revision 5" in str(ready.body)


@pytest.mark.feature("CL-06")
async def test_a_damaged_document_keeps_no_other_from_its_backup_and_none_of_its_own_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "backups"
    settings = {"backup": {"folder": str(folder), "every": 3600.0, "keep": 1}}
    folder.mkdir()
    await five(tmp_path)
    async with ServiceUnderTest(tmp_path, settings=settings):
        await until(lambda: _two(folder))
    (before,) = folder.glob("gateway.main.*")
    (older,) = folder.glob("gateway.other.*")
    older.unlink()
    damage(tmp_path, 5)
    async with ServiceUnderTest(tmp_path, settings=settings) as service:
        await until(lambda: _two(folder))
        assert list(folder.glob("gateway.main.*")) == [before]
        ready = (await service.ask("GET", "/health/ready", by=None)).body
        assert ready["status"] == "degraded"
        assert "gateway/main: revision 5" in str(ready["checks"])
    doing = [record.msg["doing"] for record in caplog.records if isinstance(record.msg, dict)]
    assert doing.count("back up gateway/main") == 1


async def _two(folder: Path) -> bool:
    return len(await asyncio.to_thread(os.listdir, folder)) == 2
