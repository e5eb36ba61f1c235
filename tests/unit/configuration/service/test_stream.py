"""What waits for a reader, and who is cut."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from hxp_enterprise_llm.configuration.revisions import MemoryShelf, Revision, Revisions
from hxp_enterprise_llm.configuration.service.errors import LimitReachedError
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey
from hxp_enterprise_llm.configuration.service.stream import Feed, Hub, event_of

MAIN, OTHER = DocumentKey("gateway", "main"), DocumentKey("gateway", "other")
pytestmark = pytest.mark.feature("CH-02")


@pytest.fixture
async def revisions() -> list[Revision]:
    store = Revisions(MemoryShelf(), now=lambda: datetime(2026, 11, 21, tzinfo=UTC))
    return [await store.append({"n": n}, actor="ann", reason="x\ny") for n in range(4)]


async def test_a_feed_gives_in_order_what_was_put_in(revisions: list[Revision]) -> None:
    feed = Feed(4)
    for one in revisions:
        feed.put(one)
    assert [await feed.next(1) for _ in revisions] == revisions
    assert await feed.next(0.01) is None
    assert not feed.over


async def test_a_reader_for_whom_too_many_wait_is_cut(revisions: list[Revision]) -> None:
    feed = Feed(3)
    for one in revisions:
        feed.put(one)
    assert feed.over
    assert await feed.next(1) is None


async def test_a_waiting_reader_is_woken(revisions: list[Revision]) -> None:
    feed = Feed(1)
    waiting = asyncio.create_task(feed.next(10))
    await asyncio.sleep(0)
    feed.put(revisions[0])
    assert await waiting == revisions[0]


async def test_readers_hear_of_their_document_only_and_leave(revisions: list[Revision]) -> None:
    seen: list[int] = []
    hub = Hub(most=2, buffer=4, watching=seen.append)
    one, two = hub.join(MAIN, "ann"), hub.join(OTHER, "bob")
    hub.tell(MAIN, revisions[0])
    assert await one.next(1) == revisions[0]
    assert await two.next(0.01) is None
    with pytest.raises(LimitReachedError, match="2 readers"):
        hub.join(MAIN, "ann")
    hub.leave(one)
    hub.leave(two)
    assert seen == [1, 2, 1, 0]


def test_one_principal_leaves_room_for_others() -> None:
    hub = Hub(most=40, buffer=4, watching=lambda _: None)
    feeds = [hub.join(MAIN, "ann") for _ in range(20)]
    with pytest.raises(LimitReachedError, match="20 readers of ann"):
        hub.join(MAIN, "ann")
    hub.join(MAIN, "bob")
    hub.leave(feeds[0])
    hub.join(MAIN, "ann")


async def test_a_closed_hub_ends_all_and_lets_nobody_in() -> None:
    hub = Hub(most=2, buffer=4, watching=lambda _: None)
    feed = hub.join(MAIN, "ann")
    hub.close()
    assert feed.over
    with pytest.raises(LimitReachedError):
        hub.join(MAIN, "ann")


def test_an_event_is_one_block_whatever_the_reason_holds(revisions: list[Revision]) -> None:
    text = event_of(revisions[0]).decode()
    assert text.startswith("id: 1\nevent: revision\ndata: {")
    assert text.count("\n\n") == 1
    assert text.endswith("\n\n")
    assert '"n"' not in text
