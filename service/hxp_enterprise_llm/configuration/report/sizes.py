"""What a key of a size says now, and what it would have to say for a measured share of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from hxp_enterprise_llm.configuration.rules.memory import kv_cache_of
from hxp_enterprise_llm.schemas.environment import Environment

_MIB, _GIB = 2**20, 2**30


@dataclass(frozen=True)
class Size:
    """A key whose value grows with what is asked of it.

    Attributes:
        now: What it says for a host or a model; None where it says nothing.
        written: A value as people write it, rounded up.
    """

    now: Callable[[Environment, str], float | None]
    written: Callable[[float], str]

    def scaled(self, environment: Environment, subject: str, factor: float) -> str:
        """Return the value times a factor; nothing where that is no other value, or none is known.

        Args:
            environment: What it says now.
            subject: The host or the model.
            factor: Above 1 for more.
        """
        now = self.now(environment, subject)
        if now is None or self.written(now) == self.written(now * factor):
            return ""
        return self.written(now * factor)


def _memory(environment: Environment, host: str) -> float | None:
    found = environment.hosts.get(host)
    return found.memory if found is not None else None


def _cpus(environment: Environment, host: str) -> float | None:
    found = environment.hosts.get(host)
    return found.cpus if found is not None else None


def _kv_cache(environment: Environment, model: str) -> float | None:
    found = environment.models.get(model)
    return kv_cache_of(found) if found is not None else None


def _count(number: float) -> str:
    # A measured share has more digits than a count has meaning.
    return str(math.ceil(round(number, 6)))


def _gibibytes(number: float) -> str:
    return f"{_count(number / _GIB)}GiB"


def _mebibytes(number: float) -> str:
    return f"{_count(number / _MIB)}M"


MEMORY = Size(_memory, _gibibytes)
CPUS = Size(_cpus, _count)
KV_CACHE = Size(_kv_cache, _mebibytes)
WORKERS = Size(lambda e, _: e.infrastructure_services.api_gateway.workers, _count)
CONNECTIONS_POSTGRES = Size(lambda e, _: e.integration_services.database.max_connections, _count)
CONNECTIONS_REDIS = Size(lambda e, _: e.integration_services.cache.max_connections, _count)
