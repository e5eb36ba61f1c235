"""Server-sent events of one document: what was missed, then what comes, until somebody is slow."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from hxp_enterprise_llm.configuration.revisions import Revision
from hxp_enterprise_llm.configuration.service.document import ServedDocument
from hxp_enterprise_llm.configuration.service.errors import LimitReachedError
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey

_UNBUFFERED = {"cache-control": "no-store", "x-accel-buffering": "no"}
_RETRY = b"retry: 2000\n\n"
_BEAT = b": still here\n\n"
_END = b"event: end\ndata: {}\n\n"
_MISSED = 100
"""Revisions that a reader who comes back is told one by one; of more, only the newest."""
_FEW = 16
"""Streams that everybody may have open; of more, one principal has at most half of all."""


class Feed:
    """What waits for one reader.

    Attributes:
        over: Nothing more comes: the reader was too slow, or the service ends.
    """

    def __init__(self, most: int) -> None:
        self._waiting: deque[Revision] = deque()
        self._most = most
        self._news = asyncio.Event()
        self.over = False

    def put(self, revision: Revision) -> None:
        """Add a revision; a reader for whom too many wait is cut."""
        if len(self._waiting) >= self._most:
            self._waiting.clear()
            self.end()
            return
        self._waiting.append(revision)
        self._news.set()

    def end(self) -> None:
        """Let nothing more come."""
        self.over = True
        self._news.set()

    async def next(self, seconds: float) -> Revision | None:
        """Return the next revision; None when none came in time, or nothing more comes."""
        if not self._waiting and not self.over:
            self._news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return None
        return self._waiting.popleft() if self._waiting else None


class Hub:
    """Hands revisions to all who watch.

    Args:
        most: Readers at once; one principal has half of them at most, so that others find room.
        buffer: Revisions that may wait for one reader.
        watching: Told how many readers there are; for a metric.
    """

    def __init__(self, *, most: int, buffer: int, watching: Callable[[int], None]) -> None:
        self._most, self._buffer, self._watching = most, buffer, watching
        self._feeds: dict[Feed, tuple[DocumentKey, str]] = {}
        self._closed = False

    def join(self, key: DocumentKey, principal: str) -> Feed:
        """Return the feed of one more reader; it counts until it leaves.

        Raises:
            LimitReachedError: There are as many readers as there may be, or the service ends.
        """
        if self._closed or len(self._feeds) >= self._most:
            raise LimitReachedError(
                f"{len(self._feeds)} readers watch, which is the limit",
                next_step="Ask again later, or another server.",
            )
        own = sum(whose == principal for _, whose in self._feeds.values())
        if own >= max(_FEW, self._most // 2):
            raise LimitReachedError(
                f"{own} readers of {principal} watch, which is the limit of one principal",
                next_step="Close some, ask another server, or raise limits.max_watchers.",
            )

        feed = Feed(self._buffer)
        self._feeds[feed] = (key, principal)
        self._watching(len(self._feeds))
        return feed

    def leave(self, feed: Feed) -> None:
        """Make room for another reader."""
        self._feeds.pop(feed, None)
        self._watching(len(self._feeds))

    def tell(self, key: DocumentKey, revision: Revision) -> None:
        """Hand a revision to all who watch its document."""
        for feed, (wanted, _) in self._feeds.items():
            if wanted == key:
                feed.put(revision)

    def close(self) -> None:
        """End all streams, so that a stopping server need not wait for them."""
        self._closed = True
        for feed in self._feeds:
            feed.end()


class EventStream(StreamingResponse):
    """Events as an answer; its reader leaves when it ends, however, and when it is never sent.

    Args:
        content: The events.
        leave: Makes room for another reader.
    """

    def __init__(self, content: AsyncIterator[bytes], leave: Callable[[], None]) -> None:
        super().__init__(content, media_type="text/event-stream", headers=_UNBUFFERED)
        self.leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.leave()


async def events(
    document: ServedDocument,
    feed: Feed,
    last: int | None,
    *,
    beat: float,
    allowed: Callable[[], Awaitable[bool]],
) -> AsyncIterator[bytes]:
    """Yield the events of one reader.

    Args:
        document: What is watched.
        feed: Joined before, so that nothing falls between what was and what comes.
        last: Number of the last revision that the reader knows; None for none.
        beat: Seconds between two signs of life.
        allowed: Asked before each event and after each beat: rights may be taken away meanwhile.
    """
    yield _RETRY
    sent = last if last is not None else 0
    newest = document.revision.number if document.revision is not None else 0
    # A reader that knows more than there is followed another history.
    sent = sent if sent <= newest else 0
    most = 1 if last is None or newest - sent > _MISSED else _MISSED
    for revision in await document.since(sent, most):
        yield event_of(revision)
        sent = revision.number
    while await allowed():
        told = await feed.next(beat)
        if told is not None and told.number > sent:
            if not await allowed():
                break
            yield event_of(told)
            sent = told.number
        elif feed.over:
            break
        elif told is None:
            yield _BEAT
    yield _END


def event_of(revision: Revision) -> bytes:
    """Return the event of a revision: who, when and why, without the document."""
    data = json.dumps(revision.as_data(), separators=(",", ":"))
    return f"id: {revision.number}\nevent: revision\ndata: {data}\n\n".encode()
