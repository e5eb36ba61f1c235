"""Every finding helps: it says where, what is wrong, and what to do, whichever rule finds it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError
from tests.unit.configuration.parameters import PARAMETERS, named, wrong_at

from hxp_enterprise_llm.configuration.diagnostics import (
    Diagnostic,
    InvalidDocumentError,
    KeyPath,
    Place,
    dotted,
)
from hxp_enterprise_llm.configuration.effects import leaves
from hxp_enterprise_llm.configuration.loader import LoadedEnvironment, load
from hxp_enterprise_llm.configuration.messages import diagnostics_of
from hxp_enterprise_llm.configuration.rules import every_rule
from hxp_enterprise_llm.configuration.rules.categories import Category, category_of
from hxp_enterprise_llm.configuration.schema_validator import SchemaValidator
from hxp_enterprise_llm.configuration.secrets import refuse_unresolved
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.factory import OURS
from hxp_enterprise_llm.testing.factories import environment

TODAY = date(2026, 11, 21)
SAMPLES = Path(__file__).parents[4] / "docs/samples"
Judge = Callable[[dict[str, Any]], list[Diagnostic]]
GATEWAY = "infrastructure_services/api_gateway"
MONITORING = "infrastructure_services/monitoring"
ENGINE = "models/small/engine"
SIZED = {"kv_cache_memory_bytes": "1G"}
DATA = {"hosts/data-1": {"roles": ["postgres", "redis", "exporters"], "memory": "1GiB"}}
WATCH = {"hosts/metrics-1": {"roles": ["prometheus", "alertmanager"], "memory": "1GiB"}}
SECOND = {"source": "pypi:o==1", "sha256": "cd" * 32, "weights": "64MiB", "engine": SIZED}
SHARED = {"state/backend": "s3://b?region=x", "state/secrets_provider": "awskms://alias/c"}
WAIVER = {"rule": "C210", "path": "hosts.llm-1", "reason": "measured less", "until": "2026-12-01"}

# What breaks each rule: changes of a document that breaks none.
ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "C003": {"modles": {}},
    "C004": {"hosts/llm-1/memory": None},
    "C005": {"extends": "nothing"},
    "C006": {"hosts/llm-1/memory": "8GB"},
    "C008": {"schema": 9},
    "C101": {ENGINE: {**SIZED, "port": 1}},
    "C102": {ENGINE: {**SIZED, "max_modle_len": 1}},
    "C103": {ENGINE: {**SIZED, "max_model_len": "many"}},
    "C104": {"engine": {"version": "0.31.4"}},
    "C105": {ENGINE: {**SIZED, "trust_remote_code": True}},
    "C106": {"models/small/environment": {"VLLM_SERVER_DEV_MODE": "1"}},
    "C107": {"models/small/environment": {"HF_TOKEN": "x"}},
    "C108": {"models/small/environment": {"VLLM_NO_SUCH": "1"}},
    "C109": {ENGINE: {**SIZED, "max_num_seqs": 0}},
    "C110": {ENGINE: {**SIZED, "distributed_executor_backend": "a.b.C"}},
    "C201": {"hosts/idle-1": {"roles": [], "memory": "1GiB"}},
    "C202": {"hosts/edge-1/address": "10.0.0.1"},
    "C203": {"provider": {"kind": "ssh", "user": "citadel", "identity_file": "~/.ssh/id"}},
    "C204": {"hosts": {"edge-1": {"roles": ["gateway"], "memory": "1GiB"}}},
    "C205": {"models/small/replicas": 2},
    "C206": {"hosts": {"llm-1": {"roles": ["vllm"], "memory": "8GiB"}}},
    "C207": {"hosts/llm-1/accelerators": 1},
    "C208": {**DATA, "hosts/data-2": {"roles": ["redis"], "memory": "1GiB"}},
    "C209": {
        "hosts/llm-1": {
            "roles": ["vllm"], "memory": "64GiB", "accelerator": "rocm", "accelerators": 1,
            "accelerator_memory": "64GiB",
        }
    },
    "C210": {"hosts/llm-1/memory": "4GiB"},
    "C211": {ENGINE: {"max_model_len": 2048}},
    "C212": {"models/small/weights": None},
    "C213": {**DATA, "performance_targets/cache/memory_usage_gb": 0.7},
    "C214": {"hosts/edge-1/memory": "64MiB"},
    "C215": {f"hosts/m-{n}": {"roles": ["gateway"], "memory": "1GiB"} for n in range(10)},
    "C220": {"integration_services/cache/port": 6380},
    "C221": {f"{MONITORING}/alert_webhook_url": "https://pager.example/"},
    "C230": {"infrastructure_services/storage/data_storage_path": "/etc"},
    "C231": {"infrastructure_services/storage/data_storage_path": "/srv/data"},
    "C301": {f"{GATEWAY}/port": 9100},
    "C302": {f"{GATEWAY}/workers": 4, "listeners/gateway_metrics/port": 65533},
    "C310": {"listeners/gateway/tls": {"enabled": True}},
    "C320": {"models/other": {**SECOND, "served_name": "small"}},
    "C321": {f"{GATEWAY}/enable_ssl": True},
    "C322": {**DATA, "integration_services/database/connection_pool_size": 101},
    "C330": {"models/small/shutdown_timeout": "1h"},
    "C331": {"models/small/start_timeout": "5s"},
    "C332": {f"{GATEWAY}/timeout": "2h"},
    "C333": {"models/small/shutdown_timeout": "400s"},
    "C334": {f"{MONITORING}/metrics_collection_interval": "5m"},
    "C335": {**DATA, "integration_services/database/query_timeout": "301s"},
    "C340": {"integration_services/database/password": "vault:kv/postgres"},
    "C342": {
        **WATCH,
        f"{MONITORING}/alert_webhook_url": "http://pager.example/",
        f"{MONITORING}/alert_webhook_token": "env:PAGER",
    },
    "C343": {**SHARED, "state/backend": "postgres://u:canary@h/db"},
    "C344": {
        **DATA,
        "integration_services/cache/password": "env:A",
        "integration_services/database/password": "env:A",
    },
    "C345": {**SHARED, "state/secrets_provider": "passphrase"},
    "C350": {"models/small/source": "smollm2"},
    "C360": {f"{GATEWAY}/max_connections": 1},
    "C361": {f"{MONITORING}/metrics_collection_interval": "31s"},
    "C362": {
        "models/small/weights": "2GiB",
        "hosts/llm-1/memory": "32GiB",
        "infrastructure_services/storage/max_storage_gb": 2,
    },
    "C363": {"hosts/edge-1/cpus": 1},
    "C390": {f"{GATEWAY}/rate_limit_rps": 1000},
    "C901": {"waivers": [{**WAIVER, "rule": "C999"}]},
    "C902": {"waivers": [{**WAIVER, "until": "2026-11-20"}]},
    "C903": {"waivers": [WAIVER]},
}  # fmt: skip
# Texts that no document of the above can be, and a reference without a value.
TEXTS = {
    "C001": ("site.yaml", "a: [\n"),
    "C002": ("site.yaml", "schema: 1\nschema: 1\n"),
    "C007": ("Site_A.yaml", "schema: 1\nprovider: {kind: local}\nhosts: {}\n"),
    "C009": ("site.yaml", "performance_targets: {}\n"),
}
UNRESOLVED = "C341"
# A sample, what is changed in it, and what else is known.
SERVICES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "C401": ("mixtral-service", {"security/ssl_enabled": False}, {}),
    "C402": ("mixtral-service", {"resources/gpu_memory_gb": None}, {}),
    "C403": ("mixtral-service", {}, {}),
    "C404": ("mixtral-service", {"service_name": "chat"}, {}),
    "C405": ("mixtral-service", {}, {}),
    "C406": ("mixtral-service", {}, {"environment": environment()}),
    "C407": ("mixtral-service", {"depends_on": ["mixtral-service"]}, {}),
    "C410": ("mixtral-deployment", {}, {"environment": environment()}),
    "C411": (
        "mixtral-deployment",
        {"services": [{"service_name": "a", "service_version": "1.0.0"}] * 2},
        {},
    ),
    "C412": (
        "mixtral-deployment",
        {"services": [{"service_name": "mixtral-service", "service_version": "2.0.0"}]},
        {"services": "mixtral-service"},
    ),
    "C413": ("mixtral-deployment", {"docker": {}}, {}),
}

# What a next step begins with: an imperative, or a name that was meant.
_STEP = re.compile(
    r"(Add|Agree|Check|Create|Deploy|Give|Join|Keep|Let|Lower|Make|Mend|Name|Put|Raise|Remove|Rename|Run"
    r"|Save|See|Set|Split|Start|Take|Use|Write|export)\b.*|Did you mean .*\?|Known here: .*"
)


def helps(found: Diagnostic, file: Path | None = None) -> None:
    """Demand of a finding: where, what, next step, in words of people."""
    # Where: a line that exists, and says the key or is above it; the key itself by its name.
    assert found.place.line >= 1
    if file is not None:
        assert str(found.place).endswith(f"{file.name}:{found.place.line}")
        line = file.read_text().splitlines()[found.place.line - 1]
        keys = [str(key) for key in found.path]
        assert not keys or found.place.line == 1 or any(key in line for key in keys) or "-" in line
    # What: a sentence that begins in the middle of a line, and no exception's text.
    assert re.fullmatch(r"[^\n]*\S\.", found.message), found.message
    assert not found.message.startswith("Input"), found.message
    # Next step: what to do, in other words than what is wrong.
    assert _STEP.fullmatch(found.fix), found.fix
    assert found.fix != found.message
    assert "^" not in found.fix, "a regular expression is no help"
    text = str(found)
    assert text.count("\n") == 2
    assert f"{found.severity} {found.code}: {found.message}" in text
    assert "canary" not in text


def changed(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a document with changes under keys joined by slashes; None takes a key away."""
    whole = deepcopy(document)
    for path, value in changes.items():
        *above, last = path.split("/")
        section = whole
        for part in above:
            section = section.setdefault(part, {})
        if value is None:
            section.pop(last)
        else:
            section[last] = value
    return whole


