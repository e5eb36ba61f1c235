"""What verify asks of Prometheus: are all targets up, has each daemon a real series."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.endpoints import Endpoint

_PAUSE = 0.5
_Seen = TypeVar("_Seen")
# One series that only the daemon itself, at work, can make; by the role whose exporter has it.
REAL_SERIES = {
    "base": "node_cpu_seconds_total",
    "vllm": "vllm:generation_tokens_total",
    "engine_proxy": "haproxy_backend_http_responses_total",
    "gateway": "citadel_gateway_requests_total",
    "postgres": "pg_stat_database_xact_commit",
    "redis": "redis_commands_processed_total",
    "prometheus": "prometheus_tsdb_head_samples_appended_total",
    "alertmanager": "alertmanager_config_last_reload_successful",
}


@dataclass(frozen=True)
class Target:
    """One scrape target as Prometheus sees it."""

    job: str
    instance: str
    health: str
    error: str


class Prometheus:
    """Reads one Prometheus over its HTTP API."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def targets(self) -> list[Target]:
        """Return every active target."""
        data = self._get("/api/v1/targets?state=active")
        return [
            Target(t["labels"]["job"], t["labels"]["instance"], t["health"], t["lastError"])
            for t in data["activeTargets"]
        ]

    def settled(self, wait: float) -> list[Target]:
        """Return the targets once none is down or unknown, or as they are after `wait` seconds."""
        return _awaited(self.targets, _all_up, wait)

    def count(self, series: str, *, wait: float = 0.0) -> int:
        """Return how many series of a name there are; waits up to `wait` seconds for the first."""
        return _awaited(lambda: self._count(series), bool, wait)

    def _count(self, series: str) -> int:
        query = urllib.parse.urlencode({"query": f'count({{__name__="{series}"}})'})
        result = self._get(f"/api/v1/query?{query}")["result"]
        return int(result[0]["value"][1]) if result else 0

    def _get(self, path: str) -> dict[str, Any]:
        content = self._endpoint.get(path)
        try:
            document = json.loads(content)
        except ValueError:
            document = {"status": "error", "error": "its answer is not JSON"}
        if document["status"] != "success":
            raise CitadelError(f"{self._endpoint.url}{path}: {document['error']}")
        data: dict[str, Any] = document["data"]
        return data


def _all_up(targets: list[Target]) -> bool:
    return bool(targets) and all(target.health == "up" for target in targets)


def _awaited(look: Callable[[], _Seen], good: Callable[[_Seen], bool], wait: float) -> _Seen:
    """Look again until what is seen is good, or as it is after `wait` seconds."""
    deadline = time.monotonic() + wait
    while not good(seen := look()) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    return seen
