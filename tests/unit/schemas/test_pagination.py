"""Lists are given in parts that fit together, whatever comes and goes meanwhile."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hxp_enterprise_llm.core.exceptions import InvalidInputError
from hxp_enterprise_llm.schemas.pagination import (
    Cursor,
    CursorPage,
    CursorRequest,
    Page,
    PageRequest,
    digest,
    page_of,
    part_of,
)

Item = tuple[str, int]


def key(item: Item) -> Item:
    return item


@pytest.mark.feature("SC-07")
@given(st.lists(st.integers(), max_size=40), st.integers(1, 7))
def test_pages_put_together_are_the_list(items: list[int], size: int) -> None:
    first = page_of(items, PageRequest(size=size))
    found: list[int] = []
    for number in range(1, max(first.pages, 1) + 1):
        page = page_of(items, PageRequest(page=number, size=size))
        assert page.total == len(items)
        assert page.has_more is (number < first.pages)
        found.extend(page.items)
    assert found == items
    assert page_of(items, PageRequest(page=first.pages + 1, size=size)).items == ()


@pytest.mark.feature("SC-07")
@given(st.sets(st.tuples(st.text(max_size=3), st.integers()), max_size=40), st.integers(1, 7))
def test_parts_put_together_are_the_list_in_order(items: set[Item], limit: int) -> None:
    found: list[Item] = []
    cursor: str | None = None
    for _ in range(len(items) + 1):
        part: CursorPage[Item] = part_of(
            list(items), CursorRequest(cursor=cursor, limit=limit), key=key
        )
        found.extend(part.items)
        cursor = part.next_cursor
        if cursor is None:
            break
    assert found == sorted(items)


@pytest.mark.feature("SC-07")
def test_nothing_is_skipped_or_given_twice_when_the_list_changes() -> None:
    items = [("a", 1), ("b", 2), ("d", 4), ("e", 5)]
    first: CursorPage[Item] = part_of(items, CursorRequest(limit=2), key=key)
    later = [("a", 0), ("c", 3), ("d", 4), ("e", 5)]
    rest: CursorPage[Item] = part_of(
        later, CursorRequest(cursor=first.next_cursor, limit=9), key=key
    )
    assert rest.items == (("c", 3), ("d", 4), ("e", 5))
    assert rest.next_cursor is None


@pytest.mark.feature("SC-07")
@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        (PageRequest, {"page": 0}),
        (PageRequest, {"size": 0}),
        (PageRequest, {"size": 1001}),
        (PageRequest, {"page": 1002, "size": 10}),
        (PageRequest, {"offset": 3}),
        (CursorRequest, {"limit": 1001}),
        (CursorRequest, {"limit": 0}),
        (CursorRequest, {"cursor": "a" * 2049}),
        (Page, {"items": [], "page": 1, "size": 1, "total": -1}),
    ],
)
def test_parts_have_limits(model: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(wrong)


@pytest.mark.feature("SC-07")
def test_a_page_may_skip_ten_thousand_items_and_no_more() -> None:
    assert PageRequest(page=1001, size=10).offset == 10_000
    with pytest.raises(ValidationError, match="cursor"):
        PageRequest(page=1002, size=10)


@pytest.mark.feature("SC-07")
def test_a_cursor_belongs_to_one_filter_and_order() -> None:
    query = digest({"filter": {"status": "ready"}, "sort": "name"})
    cursor = Cursor(after=("b", 2), query=query).encode()
    assert Cursor.decode(cursor, query=query).after == ("b", 2)
    with pytest.raises(InvalidInputError, match="another filter or order"):
        Cursor.decode(cursor, query=digest({"filter": {}, "sort": "name"}))
    part: CursorPage[Item] = part_of(
        [("a", 1), ("b", 2)], CursorRequest(limit=1), key=key, query=query
    )
    assert Cursor.decode(part.next_cursor or "", query=query).after == ("a", 1)


@pytest.mark.feature("SC-07")
@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.hex()))
def test_any_other_text_is_refused_as_a_cursor(text: str) -> None:
    with pytest.raises(InvalidInputError):
        Cursor.decode(text, query="0" * 16)


@pytest.mark.feature("SC-07")
@pytest.mark.parametrize("after", [[], [["a"]], [{}], ["a", {"b": 1}], [1, 2, 3], ["a", "b"]])
def test_a_cursor_of_another_form_is_refused(after: list[Any]) -> None:
    text = base64.urlsafe_b64encode(json.dumps(["", *after]).encode()).decode().rstrip("=")
    with pytest.raises(InvalidInputError):
        part_of([("a", 1), ("b", 2)], CursorRequest(cursor=text), key=key)
