"""References to secrets: of a kind that can be resolved today."""

from __future__ import annotations

import re
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


_FORMS = {
    "vault": (re.compile(r"[^/#]+/[^#]*[^/#]#[^#]+"), "vault:MOUNT/PATH#KEY"),
    "aws": (re.compile(r"[^#]+(#[^#]+)?"), "aws:NAME or aws:NAME#KEY"),
    "kubernetes": (re.compile(r"[^/#]+/[^/#]+#[^#]+"), "kubernetes:NAMESPACE/NAME#KEY"),
    "credential": (re.compile(r"(?!\.\.?$)[^/#]+"), "credential:NAME"),
}


@rule(
    "C340",
    "A reference to a secret is of a kind that can be resolved.",
    "`generated:` values lie sealed under .citadel/; `file:`, `env:` and `credential:` are read on "
    "the operator's machine; `vault:MOUNT/PATH#KEY`, `aws:NAME#KEY` and "
    "`kubernetes:NAMESPACE/NAME#KEY` are asked for as the vendors' own tools are set up "
    "([Secrets](../concepts/secrets.md)).",
)
def reference_form(subject: Subject) -> Iterator[Finding]:
    """Find references that name no place in their backend."""
    for path, reference in references(subject.environment):
        form, written = _FORMS.get(scheme(reference), (None, ""))
        if form is not None and not form.fullmatch(reference.partition(":")[2]):
            yield Finding(path, f"{reference} does not name a secret.", f"Write {written}.")


add(
    Rule(
        UNRESOLVED,
        "A reference to a secret has a value on the machine that brings the environment up.",
        "`citadel up` and `plan` look before anything is made: a `file:` is there, not empty and "
        "closed to others (mode 0600; a relative path starts at the checkout), an `env:` is set, a "
        "`vault:`, `aws:` or `kubernetes:` answers. "
        "`citadel config` does not look, since it may run elsewhere.",
        "error",
        waivable=False,
        check=None,
    )
)
