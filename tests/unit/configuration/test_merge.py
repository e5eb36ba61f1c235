from __future__ import annotations

import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hxp_enterprise_llm.configuration.document import Document, read_document
from hxp_enterprise_llm.configuration.merge import merge, merge_origins, value_at

KEYS = st.sampled_from(["a", "b", "c"])
SCALARS = st.none() | st.booleans() | st.integers() | st.text("xyz", max_size=3)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3),
    max_leaves=12,
)
SAME_SHAPE = st.dictionaries(KEYS, st.dictionaries(KEYS, st.integers(), max_size=3), max_size=3)
MAPS = st.dictionaries(KEYS, VALUES, max_size=3)


@given(MAPS)
def test_merging_with_itself_or_with_nothing_changes_nothing(document: dict[str, Any]) -> None:
    assert merge(document, document) == document
    assert merge({}, document) == document
    assert merge(document, {}) == document


@given(SAME_SHAPE, SAME_SHAPE, SAME_SHAPE)
def test_files_of_one_shape_merge_alike_in_either_grouping(
    first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]
) -> None:
    assert merge(merge(first, second), third) == merge(first, merge(second, third))


@given(MAPS, MAPS)
def test_every_leaf_of_the_upper_file_is_in_the_result(
    base: dict[str, Any], over: dict[str, Any]
) -> None:
    merged = merge(base, over)
    for path, value in _leaves(over, ()):
        assert value_at(merged, path) == value


@given(MAPS, MAPS)
def test_keys_of_the_lower_file_stay_unless_the_upper_one_has_them(
    base: dict[str, Any], over: dict[str, Any]
) -> None:
    merged = merge(base, over)
    assert merged.keys() == base.keys() | over.keys()
    assert all(merged[key] == base[key] for key in base.keys() - over.keys())


@given(MAPS, MAPS)
def test_merging_changes_neither_of_its_inputs(base: dict[str, Any], over: dict[str, Any]) -> None:
    before = deepcopy((base, over))
    merge(base, over)
    assert (base, over) == before


@given(MAPS, MAPS)
def test_every_key_of_the_result_has_an_origin_in_the_file_that_wrote_it(
    base: dict[str, Any], over: dict[str, Any]
) -> None:
    lower, upper = _document("lower.yaml", base), _document("upper.yaml", over)
    origins = merge_origins(merge_origins({}, {}, lower), base, upper)
    merged = merge(base, over)
    assert set(origins) == set(_paths(merged, ()))
    for path in upper.places:
        assert origins[path].place.file.name == "upper.yaml"


@pytest.mark.parametrize("over", [1, "x", [3], None, True])
def test_what_is_not_a_map_replaces_all_that_was_there(over: Any) -> None:
    assert merge({"a": {"b": [1, 2], "c": {"d": 1}}}, {"a": over}) == {"a": over}


def test_lists_are_replaced_and_never_joined() -> None:
    assert merge({"roles": ["a", "b"]}, {"roles": ["c"]}) == {"roles": ["c"]}


def test_an_origin_remembers_what_it_replaced_nearest_first(tmp_path: Path) -> None:
    files = []
    for number in (1, 2, 3):
        path = tmp_path / f"{number}.yaml"
        path.write_text("# comment\n" * number + f"a: {{b: {number}}}\n")
        files.append(read_document(path))
    data: dict[str, Any] = {}
    origins: Any = {}
    for document in files:
        origins = merge_origins(origins, data, document)
        data = merge(data, document.data)
    origin = origins[("a", "b")]
    assert (origin.place.file.name, origin.place.line) == ("3.yaml", 4)
    assert [(value, place.line) for place, value in origin.overrode] == [(2, 3), (1, 2)]


def test_origins_below_a_replaced_map_are_gone(tmp_path: Path) -> None:
    lower = _document("lower.yaml", {"a": {"b": 1}})
    upper = _document("upper.yaml", {"a": 5})
    assert set(merge_origins(merge_origins({}, {}, lower), lower.data, upper)) == {("a",)}


def _document(name: str, data: dict[str, Any]) -> Document:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(yaml.safe_dump(data))
        return read_document(path)


def _paths(data: Any, at: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    items: Any = data.items() if isinstance(data, dict) else ()
    items = enumerate(data) if isinstance(data, list) else items
    return [path for key, value in items for path in ((*at, key), *_paths(value, (*at, key)))]


def _leaves(data: Any, at: tuple[str | int, ...]) -> list[tuple[tuple[str | int, ...], Any]]:
    if isinstance(data, dict) and data:
        return [leaf for key, value in data.items() for leaf in _leaves(value, (*at, key))]
    return [(at, data)] if not isinstance(data, dict) else []
