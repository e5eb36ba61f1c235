"""Parts of long lists: by page, or by a cursor that stays right while the list changes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from pydantic import Field, ValidationError, model_validator

from hxp_enterprise_llm.core.exceptions import InvalidInputError
from hxp_enterprise_llm.schemas.base import CitadelModel

ItemT = TypeVar("ItemT")
Scalar = str | int | float | bool | None
Key = Callable[[Any], tuple[Scalar, ...]]
"""Returns what an item is sorted by; the last part tells any two items apart."""
MOST = 1000
"""Items in one answer at most."""
DEEPEST = 10_000
"""Items that pages may skip; whoever goes further takes a cursor, which skips nothing."""


class PageRequest(CitadelModel):
    """Which page, and how long pages are."""

    page: int = Field(default=1, ge=1, description="Number of the page, counted from 1.")
    size: int = Field(default=50, ge=1, le=MOST, description="Items on a page.")

    @model_validator(mode="after")
    def _not_too_deep(self) -> PageRequest:
        if self.offset > DEEPEST:
            raise ValueError(f"the page lies behind {DEEPEST} items; go on with a cursor instead")
        return self

    @property
    def offset(self) -> int:
        """Return how many items come before the page."""
        return (self.page - 1) * self.size


class Page(CitadelModel, Generic[ItemT]):
    """One page of a list."""

    items: tuple[ItemT, ...] = Field(description="The items, in order.")
    page: int = Field(ge=1, description="Number of this page, counted from 1.")
    size: int = Field(ge=1, le=MOST, description="Items on a full page.")
    total: int = Field(ge=0, description="Items in the whole list.")

    @property
    def pages(self) -> int:
        """Return how many pages there are."""
        return -(-self.total // self.size)

    @property
    def has_more(self) -> bool:
        """Return whether another page follows."""
        return self.page < self.pages


class CursorRequest(CitadelModel):
    """Where to go on, and how many items are wanted."""

    cursor: str | None = Field(
        default=None, max_length=2048, description="From the last answer; absent: the beginning."
    )
    limit: int = Field(default=50, ge=1, le=MOST, description="Items in the answer.")


class CursorPage(CitadelModel, Generic[ItemT]):
    """A part of a list, and where to go on."""

    items: tuple[ItemT, ...] = Field(description="The items, in order.")
    next_cursor: str | None = Field(
        default=None, description="Give it with the next request; absent: this was the end."
    )


class Cursor(CitadelModel):
    """The last item that was given, by what the list is sorted by; opaque to callers."""

    after: tuple[Scalar, ...] = Field(min_length=1, description="Sort key of the last item.")
    query: str = Field(default="", description="Digest of the filter and order it belongs to.")

    def encode(self) -> str:
        """Return the cursor as a text that is safe in a URL."""
        document = json.dumps([self.query, *self.after], separators=(",", ":"))
        return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, *, query: str = "") -> Cursor:
        """Return the cursor of a text.

        Args:
            text: What the caller sent.
            query: Digest of the filter and order that it asks with now.

        Raises:
            InvalidInputError: It is no cursor, or one of another list.
        """
        try:
            document = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            cursor = cls(query=document[0], after=document[1:])
        except (
            binascii.Error,
            ValueError,
            RecursionError,
            TypeError,
            LookupError,
            ValidationError,
        ):
            raise _refused("the cursor is not one of ours") from None
        if cursor.query != query:
            raise _refused("the cursor belongs to another filter or order")
        return cursor


def digest(query: Any) -> str:
    """Return what binds a cursor to a filter and an order, given as plain data."""
    text = json.dumps(query, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def page_of(items: Sequence[ItemT], request: PageRequest) -> Page[ItemT]:
    """Return one page of a list that is held whole."""
    part = tuple(items[request.offset : request.offset + request.size])
    return Page(items=part, page=request.page, size=request.size, total=len(items))


def part_of(
    items: Sequence[ItemT], request: CursorRequest, *, key: Key, query: str = ""
) -> CursorPage[ItemT]:
    """Return the part of a list behind a cursor; what comes and goes meanwhile shifts nothing.

    Args:
        items: The whole list, in any order.
        request: Where to go on.
        key: What the list is sorted by; each place of it has one type.
        query: Digest of the filter and order; a cursor of another one is refused.

    Raises:
        InvalidInputError: The cursor is not one of this list.
    """
    ordered = sorted(items, key=key)
    if request.cursor is not None:
        after = Cursor.decode(request.cursor, query=query).after
        try:
            ordered = [item for item in ordered if key(item) > after]
        except TypeError:
            raise _refused("the cursor is not one of this list") from None
    part = tuple(ordered[: request.limit])
    more = len(ordered) > request.limit
    cursor = Cursor(after=key(part[-1]), query=query).encode() if more else None
    return CursorPage(items=part, next_cursor=cursor)


def _refused(message: str) -> InvalidInputError:
    return InvalidInputError(message, next_step="Begin again without a cursor.")
