"""Who may do what to which secrets: a list of rules, and what none of them allows is refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Protocol

from hxp_enterprise_llm.configuration.secrets.errors import AccessDeniedError


class Verb(StrEnum):
    """What is done to a secret."""

    READ = "read"
    LIST = "list"
    WRITE = "write"
    ROTATE = "rotate"
    BACKUP = "backup"


class Access(Protocol):
    """Decides on access."""

    def allowed(self, actor: str, verb: Verb, path: str) -> bool:
        """Return whether an actor may do that to a path, written `SCHEME:PATH`."""


@dataclass(frozen=True)
class AccessRule:
    """Allows some actors some verbs on some paths.

    Attributes:
        actors: Pattern of actors: `gateway`, `role:*`, `*`.
        paths: Pattern of addresses `SCHEME:PATH`; `*` goes over `/`.
        verbs: What is allowed; all when empty.
    """

    actors: str
    paths: str
    verbs: frozenset[Verb] = frozenset()


class Rules:
    """Allows what a rule allows and nothing else.

    Args:
        rules: The rules; none refuse everything.
    """

    def __init__(self, *rules: AccessRule) -> None:
        self._rules = rules

    def allowed(self, actor: str, verb: Verb, path: str) -> bool:
        """Return whether a rule allows it."""
        return bool(actor) and any(
            fnmatchcase(actor, rule.actors)
            and fnmatchcase(path, rule.paths)
            and (not rule.verbs or verb in rule.verbs)
            for rule in self._rules
        )


EVERYTHING = Rules(AccessRule("*", "*"))
"""For one's own machine, where who reads the key ring may read all anyway."""


def denied(actor: str, verb: Verb, path: str) -> AccessDeniedError:
    """Return the error of a refusal."""
    return AccessDeniedError(
        f"{actor or 'nobody'} may not {verb} secret {path}",
        next_step="Ask for a rule that allows it; the refusal stands in the audit log.",
    )
