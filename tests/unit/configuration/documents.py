"""Files of services and deployments for tests: the older documents' own examples."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from hxp_enterprise_llm.configuration.schemas import (
    Report,
    SchemaValidator,
)

TODAY = date(2026, 11, 21)


# Seed 4, "Configuration Examples", word for word.
SERVICE = """\
service_name: "mixtral-service"
service_version: "1.0.0"
service_type: "ai_model"
environment: "production"

resources:
  memory_mb: 8192
  cpu_cores: 4.0
  gpu_enabled: true
  gpu_memory_gb: 24

security:
  security_level: "high"
  encryption_enabled: true
  ssl_enabled: true

network:
  host: "0.0.0.0"
  port: 8000
"""


DEPLOYMENT = """\
deployment_name: "mixtral-deployment"
deployment_type: "kubernetes"
environment: "production"

services:
  - service_name: "mixtral-service"
    service_version: "1.0.0"
    replicas: 3

resource_limits:
  memory_mb: 16384
  cpu_cores: 8.0
  gpu_enabled: true
"""


NODE = {
    "roles": ["vllm"],
    "accelerator": "cuda",
    "accelerator_memory": "80GiB",
    "accelerators": 4,
    "cpus": 64,
    "memory": "256GiB",
}


Write = Callable[[str, str], Path]


def changed(text: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return a document with changes under dotted keys; None takes a key away."""
    document: dict[str, Any] = yaml.safe_load(text)
    for dotted, value in changes.items():
        section = document
        *above, last = dotted.split(".")
        for part in above:
            section = section.setdefault(part, {})
        if value is None:
            section.pop(last)
        else:
            section[last] = deepcopy(value)
    return document


def judged(text: str, changes: dict[str, Any], **known: Any) -> Report:
    return SchemaValidator(today=TODAY, **known).data(changed(text, changes))


def codes(report: Report) -> list[tuple[str, str]]:
    return [(item.code, ".".join(map(str, item.path))) for item in report.found]
