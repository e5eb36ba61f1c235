"""Threads of a manager's own: a disk or a mount that hangs holds up these, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_MOST = 4
"""A call that hangs keeps its thread, also when nobody waits for it any more."""


class Threads:
    """A few threads; with all of them taken, calls wait.

    Args:
        name: What the threads are called.
        most: How many there may be.
    """

    def __init__(self, name: str, most: int = _MOST) -> None:
        # Whoever only reads an environment waits for neither of the imports here.
        from concurrent.futures import ThreadPoolExecutor

        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in one of them."""
        import asyncio

        call = partial(copy_context().run, partial(function, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Let `in_thread` use these within the block."""
        token = _USED.set(self)
        try:
            yield
        finally:
            _USED.reset(token)


_USED: ContextVar[Threads | None] = ContextVar("threads", default=None)


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread of the manager that asks; for sources, which may hang.

    Without a manager it is a thread of the event loop, as with `asyncio.to_thread`.
    """
    threads = _USED.get()
    if threads is None:
        import asyncio

        return await asyncio.to_thread(function, *args, **kwargs)
    return await threads.run(function, *args, **kwargs)
