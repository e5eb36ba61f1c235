"""Kinds of documents that are served, each with its model and its rules.

The environment file is none of them: it belongs to the controller and its checkout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pydantic import BaseModel

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.configuration.pipeline import Draft, Judge, Outcome
from hxp_enterprise_llm.configuration.service.errors import DocumentNotFoundError
from hxp_enterprise_llm.schemas.deployment import DeploymentConfigSchema
from hxp_enterprise_llm.schemas.factory import DEPLOYMENT, OURS
from hxp_enterprise_llm.schemas.gateway import GatewayConfig
from hxp_enterprise_llm.schemas.services import ServiceConfigSchema


@dataclass(frozen=True, order=True)
class DocumentKey:
    """A document: its kind and its name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> DocumentKey | None:
        """Return the key of `kind/name`; None of another text."""
        kind, mark, name = text.partition("/")
        return cls(kind, name) if mark and name and "/" not in name else None


@dataclass(frozen=True)
class Kind:
    """One kind of documents.

    Attributes:
        name: As it stands in paths: `ai-model`.
        model: What a document must be.
        named: The field that must say the document's own name; empty: none does.
        judge: Runs rules; None runs none.
    """

    name: str
    model: type[BaseModel]
    named: str = ""
    judge: Judge[Any] | None = None


def _today() -> date:
    return datetime.now(tz=UTC).date()


def rules(today: Callable[[], date] = _today) -> Judge[Any]:
    """Return what runs the rules about services and deployments over a document."""

    def judge(draft: Draft, config: BaseModel | None, refused: set[KeyPath]) -> Outcome:
        from hxp_enterprise_llm.configuration.check import check
        from hxp_enterprise_llm.configuration.rules.deployments import DeploymentSubject
        from hxp_enterprise_llm.configuration.rules.services import ServiceSubject

        if isinstance(config, ServiceConfigSchema):
            return check(ServiceSubject(config, today()), draft.place, refused)
        if isinstance(config, DeploymentConfigSchema):
            return check(DeploymentSubject(config, today()), draft.place, refused)
        return Outcome()

    return judge


def kinds(today: Callable[[], date] = _today) -> Mapping[str, Kind]:
    """Return all kinds by their names: those of services, deployments, and the gateway."""
    judge = rules(today)
    found = [
        Kind(
            name.replace("_", "-"),
            model,
            "deployment_name" if name == DEPLOYMENT else "service_name",
            judge,
        )
        for name, model in OURS.items()
    ]
    return {kind.name: kind for kind in (*found, Kind("gateway", GatewayConfig))}


def kind_of(known: Mapping[str, Kind], key: DocumentKey) -> Kind:
    """Return the kind of a document.

    Raises:
        DocumentNotFoundError: There is no such kind.
    """
    if key.kind not in known:
        raise DocumentNotFoundError(
            "there is no such kind of documents", next_step=f"There are: {', '.join(known)}."
        )
    return known[key.kind]
