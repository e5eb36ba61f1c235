"""The common operations of configuration, by the name and in the place that older documents give.

Each stands once, in the module that it comes from; nothing is done here.
"""

from __future__ import annotations

from hxp_enterprise_llm.configuration import explain as explaining
from hxp_enterprise_llm.configuration import merge as merging
from hxp_enterprise_llm.configuration import report as reporting
from hxp_enterprise_llm.configuration.diff import changes
from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.configuration.migration import (
    CURRENT,
    ConfigurationMigrator,
    Migrated,
    version_of,
)
from hxp_enterprise_llm.configuration.report import Sight
from hxp_enterprise_llm.configuration.validation import ConfigurationValidator

__all__ = [
    "CURRENT",
    "ConfigurationMigrator",
    "ConfigurationUtils",
    "ConfigurationValidator",
    "Migrated",
    "Sight",
    "version_of",
]


class ConfigurationUtils:
    """Common operations and helpers of migration, gathered: it keeps nothing and never runs long.

    Attributes:
        load: Reads, merges and checks an environment.
        merge: Puts one document over another.
        value_at: Looks a value up by its keys.
        changes: Says what differs between two configurations of one model, with each effect.
        explain: Says where values come from.
        report: Analysis, risks, compliance, trends and recommendations of an environment.
        version_of: Returns the version of a document.
        validate: Checks an environment, or a file of a service, and raises nothing.
        migrate: Returns a document as another version says it.
    """

    load = staticmethod(load)
    merge = staticmethod(merging.merge)
    value_at = staticmethod(merging.value_at)
    changes = staticmethod(changes)
    explain = staticmethod(explaining.explain)
    report = staticmethod(reporting.report)
    version_of = staticmethod(version_of)
    validate = staticmethod(ConfigurationValidator().validate)
    migrate = staticmethod(ConfigurationMigrator().migrate)
