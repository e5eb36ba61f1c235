"""Migration: documents of every version are read, and rewritten forwards and backwards."""

from __future__ import annotations

from hxp_enterprise_llm.configuration.migration.migrator import ConfigurationMigrator
from hxp_enterprise_llm.configuration.migration.versions import (
    CURRENT,
    Migrated,
    MigrationError,
    Step,
    UnknownVersionError,
    version_of,
)

__all__ = [
    "CURRENT",
    "ConfigurationMigrator",
    "Migrated",
    "MigrationError",
    "Step",
    "UnknownVersionError",
    "version_of",
]
