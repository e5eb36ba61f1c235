"""The client and answers that are well formed, and yet not what was asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.client import (
    ConfigurationClient,
    Held,
    NoConfigurationError,
    UntrustedRevisionError,
)
from hxp_enterprise_llm.configuration.revisions import MemoryShelf, Revision, Revisions
from hxp_enterprise_llm.configuration.revisions.record import encoded
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.utilities.files import write_atomic
from hxp_enterprise_llm.utilities.http import Reply
from hxp_enterprise_llm.utilities.retry import RetryPolicy

pytestmark = pytest.mark.feature("CL-01")
QUICK = RetryPolicy(first_wait=0.001, longest_wait=0.002)
HTML = b"<html>Please log in</html>"


class Small(CitadelModel):
    n: int


class Server:
    """Answers with what lies ready; the last answer again and again."""

    def __init__(self, *bodies: bytes, numbers: tuple[int, ...] = ()) -> None:
        self.bodies, self.told, self.reports = list(bodies), numbers, 0
        self.reported_twice = asyncio.Event()

    async def get(self, path: str, *, timeout: float) -> Reply:  # noqa: ASYNC109 # as the wire
        return Reply(200, self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0])

    async def put(self, path: str, body: bytes, *, timeout: float) -> Reply:  # noqa: ASYNC109
        self.reports += 1
        if self.reports == 2:
            self.reported_twice.set()
        return Reply(200, HTML)

    async def numbers(self, path: str, last: int, *, silence: float) -> AsyncIterator[int]:
        for number in self.told:
            yield number

    async def close(self) -> None:
        pass


async def revisions(*values: int) -> list[Revision]:
    def now() -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)

    store = Revisions(MemoryShelf(), of="production/small/main", now=now)
    return [await store.append({"n": n}, actor="ann", reason="x") for n in values]


def answer(revision: Revision, kind: str = "small", name: str = "main") -> bytes:
    said = {"kind": kind, "name": name, "revision": revision.as_data(), "complete": True}
    return json.dumps({**said, "document": revision.document, "source": revision.source}).encode()


def client(server: Server, cache: Path, **more: Any) -> ConfigurationClient[Small]:
    return ConfigurationClient([server], "small", "main", Small, cache=cache, retry=QUICK, **more)


@pytest.mark.parametrize(("kind", "name"), [("other", "main"), ("small", "other")])
async def test_a_revision_of_another_document_is_refused(
    tmp_path: Path, kind: str, name: str
) -> None:
    [one] = await revisions(1)
    asked = client(Server(answer(one, kind, name)), tmp_path / "x.json")
    with pytest.raises(UntrustedRevisionError, match=f"{kind}/{name}, and small/main was asked"):
        await asked.load()


async def test_a_revision_that_was_applied_to_another_document_is_refused(tmp_path: Path) -> None:
    store = Revisions(MemoryShelf(), of="production/small/other")
    one = await store.append({"n": 1}, actor="ann", reason="x")
    with pytest.raises(UntrustedRevisionError, match="of production/small/other, not of small/m"):
        await client(Server(answer(one)), tmp_path / "x.json").load()


@pytest.mark.parametrize(
    ("of", "taken"),
    [("staging/gateway/other", False), ("staging/other/main", False), ("lab/small/main", True)],
)
async def test_a_kept_file_of_another_document_serves_nobody(
    tmp_path: Path, of: str, *, taken: bool
) -> None:
    kept = await Revisions(MemoryShelf(), of=of).append({"n": 42}, actor="ann", reason="x")
    write_atomic(tmp_path / "kept.json", encoded(kept))
    alone = ConfigurationClient([], "small", "main", Small, cache=tmp_path / "kept.json")
    if taken:
        assert (await alone.load()).config.n == 42
        return
    with pytest.raises(NoConfigurationError, match=r"kept\.json holds none"):
        await alone.load()


async def test_another_revision_of_the_same_number_is_refused(tmp_path: Path) -> None:
    [one], [other] = await revisions(1), await revisions(2)
    asked = client(Server(answer(one), answer(one), answer(other)), tmp_path / "x.json")
    await asked.load()
    assert (await asked.refresh()).config.n == 1
    with pytest.raises(UntrustedRevisionError, match=f"hash {other.hash}, and one with {one.hash}"):
        await asked.refresh()
    assert asked.held is not None
    assert asked.held.config.n == 1


async def test_a_file_that_cannot_be_written_keeps_nobody_from_serving(tmp_path: Path) -> None:
    [one] = await revisions(1)
    held = await client(Server(answer(one)), tmp_path / "missing" / "x.json").load()
    assert (held.config.n, held.fresh) == (1, True)


async def test_following_goes_on_after_answers_that_are_none(tmp_path: Path) -> None:
    first, second = await revisions(1, 2)
    server = Server(answer(first), HTML, answer(second), numbers=(2,))
    follower = client(server, tmp_path / "x.json", replica="one", beat=0.001)
    await follower.load()
    came: asyncio.Queue[int] = asyncio.Queue()

    async def take(held: Held[Small]) -> None:
        came.put_nowait(held.config.n)

    following = asyncio.create_task(follower.follow(take))
    async with asyncio.timeout(5):
        assert await came.get() == 2
        await server.reported_twice.wait()
    assert not following.done()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    with pytest.raises(UntrustedRevisionError, match="not of the form"):
        await follower.report()
