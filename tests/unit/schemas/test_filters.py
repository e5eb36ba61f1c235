"""A filter says the same of an item as its SQL does, and no text of a caller gets into that."""

from __future__ import annotations

import re
import sqlite3
from enum import StrEnum
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from hxp_enterprise_llm.core.exceptions import InvalidInputError
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.filters import Filter, Filterable, Sort, order_by


class State(StrEnum):
    """States of an item."""

    READY = "ready"
    GONE = "gone"


class Item(CitadelModel):
    """What is listed."""

    name: str
    size: Annotated[int, Field(ge=0)] = 0
    state: State = State.READY
    live: bool = True
    owner: str | None = None
    hidden: str = "hunter2"


FIELDS = ("name", "size", "state", "live", "owner")
COLUMNS = {name: f"items.{name}" for name in FIELDS}
LISTED = Filterable(Item, FIELDS)
# What LIKE and quotes make of it is what could go wrong.
TEXTS = st.text(alphabet="aB%_\\'\";$1- é", max_size=6)


def matching(query: dict[str, str], *items: Item) -> list[str]:
    found = LISTED.parse(query)
    return [item.name for item in items if found.matches(item)]


A, B = Item(name="alpha", size=1, owner="ada"), Item(name="beta", size=10, state=State.GONE)


@pytest.mark.feature("SC-07")
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["alpha", "beta"]),
        ({"name": "alpha"}, ["alpha"]),
        ({"name[eq]": "alpha"}, ["alpha"]),
        ({"name[ne]": "alpha"}, ["beta"]),
        ({"size[lt]": "10"}, ["alpha"]),
        ({"size[le]": "10"}, ["alpha", "beta"]),
        ({"size[gt]": "1"}, ["beta"]),
        ({"size[ge]": "10"}, ["beta"]),
        ({"name[in]": "alpha,gamma"}, ["alpha"]),
        ({"name[contains]": "et"}, ["beta"]),
        ({"name[starts-with]": "al"}, ["alpha"]),
        ({"name[starts-with]": "ta"}, []),
        ({"state": "gone"}, ["beta"]),
        ({"live": "true", "size[ge]": "2"}, ["beta"]),
        ({"owner": "ada"}, ["alpha"]),
        ({"owner[ne]": "ada"}, ["beta"]),
        ({"owner[contains]": ""}, ["alpha"]),
    ],
)
def test_every_operator_compares_typed_values(query: dict[str, str], names: list[str]) -> None:
    assert matching(query, A, B) == names


@pytest.mark.feature("SC-07", "SC-06")
@pytest.mark.parametrize(
    "query",
    [
        {"hidden": "hunter2"},
        {"nope": "x"},
        {"__class__": "x"},
        {"name; DROP TABLE items": "x"},
        {"name[like]": "x"},
        {"name[": "x"},
        {"size": "much"},
        {"size": "-1"},
        {"size[contains]": "1"},
        {"live[lt]": "true"},
        {"state": "hunter2"},
        {"name": "a\0b"},
        {"name[in]": ",".join(["x"] * 101)},
        {f"name{number}": "x" for number in range(21)},
    ],
)
def test_what_is_not_released_or_of_another_type_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError) as error:
        LISTED.parse(query)
    assert "hunter2" not in str(error.value)
    assert "DROP" not in str(error.value)


@pytest.mark.feature("SC-07")
def test_an_order_is_of_released_fields_each_once() -> None:
    order = LISTED.sort("-size,name")
    assert order == (Sort(field="size", descending=True), Sort(field="name"))
    assert order_by(order, COLUMNS) == "items.size DESC, items.name ASC"
    assert order_by(LISTED.sort(""), COLUMNS) == ""
    for wrong in ("hidden", "size,-size", "size;", "--size"):
        with pytest.raises(InvalidInputError):
            LISTED.sort(wrong)


@pytest.mark.feature("SC-07")
def test_columns_are_ours_and_still_checked() -> None:
    with pytest.raises(ValueError, match="not the name of a column"):
        LISTED.parse({"name": "x"}).where({"name": "name; --"})
    with pytest.raises(ValueError, match="not the name of a column"):
        order_by((Sort(field="name"),), {"name": 'na"me'})


@pytest.mark.feature("SC-07")
def test_a_query_has_numbers_for_values() -> None:
    where = LISTED.parse({"name[in]": "a,b", "owner[ne]": "x"}).where(COLUMNS, first=3)
    assert where.sql == "items.name = ANY($3) AND items.owner IS DISTINCT FROM $4"
    assert where.values == (["a", "b"], "x")
    assert Filter().where(COLUMNS).sql == "TRUE"


@pytest.mark.feature("SC-07", "SC-06")
@given(
    st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge", "contains", "starts-with"]),
    TEXTS,
    st.lists(st.tuples(TEXTS, st.none() | TEXTS), max_size=8),
)
def test_a_database_finds_what_the_filter_finds(
    operator: str, text: str, rows: list[tuple[str, str | None]]
) -> None:
    found = LISTED.parse({f"name[{operator}]": text, f"owner[{operator}]": text})
    where = found.where(COLUMNS)
    assert re.fullmatch(r"[a-z.A-Z$<>= '\\0-9]+", where.sql)
    assert where.sql.count("$") == 2
    items = [Item(name=name, owner=owner) for name, owner in rows]
    expected = [number for number, item in enumerate(items) if found.matches(item)]
    assert _selected(where.sql, where.values, rows) == expected


def _selected(sql: str, values: tuple[Any, ...], rows: list[tuple[str, str | None]]) -> list[int]:
    with sqlite3.connect(":memory:") as database:
        database.execute("PRAGMA case_sensitive_like = ON")
        database.execute("CREATE TABLE items (number INTEGER, name TEXT, owner TEXT)")
        database.executemany(
            "INSERT INTO items VALUES (?, ?, ?)",
            [(number, *row) for number, row in enumerate(rows)],
        )
        numbered = {str(number): value for number, value in enumerate(values, start=1)}
        query = f"SELECT number FROM items WHERE {sql} ORDER BY number"
        selected = [row[0] for row in database.execute(query, numbered)]
    database.close()
    return selected
