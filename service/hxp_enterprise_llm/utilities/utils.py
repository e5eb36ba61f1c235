"""Common functions, by the place that older documents give; each stands once, in its own module.

What makes work cheaper is here too: a cache that asks once for all that is missing, a client that
keeps its connections, waits that end as soon as they can, and the median time of a piece of work.
"""

from __future__ import annotations

from hxp_enterprise_llm.configuration.cache import CacheCounts, TtlCache
from hxp_enterprise_llm.testing.performance import Comparison, seconds
from hxp_enterprise_llm.utilities.files import write_atomic
from hxp_enterprise_llm.utilities.http import HttpTransport
from hxp_enterprise_llm.utilities.process import run, stream
from hxp_enterprise_llm.utilities.waiting import awaited

__all__ = [
    "CacheCounts",
    "Comparison",
    "HttpTransport",
    "TtlCache",
    "awaited",
    "run",
    "seconds",
    "stream",
    "write_atomic",
]
