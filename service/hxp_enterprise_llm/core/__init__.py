"""What every part of Citadel stands on: errors, lifecycle, and the bases of services.

Names are loaded when they are used: `import hxp_enterprise_llm.core` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hxp_enterprise_llm.core.ai_model_service import BaseAIModelService as BaseAIModelService
    from hxp_enterprise_llm.core.exceptions import CitadelError as CitadelError
    from hxp_enterprise_llm.core.infrastructure_service import (
        BaseInfrastructureService as BaseInfrastructureService,
    )
    from hxp_enterprise_llm.core.integration_service import (
        BaseIntegrationService as BaseIntegrationService,
    )
    from hxp_enterprise_llm.core.lifecycle import State as State
    from hxp_enterprise_llm.core.policy import ServicePolicy as ServicePolicy
    from hxp_enterprise_llm.core.registry import ServiceRegistry as ServiceRegistry
    from hxp_enterprise_llm.core.service import BaseService as BaseService
    from hxp_enterprise_llm.core.vllm_service import VllmService as VllmService

_HOMES = {
    "BaseAIModelService": "ai_model_service",
    "BaseInfrastructureService": "infrastructure_service",
    "BaseIntegrationService": "integration_service",
    "BaseService": "service",
    "CitadelError": "exceptions",
    "ServicePolicy": "policy",
    "ServiceRegistry": "registry",
    "State": "lifecycle",
    "VllmService": "vllm_service",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605 # made from the table


def __getattr__(name: str) -> Any:
    """Load a name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
