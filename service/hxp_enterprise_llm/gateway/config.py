"""Reads `gateway.yaml`."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from hxp_enterprise_llm.core.exceptions import RefusedError
from hxp_enterprise_llm.schemas.gateway import GatewayConfig


def load(path: Path) -> GatewayConfig:
    """Read and validate a gateway's configuration file.

    Raises:
        RefusedError: The file is missing, is not YAML or is not valid; every fault is named.
    """
    try:
        document = yaml.safe_load(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise RefusedError(f"{path}: is not YAML: {error}") from None
    try:
        return GatewayConfig.model_validate(document)
    except ValidationError as error:
        raise RefusedError(
            "\n".join(_faults(path, error)), next_step="Mend the file; nothing was started."
        ) from None


def _faults(path: Path, error: ValidationError) -> list[str]:
    # The input stays out: what a person put in the wrong place may be a secret.
    details = error.errors(include_input=False, include_context=False, include_url=False)
    return [
        f"{path}: {'.'.join(map(str, detail['loc'])) or 'document'}: {detail['msg']}"
        for detail in details
    ]
