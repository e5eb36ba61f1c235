"""A probe that hangs holds nobody up."""

from __future__ import annotations

import asyncio

import pytest

from hxp_enterprise_llm.configuration.service.lately import Lately
from hxp_enterprise_llm.core.exceptions import DependencyError


class Store:
    """Answers when it is let, and counts who asks."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = 0

    async def check(self) -> str:
        self.asked += 1
        await self.answers.wait()
        return f"answer {self.asked}"


async def test_who_asks_waits_a_moment_and_is_told_what_was_known_last() -> None:
    store = Store()
    lately = Lately(store.check, 0.01)
    assert await lately.check() == "answer 1"
    store.answers.clear()
    for _ in range(3):
        with pytest.raises(DependencyError, match=r"no answer within 0\.01 s.*answer 1"):
            await lately.check()
    assert store.asked == 2, "one question at a time"
    store.answers.set()
    assert await lately.check() == "answer 2"
    assert await lately.check() == "answer 3"


async def test_the_end_leaves_no_question_open() -> None:
    store = Store()
    store.answers.clear()
    lately = Lately(store.check, 0.01)
    await lately.end()
    with pytest.raises(DependencyError):
        await lately.check()
    await lately.end()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_failure_is_told_as_it_is() -> None:
    async def away() -> str:
        raise DependencyError("away")

    with pytest.raises(DependencyError, match=r"^away"):
        await Lately(away).check()
