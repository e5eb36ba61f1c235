"""Records, answers, faults, health and figures: what every service says in the same form."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pydantic
import pytest
from prometheus_client import CollectorRegistry, Counter, Info
from pydantic import ValidationError

from hxp_enterprise_llm.core.exceptions import FaultDomain, InvalidInputError
from hxp_enterprise_llm.core.health import CheckResult, Health, Verdict
from hxp_enterprise_llm.core.lifecycle import State
from hxp_enterprise_llm.schemas.building import Builder, RecordFactory
from hxp_enterprise_llm.schemas.common import (
    BaseModel,
    CitadelModel,
    ErrorResponse,
    Fault,
    Record,
    ServiceResponse,
)
from hxp_enterprise_llm.schemas.health import HealthCheckResult, HealthStatus
from hxp_enterprise_llm.schemas.measures import MetricData, PerformanceMetrics, collected
from hxp_enterprise_llm.schemas.services import AIModelServiceConfigSchema

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.feature("SC-01")
def test_base_model_has_id_timestamp_and_status_and_is_not_pydantics() -> None:
    first, second = BaseModel(), BaseModel()
    assert list(BaseModel.model_fields) == ["id", "timestamp", "status"]
    assert issubclass(BaseModel, CitadelModel)
    assert BaseModel is Record
    assert BaseModel is not pydantic.BaseModel
    assert first.id != second.id
    assert first.timestamp.tzinfo is UTC
    assert first.status == "ok"


@pytest.mark.feature("SC-01")
@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""},
        {"id": "a\nb"},
        {"timestamp": "2026-11-21T12:00:00"},
        {"status": "All is well"},
        {"stauts": "ok"},
    ],
)
def test_a_record_of_another_form_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BaseModel.model_validate(wrong)


@pytest.mark.feature("SC-01")
def test_a_record_cannot_be_changed_and_its_time_is_kept_in_utc() -> None:
    record = Record(timestamp=NOW.astimezone(timezone(timedelta(hours=2))))
    assert record.timestamp.utcoffset() == timedelta(0)
    assert record.timestamp == NOW
    with pytest.raises(ValidationError, match="frozen"):
        record.status = "gone"


@pytest.mark.feature("SC-02")
def test_a_service_response_holds_typed_data() -> None:
    answer = ServiceResponse[int].model_validate({"data": 7, "correlation_id": "r1"})
    assert (answer.status, answer.data, answer.correlation_id) == ("ok", 7, "r1")
    assert ServiceResponse[int](data=1, status="accepted").status == "accepted"
    for wrong in ({"data": "seven"}, {}, {"data": 7, "status": "error"}):
        with pytest.raises(ValidationError):
            ServiceResponse[int].model_validate(wrong)


@pytest.mark.feature("SC-02")
def test_an_error_response_says_what_where_and_what_to_do() -> None:
    fault = Fault(code="input.invalid", domain=FaultDomain.INPUT, message="m", next_step="n")
    answer = ErrorResponse(error=fault)
    assert answer.status == "error"
    assert set(BaseModel.model_fields) <= set(ErrorResponse.model_fields)
    assert ErrorResponse.model_validate_json(answer.model_dump_json()) == answer
    with pytest.raises(ValidationError):
        ErrorResponse.model_validate({"error": fault, "status": "ok"})


@pytest.mark.feature("SC-03")
@pytest.mark.parametrize(
    ("verdict", "code"), [("healthy", 200), ("degraded", 200), ("unhealthy", 503)]
)
def test_health_status_is_made_of_what_a_service_says(verdict: str, code: int) -> None:
    checks = (CheckResult("store", Verdict(verdict), 0.25, "why"),)
    status = HealthStatus.of(Health("gateway", State.READY, Verdict(verdict), checks))
    assert (status.service, status.state, status.status) == ("gateway", State.READY, verdict)
    assert status.http_status == code
    assert status.checks == (
        HealthCheckResult(name="store", status=Verdict(verdict), duration=0.25, detail="why"),
    )
    document = json.loads(status.model_dump_json())
    assert {"id", "timestamp", "status", "service", "state", "checks"} == set(document)
    assert document["checks"][0]["status"] == verdict


@pytest.mark.feature("SC-03")
def test_metric_data_has_prometheus_names_only() -> None:
    sample = MetricData(name="citadel_requests_total", value=3, kind="counter", labels={"a": "b"})
    assert sample.timestamp.tzinfo is UTC
    for wrong in (
        {"name": "1st"},
        {"name": "a b"},
        {"labels": {"a-b": ""}},
        {"kind": "guess"},
        {"value": "much"},
    ):
        with pytest.raises(ValidationError):
            MetricData.model_validate({"name": "a", "value": 1, **wrong})


@pytest.mark.feature("SC-03")
def test_metric_data_is_read_from_a_registry() -> None:
    registry = CollectorRegistry()
    Counter("asked", "Asked.", ("who",), registry=registry).labels("ada").inc(2)
    Info("build", "Build.", registry=registry).info({"version": "3.0.0"})
    found = {sample.name: sample for sample in collected(registry)}
    assert (found["asked_total"].value, found["asked_total"].kind) == (2.0, "counter")
    assert found["asked_total"].labels == {"who": "ada"}
    assert found["build_info"].kind == "untyped"


@pytest.mark.feature("SC-03")
def test_performance_metrics_are_measured_from_single_requests() -> None:
    latencies = [float(number) for number in range(1, 101)]
    figures = PerformanceMetrics.measured("gateway", latencies[::-1], window=10, errors=5)
    assert (figures.latency_p50_ms, figures.latency_p95_ms, figures.latency_p99_ms) == (50, 95, 99)
    assert (figures.throughput_rps, figures.error_rate) == (10.0, 0.05)
    samples = {sample.name: sample for sample in figures.samples()}
    assert samples["citadel_window_latency_p99_seconds"].value == pytest.approx(0.099)
    assert samples["citadel_window_error_ratio"].labels == {"service": "gateway"}
    assert samples["citadel_window_requests_per_second"].timestamp == figures.timestamp


@pytest.mark.feature("SC-03")
def test_a_window_without_requests_has_figures_and_more_errors_than_requests_has_none() -> None:
    idle = PerformanceMetrics.measured("gateway", [], window=10)
    assert (idle.latency_p99_ms, idle.throughput_rps, idle.error_rate) == (0, 0, 0)
    with pytest.raises(ValidationError, match="more `errors` than `requests`"):
        PerformanceMetrics(service="gateway", window=1, requests=1, errors=2)


@pytest.mark.feature("SC-04")
def test_a_factory_makes_any_record_with_told_ids_and_times() -> None:
    ids = iter("ab")
    factory = RecordFactory(clock=lambda: NOW, new_id=lambda: next(ids))
    answer = factory.make(ServiceResponse[int], data=1)
    assert (answer.id, answer.timestamp, answer.data) == ("a", NOW, 1)
    assert factory.make(Record, status="ready", timestamp=NOW + timedelta(1)).timestamp != NOW
    with pytest.raises(ValidationError):
        RecordFactory().make(ServiceResponse[int])


@pytest.mark.feature("SC-04")
def test_a_builder_makes_a_frozen_model_key_by_key() -> None:
    built = (
        Builder(AIModelServiceConfigSchema)
        .set("service_name", "mixtral-service")
        .set("service_version", "1.0.0")
        .set("service_type", "ai_model")
        .set("environment", "production")
        .set("resources.memory_mb", 8192)
        .set("resources.cpu_cores", 4.0)
        .set("network", {"port": 1})
        .set("network.port", 8000)
        .build()
    )
    assert (built.resources.memory_mb, built.network and built.network.port) == (8192, 8000)


@pytest.mark.feature("SC-04")
def test_a_builder_names_every_key_that_is_wrong_and_no_value() -> None:
    builder = Builder(AIModelServiceConfigSchema).set("service_name", "hunter2 hunter2")
    with pytest.raises(InvalidInputError) as error:
        builder.set("resources.memory_mb", "hunter2").build()
    for key in ("service_name", "service_version", "environment", "resources.memory_mb"):
        assert key in error.value.message
    assert "hunter2" not in str(error.value)
    with pytest.raises(InvalidInputError, match="service_name is set to a value"):
        builder.set("service_name.first", "x")


@pytest.mark.feature("SC-04")
def test_models_go_through_json_and_python_data_unchanged() -> None:
    record = Record(status="ready")
    assert Record.model_validate_json(record.model_dump_json()) == record
    assert Record.model_validate(record.model_dump()) == record
    assert json.loads(record.model_dump_json())["timestamp"].endswith("Z")
