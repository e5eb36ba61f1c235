"""All schemas by name: which one a document is of, a model of it, its JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hxp_enterprise_llm.core.exceptions import InvalidInputError, RegistryError
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.deployment import DeploymentConfigSchema
from hxp_enterprise_llm.schemas.services import (
    AIModelServiceConfigSchema,
    InfrastructureServiceConfigSchema,
    IntegrationServiceConfigSchema,
    MonitoringServiceConfigSchema,
    ServiceConfigSchema,
)
from hxp_enterprise_llm.utilities.validation import model

DEPLOYMENT = "deployment"


class SchemaFactory:
    """Knows schemas by name; a service's is named by its `service_type`.

    Args:
        schemas: The schemas; those of this library when not given.
    """

    def __init__(self, schemas: Mapping[str, type[CitadelModel]] | None = None) -> None:
        self._schemas: dict[str, type[CitadelModel]] = dict(OURS if schemas is None else schemas)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all schemas."""
        return tuple(self._schemas)

    def register(self, name: str, schema: type[CitadelModel]) -> None:
        """Add a schema.

        Raises:
            RegistryError: The name is taken.
        """
        if name in self._schemas:
            raise RegistryError(f"there is a schema {name} already", next_step="Take another name.")
        self._schemas[name] = schema

    def schema(self, name: str) -> type[CitadelModel]:
        """Return a schema by its name.

        Raises:
            InvalidInputError: There is none.
        """
        if name not in self._schemas:
            raise InvalidInputError(
                "there is no such schema", next_step=f"Use one of {', '.join(self._schemas)}."
            )
        return self._schemas[name]

    def name_of(self, data: Mapping[str, Any]) -> str | None:
        """Return the name of the schema that a document says it is of; None when it does not."""
        if "deployment_type" in data or "deployment_name" in data:
            return DEPLOYMENT if DEPLOYMENT in self._schemas else None
        said = data.get("service_type")
        return said if isinstance(said, str) and said in self._schemas else None

    def create(self, data: Mapping[str, Any]) -> CitadelModel:
        """Return a document as a model of its schema.

        Raises:
            InvalidInputError: It is of none, or wrong; names every key that is, and no value.
        """
        name = self.name_of(data)
        if name is None:
            raise InvalidInputError(
                "the document does not say what it is",
                next_step=f"Write `service_type`, one of {', '.join(self._schemas)}, or "
                "`deployment_type`.",
            )
        return model(self._schemas[name], dict(data), where=name)

    def json_schema(self, name: str) -> dict[str, Any]:
        """Return JSON Schema (draft 2020-12) of a schema, for editors and other languages.

        Raises:
            InvalidInputError: There is no such schema.
        """
        found = self.schema(name).model_json_schema(by_alias=True, mode="validation")
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


OURS: Mapping[str, type[CitadelModel]] = {
    "ai_model": AIModelServiceConfigSchema,
    "infrastructure": InfrastructureServiceConfigSchema,
    "integration": IntegrationServiceConfigSchema,
    "monitoring": MonitoringServiceConfigSchema,
    DEPLOYMENT: DeploymentConfigSchema,
}
"""The schemas of this library."""
BASE = ServiceConfigSchema
"""What every service has; a document of no known kind is held against it."""
