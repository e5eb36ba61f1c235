"""References to secrets: of a kind that can be resolved today."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.configuration.fields import is_secret
from hxp_enterprise_llm.configuration.rules.registry import Finding, Rule, Subject, add, rule
from hxp_enterprise_llm.schemas.reference import scheme

UNRESOLVED = "C341"


def references(model: BaseModel, at: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yield every reference to a secret with its path."""
    for name, field in type(model).model_fields.items():
        value: Any = getattr(model, name)
        path = (*at, field.alias or name)
        if isinstance(value, BaseModel):
            yield from references(value, path)
        elif isinstance(value, str) and is_secret(field):
            yield path, value


@rule(
    "C340",
    "A reference to a secret is of a kind that can be resolved.",
    "`generated:` values lie sealed under .citadel/, `file:` and `env:` are read on the operator's "
    "machine. `vault:` is reserved until Vault is part of an environment.",
)
def vault_reference(subject: Subject) -> Iterator[Finding]:
    """Find references that nothing resolves yet."""
    for path, reference in references(subject.environment):
        if scheme(reference) == "vault":
            yield Finding(
                path,
                "Vault is not available yet.",
                "Write generated:NAME, file:PATH or env:NAME.",
            )


add(
    Rule(
        UNRESOLVED,
        "A reference to a secret has a value on the machine that brings the environment up.",
        "`citadel up` and `plan` look before anything is made: a `file:` is there, not empty and "
        "closed to others (mode 0600; a relative path starts at the checkout), an `env:` is set. "
        "`citadel config` does not look, since it may run elsewhere.",
        "error",
        waivable=False,
        check=None,
    )
)