def test_each_rule_of_the_registry_is_broken_here() -> None:
    broken = {*ENVIRONMENTS, *TEXTS, *SERVICES, UNRESOLVED}
    assert broken == set(every_rule())


@pytest.mark.feature("CV-03")
@pytest.mark.parametrize("rule", ENVIRONMENTS)
def test_what_breaks_a_rule_is_told_with_place_fault_and_next_step(
    rule: str, judge: Judge, tmp_path: Path
) -> None:
    findings = [item for item in judge(ENVIRONMENTS[rule]) if item.code == rule]
    assert findings
    for found in findings:
        helps(found, tmp_path / "changed.yaml")
        assert found.severity == every_rule()[rule].severity or rule == "C006"
    # Recovered: without the change nothing is found any more.
    assert judge({}) == []


@pytest.mark.feature("CV-03")
@pytest.mark.parametrize("rule", TEXTS)
def test_what_is_wrong_with_a_whole_file_is_told_so_too(rule: str, tmp_path: Path) -> None:
    name, text = TEXTS[rule]
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(InvalidDocumentError) as caught:
        load(str(file), today=TODAY)
    findings = [item for item in caught.value.diagnostics if item.code == rule]
    assert findings
    for found in findings:
        helps(found)
        assert str(found.place).endswith(f"{name}:{found.place.line}")


