"""Whether the running service gives what its security level asks for."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter

from hxp_enterprise_llm.configuration.revisions import Revision
from hxp_enterprise_llm.configuration.security.access import Do
from hxp_enterprise_llm.configuration.security.compliance import Facts
from hxp_enterprise_llm.configuration.service.config import is_here
from hxp_enterprise_llm.configuration.service.guard import Caller, GuardedRoute, Within
from hxp_enterprise_llm.configuration.service.parts import Parts
from hxp_enterprise_llm.configuration.service.routes import KEYED
from hxp_enterprise_llm.schemas.configuration_service import ComplianceView

router = APIRouter(prefix="/v1/compliance", route_class=GuardedRoute, dependencies=KEYED)
_NEWEST = 20
"""Revisions of each document that are looked at."""


@router.get("")
async def read_compliance(parts: Within, call: Caller) -> ComplianceView:
    """Say what the service's security level asks for, what was seen, and whether they agree."""
    call.require(Do.READ, "audit:compliance")
    report = await parts.door.security.compliance(await _facts(parts))
    return ComplianceView.model_validate(report.as_data())


async def _facts(parts: Parts) -> Facts:
    config, state = parts.config, Path(parts.config.state)
    revisions: list[Revision] = []
    for key, _ in parts.documents.all():
        document, _ = parts.documents.get(key)
        revisions += await document.revisions.history(limit=_NEWEST)
    return Facts(
        files=tuple(state / name for name in ("accounts.json", "audit.jsonl", "audit-keys.json")),
        revisions=revisions,
        verifier=parts.verifier,
        tls={} if is_here(config.listen.host) else {parts.name: False},
        encrypted={parts.name: parts.sealed},
    )
