"""Old names that still work: they warn, say what to use instead, and have an end.

The policy is docs/concepts/versions.md.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar, cast

from hxp_enterprise_llm import __version__

T = TypeVar("T", bound=Callable[..., Any])


class DeprecatedFeature(FutureWarning):
    """Something of ours will go; shown by default, since operators are to see it too."""


@dataclass(frozen=True)
class Deprecation:
    """What goes, when, and what comes in its place.

    Attributes:
        name: What goes.
        since: Version that deprecated it.
        removed_in: Major version that has it no more, such as `4.0.0`.
        instead: What to use.

    Raises:
        ValueError: It ends in no later major version, or its end has come.
    """

    name: str
    since: str
    removed_in: str
    instead: str

    def __post_init__(self) -> None:
        since, end = _version(self.since), _version(self.removed_in)
        if end[0] <= since[0] or end[1:] != (0, 0):
            raise ValueError(f"{self.name}: what is deprecated goes in a later major version")
        if end <= _version(__version__):
            raise ValueError(f"{self.name} was to go in {self.removed_in}: remove it")

    def warn(self, *, depth: int = 2) -> None:
        """Warn the caller that many frames up."""
        warnings.warn(str(self), DeprecatedFeature, stacklevel=depth + 1)

    def __str__(self) -> str:
        return (
            f"{self.name} is deprecated since {self.since} and goes in {self.removed_in}; "
            f"use {self.instead}"
        )


def deprecated(*, since: str, removed_in: str, instead: str) -> Callable[[T], T]:
    """Decorate a function, async or not, or a class that will go.

    Args:
        since: Version that deprecates it.
        removed_in: Major version that has it no more.
        instead: What to use.
    """

    def decorate(target: T) -> T:
        notice = Deprecation(target.__qualname__, since, removed_in, instead)
        target.__doc__ = f"{inspect.getdoc(target) or ''}\n\n.. deprecated:: {notice}".strip()
        wrap = _warning_class if isinstance(target, type) else _warning_function
        return cast("T", wrap(target, notice))

    return decorate


def moved(
    module: str, names: Mapping[str, str], *, since: str, removed_in: str
) -> Callable[[str], Any]:
    """Return a `__getattr__` for a module whose names have moved.

    Args:
        module: The old module's `__name__`.
        names: Old name → `new.module:name`.
        since: Version that moved them.
        removed_in: Major version that has the old names no more.
    """
    notices = {
        name: Deprecation(f"{module}.{name}", since, removed_in, new.replace(":", "."))
        for name, new in names.items()
    }

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        notices[name].warn()
        home, _, new = names[name].partition(":")
        return getattr(import_module(home), new)

    return get


def _warning_function(target: Any, notice: Deprecation) -> Any:
    @functools.wraps(target)
    def called(*args: Any, **kwargs: Any) -> Any:
        notice.warn()
        return target(*args, **kwargs)

    @functools.wraps(target)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        notice.warn()
        return await target(*args, **kwargs)

    return awaited if inspect.iscoroutinefunction(target) else called


def _warning_class(target: Any, notice: Deprecation) -> Any:
    made = target.__init__

    @functools.wraps(made)
    def warned(self: Any, *args: Any, **kwargs: Any) -> None:
        if type(self) is target:
            notice.warn()
        made(self, *args, **kwargs)

    target.__init__ = warned
    return target


def _version(text: str) -> tuple[int, int, int]:
    major, minor, patch = (int(part) for part in text.split("."))
    return major, minor, patch
