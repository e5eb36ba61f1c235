"""The one registry of rules (D13): what a valid environment must also keep to."""

from __future__ import annotations

from importlib import import_module

from hxp_enterprise_llm.configuration.rules.registry import REGISTRY, Finding, Rule, Subject

# In the order of their ids; importing a module registers its rules.
MODULES = (
    "documents",
    "arguments",
    "variables",
    "hosts",
    "memory",
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
for _module in MODULES:
    import_module(f"{__name__}.{_module}")

__all__ = ["REGISTRY", "Finding", "Rule", "Subject"]
