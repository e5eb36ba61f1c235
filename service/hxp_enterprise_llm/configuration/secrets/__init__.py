"""Secrets: references resolve last, into a holder that shows nothing (D8).

`SecretManager` is in `manager`, backends are in `backends`; both load what they need only.
"""

from __future__ import annotations

from hxp_enterprise_llm.configuration.secrets.references import Secrets, refuse_unresolved
from hxp_enterprise_llm.configuration.secrets.secret import Secret

__all__ = ["Secret", "Secrets", "refuse_unresolved"]
