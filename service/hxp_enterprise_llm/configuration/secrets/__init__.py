"""Secrets: references resolve last, into a holder that shows nothing (D8).

`SecretManager` is loaded when it is asked for; backends are in `backends`, and load what they need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hxp_enterprise_llm.configuration.secrets.references import Secrets, refuse_unresolved
from hxp_enterprise_llm.configuration.secrets.secret import Secret

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.secrets.manager import SecretManager

__all__ = ["Secret", "SecretManager", "Secrets", "refuse_unresolved"]


def __getattr__(name: str) -> Any:
    if name != "SecretManager":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hxp_enterprise_llm.configuration.secrets.manager import SecretManager

    return SecretManager
