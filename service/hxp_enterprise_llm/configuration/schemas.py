"""The schemas of configuration by the names and in the place that older documents give them.

Each stands once, in `hxp_enterprise_llm.schemas` and `configuration.schema_validator`.
"""

from __future__ import annotations

from hxp_enterprise_llm.configuration.schema_validator import Report, SchemaValidator
from hxp_enterprise_llm.schemas.deployment import DeploymentConfigSchema
from hxp_enterprise_llm.schemas.factory import SchemaFactory
from hxp_enterprise_llm.schemas.services import (
    AIModelServiceConfigSchema,
    InfrastructureServiceConfigSchema,
    IntegrationServiceConfigSchema,
    MonitoringServiceConfigSchema,
    ServiceConfigSchema,
)

__all__ = [
    "AIModelServiceConfigSchema",
    "DeploymentConfigSchema",
    "InfrastructureServiceConfigSchema",
    "IntegrationServiceConfigSchema",
    "MonitoringServiceConfigSchema",
    "Report",
    "SchemaFactory",
    "SchemaValidator",
    "ServiceConfigSchema",
]
