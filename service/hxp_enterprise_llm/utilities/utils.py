"""Common functions, by the place that older documents give; each stands once, in its own module.

What makes work cheaper is here too: a cache that asks once for all that is missing, a client that
keeps its connections, and waits that end as soon as they can.
"""

from __future__ import annotations

from hxp_enterprise_llm.configuration.cache import CacheCounts, TtlCache
from hxp_enterprise_llm.utilities.files import write_atomic
from hxp_enterprise_llm.utilities.http import HttpTransport
from hxp_enterprise_llm.utilities.process import run, stream
from hxp_enterprise_llm.utilities.waiting import awaited

__all__ = [
    "CacheCounts",
    "HttpTransport",
    "TtlCache",
    "awaited",
    "run",
    "stream",
    "write_atomic",
]
