from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxp_enterprise_llm.schemas.base import parse_bytes, parse_seconds

UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
TIMES = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


@given(st.integers(0, 10**6), st.sampled_from(sorted(UNITS)))
def test_a_size_is_its_number_times_its_unit(number: int, unit: str) -> None:
    assert parse_bytes(f"{number}{unit}") == number * UNITS[unit]
    assert parse_bytes(f" {number} {unit} ") == number * UNITS[unit]


@given(st.integers(0, 10**6), st.sampled_from(sorted(TIMES)))
def test_a_duration_is_its_number_times_its_unit(number: int, unit: str) -> None:
    assert parse_seconds(f"{number}{unit}") == pytest.approx(number * TIMES[unit])


@given(st.integers(0, 2**60))
def test_numbers_pass_as_bytes_and_as_seconds(number: int) -> None:
    assert parse_bytes(number) == number
    assert parse_seconds(number) == number


@given(st.text(max_size=12))
def test_any_other_text_is_refused_and_never_echoed(text: str) -> None:
    if re.fullmatch(r"\s*\d+(\.\d+)?\s*(B|KiB|MiB|GiB|TiB)?\s*", text):
        return
    with pytest.raises(ValueError, match="write a size such as 512MiB or 8GiB"):
        parse_bytes(text)


@given(st.text(max_size=12))
def test_a_duration_needs_its_unit(text: str) -> None:
    if re.fullmatch(r"\s*\d+(\.\d+)?\s*(ms|s|m|h|d)\s*", text):
        return
    with pytest.raises(ValueError, match="write a duration such as 200ms, 30s or 5m"):
        parse_seconds(text)


@pytest.mark.parametrize("value", [True, False, -1, -0.5, float("inf"), float("nan")])
def test_switches_negative_and_endless_numbers_are_neither_sizes_nor_durations(value: Any) -> None:
    with pytest.raises(ValueError, match="write a size"):
        parse_bytes(value)
    with pytest.raises(ValueError, match="write a duration"):
        parse_seconds(value)


@pytest.mark.parametrize("text", ["8GB", "8gib", "-1GiB", "1,5GiB", "GiB", "", "1e9"])
def test_decimal_units_signs_and_bare_units_are_refused_as_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="write a size"):
        parse_bytes(text)
