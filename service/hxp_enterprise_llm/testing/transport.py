"""A double of a server that is asked over HTTP, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import Enum
from typing import Final

from hxp_enterprise_llm.core.exceptions import DependencyError
from hxp_enterprise_llm.utilities.http import Reply


class Silence(Enum):
    """No answer."""

    SILENT = "silent"


SILENT: Final = Silence.SILENT
"""The answer of a server that takes a request and says nothing more."""
Answer = Reply | bytes | Exception | Silence


class TransportDouble:
    """Answers as it is told; what it does not know is 404, as of a server.

    Args:
        answers: Path → answer: bytes are a body with status 200, an error is raised, `SILENT` lets
            the caller wait until its time is over.

    Attributes:
        answers: May be changed at any time.
        asked: The paths, in the order in which they were asked for.
        closed: How often it was closed.
    """

    def __init__(self, answers: Mapping[str, Answer] | None = None) -> None:
        self.answers = dict(answers or {})
        self.asked: list[str] = []
        self.closed = 0

    async def get(self, path: str, *, timeout: float) -> Reply:  # noqa: ASYNC109 # the interface's
        """Return the answer to a GET.

        Raises:
            DependencyError: There was none in time.
        """
        self.asked.append(path)
        answer = self.answers.get(path, Reply(404, b""))
        # Whoever asks gives others their turn, as on a network.
        await asyncio.sleep(timeout if answer is SILENT else 0)
        if isinstance(answer, Silence):
            raise DependencyError(
                f"GET {path}: no answer within {timeout:g} s", next_step="This is a double."
            )
        if isinstance(answer, Exception):
            raise answer
        return Reply(200, answer) if isinstance(answer, bytes) else answer

    async def close(self) -> None:
        """Count."""
        self.closed += 1
