"""References to secrets: what stands in the tree instead of a value (D8)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

SCHEMES = ("vault", "aws", "kubernetes", "credential", "file", "env", "generated")
_FORM = re.compile(rf"({'|'.join(SCHEMES)}):[^\s\"'\\\x00-\x1f\x7f]+")


def is_reference(value: str) -> bool:
    """Return whether a text is a reference to a secret: what else stands there may be one."""
    return _FORM.fullmatch(value) is not None


def _check(value: str) -> str:
    if not is_reference(value):
        raise ValueError(
            "write a reference (generated:NAME, file:PATH, env:NAME, credential:NAME, "
            "vault:MOUNT/PATH#KEY, aws:NAME#KEY or kubernetes:NAMESPACE/NAME#KEY), "
            "never the secret itself"
        )
    return value


@dataclass(frozen=True)
class SecretMark:
    """Marks a field that holds a reference to a secret, for those who walk the models."""


def scheme(reference: str) -> str:
    """Return the part before the colon, one of `SCHEMES`."""
    return reference.partition(":")[0]


_SCHEMA: dict[str, Any] = {
    "type": "string",
    "pattern": rf"^({'|'.join(SCHEMES)}):[^\s\"'\\]+$",
}
SecretReference = Annotated[str, AfterValidator(_check), WithJsonSchema(_SCHEMA), SecretMark()]
