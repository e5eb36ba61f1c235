"""One id that joins all log lines of a request, across tasks and services."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

TRACEPARENT = "traceparent"
REQUEST_ID = "x-request-id"
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_CURRENT: ContextVar[Correlation | None] = ContextVar("correlation", default=None)

Hex = Callable[[int], str]
"""Returns that many random bytes in hexadecimal digits."""


@dataclass(frozen=True)
class Correlation:
    """What joins the log lines of one request.

    Attributes:
        request_id: The caller's id, or the trace id.
        trace_id: 32 hexadecimal digits, as W3C Trace Context has it.
        span_id: 16 hexadecimal digits: this service's part of the trace.
        flags: Two hexadecimal digits, handed on as they came.
    """

    request_id: str
    trace_id: str
    span_id: str
    flags: str = "00"

    def headers(self, *, hexadecimal: Hex = secrets.token_hex) -> dict[str, str]:
        """Return headers for a call to another service: the same trace, a span of its own."""
        span = hexadecimal(8)
        return {
            TRACEPARENT: f"00-{self.trace_id}-{span}-{self.flags}",
            REQUEST_ID: self.request_id,
        }


def current() -> Correlation | None:
    """Return the correlation that the current task was bound to, if any."""
    return _CURRENT.get()


@contextmanager
def bound(correlation: Correlation) -> Iterator[Correlation]:
    """Join what happens within, tasks that start there included, to one correlation."""
    token = _CURRENT.set(correlation)
    try:
        yield correlation
    finally:
        _CURRENT.reset(token)


def accept(
    headers: Mapping[str, str] | None = None, *, hexadecimal: Hex = secrets.token_hex
) -> Correlation:
    """Return the correlation of a request that came in; a new one where it names none.

    A header of another form than the standard's is not believed, since it would end up in logs.

    Args:
        headers: Names in small letters.
        hexadecimal: Source of random ids.
    """
    given = headers or {}
    traceparent, asked = given.get(TRACEPARENT, ""), given.get(REQUEST_ID, "")
    trace = _parse(traceparent) if traceparent else None
    trace_id, flags = trace or (hexadecimal(16), "00")
    request_id = asked if asked and _REQUEST_ID.fullmatch(asked) else trace_id
    return Correlation(request_id, trace_id, hexadecimal(8), flags)


def child(parent: Correlation, *, hexadecimal: Hex = secrets.token_hex) -> Correlation:
    """Return a correlation for a part of the work: the same trace and request, a new span."""
    return replace(parent, span_id=hexadecimal(8))


def _parse(header: str) -> tuple[str, str] | None:
    """Return trace id and flags of a traceparent header, or None where it is not valid."""
    match = _TRACEPARENT.fullmatch(header.strip())
    if match is None:
        return None
    version, trace, parent, flags, rest = match.groups()
    # Version 00 ends after the flags; ff is never valid; ids of zeros mean "none".
    if version == "ff" or (version == "00" and rest):
        return None
    if not trace.strip("0") or not parent.strip("0"):
        return None
    return trace, flags
