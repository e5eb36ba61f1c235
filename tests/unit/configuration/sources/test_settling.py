"""Variables and flags find their key, and errors name the variable or flag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, InvalidDocumentError, Place
from hxp_enterprise_llm.configuration.pipeline import Loaded, assemble, compiled
from hxp_enterprise_llm.configuration.sources.arguments import ArgumentsSource
from hxp_enterprise_llm.configuration.sources.base import Layer, places_below
from hxp_enterprise_llm.configuration.sources.variables import VariablesSource

BELOW: dict[str, Any] = {
    "schema": 1,
    "hosts": {"llm-1": {"memory": "8GiB"}, "qwen2.5": {"memory": "1GiB"}},
}


def loaded(variables: Mapping[str, str] | None = None, *settings: str) -> Loaded[Sample]:
    layers = [
        Layer("below", BELOW, places_below((), BELOW, Place(Path("below.yaml"), 1, 1))),
        VariablesSource(environ=variables or {}).read_now(),
        ArgumentsSource(settings).read_now(),
    ]
    return compiled(assemble(layers, Sample, Path("sample")), Sample)


def refused(variables: Mapping[str, str] | None = None, *settings: str) -> Sequence[Diagnostic]:
    with pytest.raises(InvalidDocumentError) as caught:
        loaded(variables, *settings)
    return caught.value.diagnostics


@pytest.mark.feature("CL-02", "UT-04")
@pytest.mark.parametrize(
    ("variable", "text", "path", "value"),
    [
        ("CITADEL_LEVEL", "7", "level", 7),
        ("CITADEL_DEBUG", "true", "debug", True),
        ("CITADEL_STORE__PORT", "6000", "store.port", 6000),
        ("citadel_ignored", "x", "level", 1),
        ("CITADEL_HOSTS__LLM_1__MEMORY", "4GiB", "hosts.llm-1.memory", 4 * 2**30),
        ("CITADEL_HOSTS__QWEN2_5__CPUS", "2.5", "hosts.qwen2.5.cpus", 2.5),
        (
            "CITADEL_HOSTS__LLM_1__ROLES",
            "[vllm, gateway]",
            "hosts.llm-1.roles",
            ["vllm", "gateway"],
        ),
        ("CITADEL_HOSTS__LLM_1__CPUS", "null", "hosts.llm-1.cpus", None),
        ("CITADEL_VERSION", "1.10", "version", "1.10"),
        ("CITADEL_VERSION", "'1.10'", "version", "1.10"),
        ("CITADEL_VERSION", "@daily: x", "version", "@daily: x"),
        ("CITADEL_VERSION", "null", "version", None),
        ("CITADEL_ENGINE__MAX_LEN", "2048", "engine.max_len", 2048),
        ("CITADEL_SCHEMA", "1", "schema", 1),
    ],
)
def test_a_variable_sets_the_key_that_it_names(
    variable: str, text: str, path: str, value: Any
) -> None:
    document: Any = loaded({variable: text}).config.model_dump(mode="json", by_alias=True)
    for part in path.replace("qwen2.5", "qwen2;5").split("."):
        document = document[part.replace(";", ".")]
    assert document == value


@pytest.mark.feature("CL-02")
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("hosts.llm-1.memory=4GiB", 4 * 2**30),
        ("hosts.qwen2.5.memory = 4GiB", 4 * 2**30),
        ("hosts.new-host.memory=4GiB", 4 * 2**30),
    ],
)
def test_a_flag_sets_the_key_that_it_names(setting: str, value: int) -> None:
    hosts = loaded(None, setting).config.hosts
    name = setting.removeprefix("hosts.").partition(".memory")[0]
    assert hosts[name].memory == value


def test_a_variable_may_make_a_new_entry_of_a_map() -> None:
    hosts = loaded({"CITADEL_HOSTS__SPARE__MEMORY": "1GiB"}).config.hosts
    assert hosts["spare"].memory == 2**30


@pytest.mark.feature("CL-03")
def test_flags_go_over_variables_and_variables_over_files() -> None:
    both = loaded({"CITADEL_LEVEL": "2"}, "level=3")
    origin = both.draft.origins[("level",)]
    assert both.config.level == 3
    assert str(origin.place) == "flag --set level"
    assert [(str(place), value) for place, value in origin.overrode] == [
        ("variable CITADEL_LEVEL", 2)
    ]


@pytest.mark.feature("CL-02", "UT-04")
@pytest.mark.parametrize(
    ("variable", "fix"),
    [
        ("CITADEL_LEVLE", "Did you mean CITADEL_LEVEL?"),
        ("CITADEL_STORE__PROT", "Did you mean CITADEL_STORE__PORT?"),
        ("CITADEL_HOSTS__LLM_1__MEMROY", "Did you mean CITADEL_HOSTS__LLM_1__MEMORY?"),
        ("CITADEL_LEVEL__X", "Nothing stands below CITADEL_LEVEL: it is a value."),
        ("CITADEL_ENGINE__A__B", "Nothing stands below CITADEL_ENGINE__A: it is a value."),
        ("CITADEL_STORE__ZZZ", "Known here: PORT, PASSWORD."),
    ],
)
def test_an_unknown_variable_is_an_error_that_names_the_nearest(variable: str, fix: str) -> None:
    (problem,) = refused({variable: "secret-value"})
    assert (problem.code, problem.message, problem.fix) == ("C003", "unknown variable.", fix)
    assert str(problem).startswith(f"variable {variable}\n")
    assert "secret-value" not in str(problem)


def test_an_unknown_flag_is_an_error_that_names_the_nearest() -> None:
    (problem,) = refused(None, "store.prot=1")
    assert (problem.message, problem.fix) == ("unknown flag.", "Did you mean --set store.port?")
    assert str(problem.place) == "flag --set store.prot"


@pytest.mark.feature("CL-02", "CV-01")
@pytest.mark.parametrize(
    ("variables", "settings", "named", "fix"),
    [
        ({"CITADEL_LEVEL": "many"}, (), "variable CITADEL_LEVEL", "Write a whole number."),
        ({"CITADEL_STORE__PORT": "70000"}, (), "variable CITADEL_STORE__PORT", "at most 65535"),
        ({"CITADEL_STORE": "{port: x}"}, (), "variable CITADEL_STORE", "a whole number"),
        ({}, ("debug=maybe",), "flag --set debug", "true or false"),
        ({"CITADEL_STORE__PASSWORD": "hunter2"}, (), "variable CITADEL_STORE__PASSWORD", "refer"),
    ],
)
def test_a_wrong_value_names_the_variable_or_flag_to_change(
    variables: dict[str, str], settings: tuple[str, ...], named: str, fix: str
) -> None:
    (problem,) = refused(variables, *settings)
    assert str(problem.place) == named
    assert fix in problem.fix
    assert "hunter2" not in str(problem)


def test_what_a_new_entry_lacks_names_its_variable() -> None:
    (problem,) = refused({"CITADEL_HOSTS__SPARE__CPUS": "2"})
    assert problem.message == "this key is missing."
    assert str(problem.place) == "variable CITADEL_HOSTS__SPARE__CPUS"


def test_two_variables_for_one_key_are_refused() -> None:
    (problem,) = refused({"CITADEL_LEVEL": "1", "CITADEL_level": "2"})
    assert problem.code == "C002"
    assert problem.message == "variable CITADEL_LEVEL says the same key."


@pytest.mark.parametrize("text", ["level", "=3", "hosts..x=1", ""])
def test_a_flag_that_sets_no_key_is_refused_without_its_text(text: str) -> None:
    (problem,) = refused(None, text)
    assert str(problem.place) == "flag --set number 1"
    assert problem.fix == "Write --set KEY.KEY=VALUE."


def test_reserved_variables_are_left_alone() -> None:
    assert loaded({"CITADEL_MIRRORS": "x", "CITADEL_PHASES_BEFORE": "2"}).config == loaded().config


async def test_variables_of_the_process_are_read_when_they_are_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = VariablesSource("SAMPLE_")
    monkeypatch.setenv("SAMPLE_LEVEL", "9")
    layer = await source.read()
    assert [(item.parts, item.text) for item in layer.settings] == [(("LEVEL",), "9")]
    assert "9" not in repr(layer.settings[0])


async def test_flags_carry_their_actor() -> None:
    layer = await ArgumentsSource(["level=2"], actor="ann").read()
    assert layer.actor == "ann"
    assert layer.settings[0].place.actor == "ann"


@pytest.mark.parametrize("deep", ["[" * 100_000, "{a: " * 50_000])
def test_a_value_that_nests_without_end_is_a_text(deep: str) -> None:
    assert loaded({"CITADEL_VERSION": deep}).config.version == deep
