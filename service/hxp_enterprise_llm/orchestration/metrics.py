"""What verify asks of Prometheus: is each daemon a target that is up, with a real series."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.endpoints import Endpoint
from hxp_enterprise_llm.utilities.waiting import awaited

_PAUSE = 0.5
# Job → one series that only the daemon itself, at work, can make, from its start on.
REAL_SERIES = {
    "base": "node_cpu_seconds_total",
    "vllm": "vllm:generation_tokens_total",
    "engine_proxy": "haproxy_backend_http_responses_total",
    "gateway": "citadel_gateway_process_start_time_seconds",
    "configuration": "citadel_configuration_service_documents",
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

    def settled(self, expected: AbstractSet[tuple[str, str]], *, wait: float) -> list[Target]:
        """Return the targets once all are up, or as they are after `wait` seconds.

        Args:
            expected: Job and instance of each target that there must be.
            wait: How many seconds to wait at most.
        """

        def good(targets: list[Target]) -> bool:
            there = {(target.job, target.instance) for target in targets}
            return expected <= there and all(target.health == "up" for target in targets)

        return awaited(self.targets, good, seconds=wait, pause=_PAUSE)

    def instances(self, series: str, expected: AbstractSet[str], *, wait: float) -> dict[str, int]:
        """Return instance → how many series of a name it has now.

        Args:
            series: The name.
            expected: Instances that must have one; until all have, it looks again.
            wait: How many seconds to wait at most.
        """
        return awaited(
            lambda: self._instances(series),
            lambda found: expected <= set(found),
            seconds=wait,
            pause=_PAUSE,
        )

    def query(self, text: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series that an instant query answers.

        Args:
            text: PromQL.

        Raises:
            UnreachableError: Nobody answers.
            CitadelError: The query is refused.
        """
        result = self._get(f"/api/v1/query?{urllib.parse.urlencode({'query': text})}")["result"]
        return [(row["metric"], float(row["value"][1])) for row in result]

    def _instances(self, series: str) -> dict[str, int]:
        query = urllib.parse.urlencode({"query": f'count by (instance) ({{__name__="{series}"}})'})
        result = self._get(f"/api/v1/query?{query}")["result"]
        return {row["metric"].get("instance", ""): int(row["value"][1]) for row in result}

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
