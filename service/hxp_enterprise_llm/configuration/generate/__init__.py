"""What is generated from the models (D1): schema, role specs and defaults, reference pages."""

from __future__ import annotations

import json
from pathlib import Path

from hxp_enterprise_llm.configuration.generate.reference import (
    environment_page,
    roles_page,
    rules_page,
    services_page,
)
from hxp_enterprise_llm.configuration.generate.roles import argument_specs, defaults, role_models
from hxp_enterprise_llm.configuration.json_schema import COMMENT, environment_schema
from hxp_enterprise_llm.configuration.service.app import openapi
from hxp_enterprise_llm.schemas.factory import SchemaFactory
from hxp_enterprise_llm.utilities.files import write_atomic


def generated() -> dict[str, str]:
    """Return path in the checkout → content, for every generated file."""
    models = role_models()
    files = {
        "stacks/environment.schema.json": json.dumps(
            environment_schema(), indent=2, ensure_ascii=False
        )
        + "\n",
        "docs/reference/environment.md": environment_page(),
        "docs/reference/rules.md": rules_page(),
        "docs/reference/roles.md": roles_page(models),
        "docs/reference/services.md": services_page(),
    }
    files["docs/reference/configuration-api.json"] = openapi()
    factory = SchemaFactory()
    for name in factory.names:
        path = f"docs/samples/schemas/{name}.schema.json"
        schema = {"$comment": COMMENT, **factory.json_schema(name)}
        files[path] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    for role, model in models.items():
        files[f"roles/{role}/meta/argument_specs.yml"] = argument_specs(role, model)
        files[f"roles/{role}/defaults/main.yml"] = defaults(role, model)
    return files


def stale(root: Path) -> list[str]:
    """Return the generated files of a checkout that are missing or differ from the models."""
    return [path for path, text in generated().items() if _content(root / path) != text]


def write(root: Path) -> list[str]:
    """Write the files that are stale, and return their paths."""
    files = generated()
    changed = [path for path, text in files.items() if _content(root / path) != text]
    for path in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(root / path, files[path])
    return changed


def _content(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