@pytest.mark.feature("CV-03")
def test_a_reference_without_a_value_is_told_so_too(
    accept: Callable[..., LoadedEnvironment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CITADEL_TEST_UNSET", raising=False)
    references = {"database": "env:CITADEL_TEST_UNSET", "cache": "file:/nowhere/at/all"}
    loaded = accept(
        {f"integration_services/{key}/password": value for key, value in references.items()}
    )
    with pytest.raises(InvalidDocumentError) as caught:
        refuse_unresolved(loaded, tmp_path)
    assert [item.code for item in caught.value.diagnostics] == [UNRESOLVED, UNRESOLVED]
    for found in caught.value.diagnostics:
        helps(found, tmp_path / "changed.yaml")


@pytest.mark.feature("CV-03")
@pytest.mark.parametrize("rule", SERVICES)
def test_rules_of_services_and_deployments_tell_it_too(rule: str, tmp_path: Path) -> None:
    name, changes, known = SERVICES[rule]
    sample = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text())
    file = tmp_path / "changed.yaml"
    file.write_text(yaml.safe_dump(changed(sample, changes), sort_keys=False))
    if "services" in known:
        service = SchemaValidator().file(SAMPLES / f"{known['services']}.yaml").accepted()
        known = {"services": {known["services"]: service}}
    report = SchemaValidator(today=TODAY, **known).file(file)
    findings = [item for item in report.found if item.code == rule]
    assert findings
    for found in findings:
        helps(found, file)


@pytest.mark.feature("CV-03")
@pytest.mark.parametrize("category", [Category.PERFORMANCE, Category.SECURITY])
def test_performance_and_security_are_checked(category: Category, judge: Judge) -> None:
    broken = {**ENVIRONMENTS, **SERVICES}
    rules = [rule for rule in broken if category_of(rule) is category]
    assert len(rules) >= 10
    # They are on without being asked for, in whatever loads an environment.
    found = {
        item.code
        for rule in rules
        if rule in ENVIRONMENTS
        for item in judge(ENVIRONMENTS[rule])
        if item.code == rule
    }
    assert found == {rule for rule in rules if rule in ENVIRONMENTS}


ODD: tuple[Any, ...] = (
    {"not": ["canary"]}, "", "canary" * 2000, -1, math.inf, math.nan, 10**30, [], True, None,
    "canary\n", "2027-13-45", 0, 1.5, ["canary"] * 3, [[1]], "é",
)  # fmt: skip


def refusals(model: type[BaseModel], documents: Iterator[Any]) -> Iterator[Diagnostic]:
    """Yield what is told of each document that a model refuses."""

    def place(_: KeyPath) -> Place:
        return Place(Path("a.yaml"), 1, 1)

    for document in documents:
        try:
            model.model_validate(document)
        except ValidationError as error:
            yield from diagnostics_of(error, model, document, place)


@pytest.mark.feature("CV-03")
def test_any_value_of_any_parameter_that_is_refused_is_told_in_words() -> None:
    found = list(
        refusals(
            Environment,
            (wrong_at(named(path), value) for path in PARAMETERS for value in deepcopy(ODD)),
        )
    )
    assert len(found) > 1000
    for item in found:
        helps(item)
    assert {dotted(named(path)) for path in PARAMETERS} <= {dotted(item.path) for item in found}


@pytest.mark.feature("CV-03")
@pytest.mark.parametrize("name", OURS)
def test_any_value_of_a_service_that_is_refused_is_told_in_words(name: str) -> None:
    model = OURS[name]
    samples = {"ai_model": "ai-model", "deployment": "deployment-docker"}
    sample = yaml.safe_load((SAMPLES / f"{samples.get(name, name)}.yaml").read_text())

    def documents() -> Iterator[Any]:
        for path, _ in leaves(model):
            for value in deepcopy(ODD):
                if "*" not in path:
                    yield changed(sample, {"/".join(map(str, path)): value} if value else {})

    found = list(refusals(model, documents()))
    assert len(found) > 50
    for item in found:
        helps(item)
