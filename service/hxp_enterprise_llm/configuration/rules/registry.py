"""A rule, what it looks at, what it finds, and where all rules are kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from hxp_enterprise_llm.configuration.diagnostics import KeyPath, Severity
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.models import Model
from hxp_enterprise_llm.schemas.waivers import Waiver

PAGE = "docs/reference/rules.md"


class Judged(Protocol):
    """What rules of any kind look at: a document with its waivers, on a day."""

    @property
    def today(self) -> date:
        """Return the day that waivers are held against."""

    @property
    def waivers(self) -> tuple[Waiver, ...]:
        """Return the document's waivers."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What rules look at; `written` are the keys that a file wrote, the others are defaults."""

    name: str
    environment: Environment
    today: date
    lock_versions: dict[str, str] = field(default_factory=dict)
    written: Collection[KeyPath] = ()

    @property
    def waivers(self) -> tuple[Waiver, ...]:
        """Return the environment's waivers."""
        return self.environment.waivers

    def served(self) -> Iterator[tuple[str, Model]]:
        """Yield the enabled models with their names."""
        for name, model in self.environment.models.items():
            if model.enabled:
                yield name, model


@dataclass(frozen=True, slots=True)
class Finding:
    """A key that breaks a rule; `fix` says what to write instead."""

    path: KeyPath
    message: str
    fix: str


Check = Callable[[Any], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the registry.

    Attributes:
        id: C and three digits; never used again for another rule.
        title: What must hold, in one sentence.
        why: Why, and what to do; the text of the docs page.
        severity: An error refuses the environment; a warning is shown.
        waivable: Whether section `waivers` may except a key from it.
        check: Finds what breaks it; None for what loading itself finds.
        about: The kind of subject that it looks at; `object` for all.
    """

    id: str
    title: str
    why: str
    severity: Severity
    waivable: bool
    check: Check | None
    about: type = Subject

    @property
    def page(self) -> str:
        """Return the place of its docs."""
        return f"{PAGE}#{self.id.lower()}"


REGISTRY: dict[str, Rule] = {}


def rule(
    identity: str,
    title: str,
    why: str,
    *,
    severity: Severity = "error",
    waivable: bool = False,
    about: type = Subject,
) -> Callable[[Check], Check]:
    """Register the decorated check as a rule."""

    def register(check: Check) -> Check:
        add(Rule(identity, title, why, severity, waivable, check, about))
        return check

    return register


def add(new: Rule) -> None:
    """Put a rule into the registry.

    Raises:
        ValueError: Its id is taken.
    """
    if new.id in REGISTRY:
        raise ValueError(f"rule {new.id} stands twice in the registry")
    REGISTRY[new.id] = new
