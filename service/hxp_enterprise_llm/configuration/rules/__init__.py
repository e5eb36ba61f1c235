"""The one registry of rules (D13): what a valid environment must also keep to."""

from __future__ import annotations

from importlib import import_module

from hxp_enterprise_llm.configuration.rules.registry import REGISTRY, Finding, Rule, Subject

# In the order of their ids; importing a module registers its rules.
MODULES = (
    "documents",
    "arguments",
    "reach",
    "variables",
    "hosts",
    "memory",
    "paths",
    "ports",
    "listeners",
    "names",
    "derived",
    "times",
    "secrets",
    "sources",
    "effects",
    "dependencies",
    "consistency",
    "targets",
    "exposure",
    "waivers",
)
# Imported by who judges such documents: loading an environment must not pay for them.
OF_SERVICES = ("services", "deployments")
for _module in MODULES:
    import_module(f"{__name__}.{_module}")


def every_rule() -> dict[str, Rule]:
    """Return the registry with the rules of services and deployments too."""
    for module in OF_SERVICES:
        import_module(f"{__name__}.{module}")
    return REGISTRY


__all__ = ["REGISTRY", "Finding", "Rule", "Subject", "every_rule"]
