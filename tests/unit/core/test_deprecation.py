"""Old names work, warn, name what to use and when they go; what is overdue cannot stay."""

from __future__ import annotations

import inspect
import re
import warnings
from pathlib import Path

import pytest

from hxp_enterprise_llm import __version__
from hxp_enterprise_llm.core.deprecation import (
    DeprecatedFeature,
    Deprecation,
    deprecated,
    moved,
)

pytestmark = pytest.mark.feature("CO-12")

ROOT = Path(__file__).resolve().parents[3]


@deprecated(since="3.1.0", removed_in="4.0.0", instead="new()")
def old(number: int) -> int:
    """Double it."""
    return 2 * number


@deprecated(since="3.1.0", removed_in="4.0.0", instead="new()")
async def old_async(number: int) -> int:
    return 2 * number


@deprecated(since="3.1.0", removed_in="4.0.0", instead="New")
class Old:
    def __init__(self, number: int) -> None:
        self.number = number


class Younger(Old):
    pass


def test_a_function_works_and_warns_where_it_is_called() -> None:
    with pytest.warns(DeprecatedFeature) as caught:
        assert old(2) == 4
    assert str(caught[0].message) == "old is deprecated since 3.1.0 and goes in 4.0.0; use new()"
    assert caught[0].filename == __file__
    assert (old.__name__, "Double it." in (old.__doc__ or "")) == ("old", True)
    assert "deprecated:: old is deprecated since 3.1.0" in (old.__doc__ or "")


async def test_an_async_function_stays_one() -> None:
    assert inspect.iscoroutinefunction(old_async)
    with pytest.warns(DeprecatedFeature, match="old_async"):
        assert await old_async(2) == 4


def test_a_class_warns_when_it_is_made_and_its_subclasses_do_not() -> None:
    with pytest.warns(DeprecatedFeature, match="use New") as caught:
        assert Old(3).number == 3
    assert caught[0].filename == __file__
    with warnings.catch_warnings(record=True) as none:
        assert Younger(3).number == 3
    assert not none


def test_the_warning_is_shown_by_default() -> None:
    assert issubclass(DeprecatedFeature, FutureWarning)


def test_names_that_moved_are_found_with_a_warning() -> None:
    get = moved(
        "old.module",
        {"OldState": "hxp_enterprise_llm.core.lifecycle:State"},
        since="3.1.0",
        removed_in="4.0.0",
    )
    from hxp_enterprise_llm.core.lifecycle import State

    with pytest.warns(DeprecatedFeature, match=r"use hxp_enterprise_llm\.core\.lifecycle\.State"):
        assert get("OldState") is State
    with pytest.raises(AttributeError, match=r"'old\.module' has no attribute 'other'"):
        get("other")


@pytest.mark.parametrize(
    ("since", "end", "why"),
    [
        ("3.1.0", "3.2.0", "a later major version"),
        ("3.1.0", "4.1.0", "a later major version"),
        ("2.0.0", "3.0.0", "remove it"),
    ],
)
def test_what_breaks_the_policy_cannot_be_declared(since: str, end: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Deprecation("x", since, end, "y")


def test_the_policy_and_the_release_notes_name_the_current_version() -> None:
    policy = (ROOT / "docs/concepts/versions.md").read_text()
    for word in ("Semantic Versioning", "deprecated", "major", "migrate-versions.md"):
        assert word in policy
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## {re.escape(__version__)}\b", changelog, re.MULTILINE)
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()
    guide = (ROOT / "docs/how-to/migrate-versions.md").read_text()
    assert "DeprecatedFeature" in guide
