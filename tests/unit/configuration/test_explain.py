from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.explain import explain
from hxp_enterprise_llm.configuration.loader import LoadedEnvironment, load
from hxp_enterprise_llm.configuration.resolved import resolved
from hxp_enterprise_llm.core.exceptions import CitadelError

Write = Callable[[str, str], Path]


@pytest.fixture
def loaded(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedEnvironment:
    monkeypatch.chdir(tmp_path)
    write(
        "low.yaml",
        """\
        infrastructure_services: {api_gateway: {workers: 3}}
        integration_services: {cache: {password: "generated:old"}}
        """,
    )
    text = """\
    schema: 1
    extends: low
    provider: {kind: local}
    hosts:
      llm-1: {roles: [vllm, gateway], memory: 8GiB}
    models:
      qwen2.5:
        source: pypi:q==1
        sha256: abababababababababababababababababababababababababababababababab
        weights: 1GiB
        engine: {kv_cache_memory_bytes: 1G}
    infrastructure_services: {api_gateway: {workers: 5}}
    integration_services: {cache: {password: "generated:new"}}
    waivers:
      - {rule: C206, path: hosts, reason: a sample for a test, until: 2099-01-01}
    """
    return load(str(write("a.yaml", text)))


def test_a_written_value_names_its_line_what_it_replaced_and_its_meaning(
    loaded: LoadedEnvironment,
) -> None:
    (item,) = explain(loaded, "infrastructure_services.api_gateway.workers")
    assert (item.value, item.source) == (5, "a.yaml:12")
    assert item.overrode == [{"value": 3, "source": "low.yaml:1"}]
    assert item.description == "Processes on a gateway host."


def test_a_default_says_so_with_its_unit(loaded: LoadedEnvironment) -> None:
    (item,) = explain(loaded, "infrastructure_services.api_gateway.timeout")
    assert (item.value, item.source, item.unit) == (300.0, "default", "seconds")


def test_a_derived_key_names_what_it_comes_from(loaded: LoadedEnvironment) -> None:
    (item,) = explain(loaded, "service_network.internal_services.api_gateway")
    assert item.value == "llm-1:8000"
    assert item.source == "derived from the host and the port of role gateway"


def test_a_section_lists_all_its_values(loaded: LoadedEnvironment) -> None:
    items = {item.path: item for item in explain(loaded, "hosts.llm-1")}
    assert items["hosts.llm-1.memory"].unit == "bytes"
    assert items["hosts.llm-1.roles"].value == ["vllm", "gateway"]


def test_keys_with_dots_are_found(loaded: LoadedEnvironment) -> None:
    (item,) = explain(loaded, "models.qwen2.5.source")
    assert (item.value, item.source) == ("pypi:q==1", "a.yaml:8")


def test_free_arguments_have_the_meaning_of_their_map(loaded: LoadedEnvironment) -> None:
    (item,) = explain(loaded, "models.qwen2.5.engine.kv_cache_memory_bytes")
    assert item.description.startswith("vLLM arguments")


def test_items_of_lists_have_their_place(loaded: LoadedEnvironment) -> None:
    items = {item.path: item.source for item in explain(loaded, "waivers.0")}
    assert items["waivers.0.rule"] == "a.yaml:15"


def test_what_a_secret_s_reference_replaced_is_hidden(loaded: LoadedEnvironment) -> None:
    (item,) = explain(loaded, "integration_services.cache.password")
    assert item.value == "generated:new"
    assert item.overrode == [{"value": "(hidden)", "source": "low.yaml:2"}]


def test_an_unknown_path_is_an_error_with_the_nearest_key(loaded: LoadedEnvironment) -> None:
    with pytest.raises(CitadelError, match=r"no key hosts.llm1\n  Did you mean llm-1\?"):
        explain(loaded, "hosts.llm1")


def test_nothing_wanted_explains_every_leaf_of_the_resolved_document(
    loaded: LoadedEnvironment,
) -> None:
    items = explain(loaded, "")
    assert len(items) > 100
    described = [item for item in items if not item.description]
    assert described == []


def test_the_resolved_document_fills_derived_keys(loaded: LoadedEnvironment) -> None:
    document = resolved("a", loaded.environment)
    assert document["infrastructure_services"]["configuration"]["environment"] == "a"
    assert document["engine"]["version"] == "0.32.0"
    assert document["schema"] == 1
