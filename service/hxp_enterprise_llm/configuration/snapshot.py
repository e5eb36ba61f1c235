"""One configuration as it counts: a frozen model, where its values come from, who made it so."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, KeyPath
from hxp_enterprise_llm.configuration.merge import Origin

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.explain import Explanation
    from hxp_enterprise_llm.configuration.secrets import Secret

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True)
class Snapshot(Generic[ModelT]):
    """An immutable configuration. Whoever works with one keeps it to the end of that work.

    Attributes:
        config: The model.
        text: The same as canonical JSON: defaults filled in, secrets as references.
        origins: Where each written key was written.
        revision: SHA-256 of the canonical document: equal configurations have equal revisions.
        number: Counts the snapshots of one manager; clocks may jump, this does not.
        made_at: When it was made, by the wall clock, in UTC.
        actor: Who made it so.
        reason: Why.
        approver: Who approved it, for dangerous changes.
        said: SHA-256 of what the sources wrote, whatever a model makes of it.
        holds: After a rollback, what the sources had `said`: that is held back.
        warnings: What validation had to say.
        secrets: Reference → value; shows nothing in logs.
    """

    config: ModelT
    text: bytes = field(repr=False)
    origins: Mapping[KeyPath, Origin] = field(repr=False)
    revision: str
    number: int
    made_at: datetime
    actor: str = ""
    reason: str = ""
    approver: str | None = None
    said: str = ""
    holds: str = ""
    warnings: tuple[Diagnostic, ...] = ()
    secrets: Mapping[str, Secret] = field(default_factory=dict, repr=False)

    @property
    def document(self) -> dict[str, Any]:
        """Return the configuration as plain data; the data is the caller's own."""
        document: dict[str, Any] = json.loads(self.text)
        return document

    def secret(self, reference: str) -> Secret:
        """Return the value behind a reference of this configuration.

        Raises:
            KeyError: The configuration has no such reference, or nobody resolves secrets here.
        """
        return self.secrets[reference]

    def has_secrets_of(self, other: Snapshot[ModelT]) -> bool:
        """Return whether all references have the same values in both."""
        return self.secrets.keys() == other.secrets.keys() and all(
            secret.reveal() == other.secrets[reference].reveal()
            for reference, secret in self.secrets.items()
        )

    def explain(self, path: str = "") -> list[Explanation]:
        """Return value, source, file, line, revision, actor and what was overridden.

        Args:
            path: Keys joined by dots; every key of the document when empty.

        Raises:
            CitadelError: There is no such key; names the nearest.
        """
        from hxp_enterprise_llm.configuration.explain import explanations

        return explanations(self.document, self.origins, type(self.config), path)


def document_of(config: BaseModel) -> dict[str, Any]:
    """Return a model as plain data of JSON's types, by the keys that stand in files."""
    document: dict[str, Any] = config.model_dump(mode="json", by_alias=True)
    return document


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return the one JSON text of a document: keys sorted, no spaces, UTF-8."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def revision_of(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical document, as hex digits."""
    return hash_of(canonical(document))


def hash_of(text: bytes) -> str:
    """Return the SHA-256 of a canonical document."""
    return hashlib.sha256(text).hexdigest()
