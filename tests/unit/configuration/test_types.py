"""What stands for what: no number is guessed from a switch or a text, and each cure says the form.

Rows here are files as people write them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, InvalidEnvironmentError
from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.configuration.sources.yaml_form import parse_value
from hxp_enterprise_llm.schemas.environment import Environment

Write = Callable[[str, str], Path]
HEAD = """\
schema: 1
provider: {kind: local}
hosts:
  llm-1: {roles: [vllm], memory: 8GiB}
  edge-1: {roles: [gateway], memory: 1GiB}
"""
GATEWAY = "infrastructure_services: {api_gateway: {%s}}\n"
MONITORING = "infrastructure_services: {monitoring: {%s}}\n"
MODEL = "models: {m: {source: 'file:x', sha256: %s, %%s}}\n" % ("ab" * 32)
NUMBER = "Write a whole number."
SWITCH = "Write true or false."
SIZE = "Write a size such as 512MiB or 8GiB."
DURATION = "Write a duration such as 200ms, 30s or 5m."

WRONG: list[tuple[str, str]] = [
    (HEAD + GATEWAY % "port: true", NUMBER),
    (HEAD + GATEWAY % "workers: yes", NUMBER),
    (HEAD + GATEWAY % 'workers: "2"', NUMBER),
    (HEAD + GATEWAY % "workers: 2.0", NUMBER),
    (HEAD + GATEWAY % "workers: 0_2", NUMBER),
    (HEAD + GATEWAY % "workers: 1:30", NUMBER),
    (HEAD + GATEWAY % ("workers: 1" + "0" * 5000), NUMBER),
    (HEAD + GATEWAY % "enable_auth: 1", "Write true."),
    (HEAD + GATEWAY % "enable_auth: on", "Write true."),
    (HEAD.replace("schema: 1", "schema: true"), "Write 1."),
    (HEAD.replace("schema: 1", "schema: 1.0"), "Write 1."),
    (HEAD + "listeners: {redis: {tls: {enabled: off}}}\n", SWITCH),
    (HEAD + 'listeners: {redis: {tls: {enabled: "off"}}}\n', SWITCH),
    (HEAD + "listeners: {redis: {tls: {enabled: 0}}}\n", SWITCH),
    (HEAD + MODEL % "replicas: true", NUMBER),
    (HEAD + MODEL % "enabled: no", SWITCH),
    (HEAD + MONITORING % "metrics_collection_interval: 1:30", DURATION),
    (HEAD + MONITORING % "metrics_collection_interval: []", DURATION),
    (HEAD + MONITORING % "metrics_collection_interval: 2027-01-31", DURATION),
    (HEAD.replace("memory: 8GiB", "memory: "), SIZE),
    (HEAD.replace("memory: 8GiB", "memory: [8GiB]"), SIZE),
    (HEAD.replace("memory: 8GiB", "memory: 2027-01-31"), SIZE),
    (HEAD.replace("memory: 8GiB", "memory: 8589934592.5"), SIZE),
    (HEAD.replace("memory: 8GiB", "memory: yes"), SIZE),
    (
        HEAD.replace("memory: 8GiB", "memory: 1" + "0" * 400),
        "Write a size of at most 1048576TiB.",
    ),
    (
        HEAD.replace("memory: 8GiB", f"memory: 1{'0' * 400}TiB"),
        "Write a size of at most 1048576TiB.",
    ),
    (
        HEAD.replace("memory: 8GiB", "memory: 8GiB, cpus: .inf"),
        "Write a number that is not infinite.",
    ),
    (HEAD.replace("memory: 8GiB", "memory: 8GiB, cpus: true"), "Write a number."),
    (
        HEAD + "waivers: [{rule: C206, path: hosts, reason: measured it twice, until: 86400}]\n",
        "Write a date such as 2027-01-31.",
    ),
]


def refused(path: Path) -> list[Diagnostic]:
    with pytest.raises(InvalidEnvironmentError) as raised:
        load(str(path))
    return list(raised.value.diagnostics)


@pytest.mark.parametrize(("text", "fix"), WRONG)
def test_a_value_of_another_type_is_refused_with_the_form_to_write(
    write: Write, text: str, fix: str
) -> None:
    found = [item for item in refused(write("a.yaml", text)) if item.code in {"C006", "C008"}]
    assert [item.fix for item in found if item.severity == "error"] == [fix]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("Off", "Off"),
        ("true", True),
        ("1:30", "1:30"),
        ("010", 10),
        ("0o17", 15),
        ("0xff", 255),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("~", None),
        ("2027-13-45", "2027-13-45"),
    ],
)
def test_plain_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    read = parse_value(text)
    assert (read, type(read)) == (value, type(value))


def test_switches_of_yaml_1_1_are_texts_where_a_text_is_wanted(write: Write) -> None:
    path = write("a.yaml", HEAD + MODEL % "served_name: no, engine: {kv_cache_memory_bytes: 1G}")
    assert load(str(path)).environment.models["m"].served_name == "no"


def test_an_environment_from_json_is_still_taken() -> None:
    document = {
        "schema": 1,
        "provider": {"kind": "local"},
        "hosts": {"llm-1": {"roles": ["vllm"], "memory": 2**33, "cpus": 2}},
        "waivers": [
            {"rule": "C206", "path": "hosts", "reason": "no gateway", "until": "2027-01-31"}
        ],
    }
    environment = Environment.model_validate(document)
    again = Environment.model_validate(environment.model_dump(mode="json", by_alias=True))
    assert again == environment
    with pytest.raises(ValidationError):
        Environment.model_validate({**document, "schema": True})


def test_a_control_character_is_found_in_its_line(write: Write) -> None:
    path = write("a.yaml", HEAD + "models: {}\n")
    path.write_text(path.read_text() + "engine:\n  version: \x00\n")
    (problem,) = refused(path)
    assert (problem.place.line, problem.place.column) == (8, 12)
    assert problem.fix == "Take the control character out."


def test_an_empty_extends_is_refused(write: Write) -> None:
    (problem,) = refused(write("a.yaml", HEAD + "extends:\n"))
    assert (problem.code, problem.message) == ("C005", "`extends` is empty.")
    assert problem.path == ("extends",)


def test_what_a_missing_file_may_have_said_is_not_called_missing(write: Write) -> None:
    text = "extends: bsae\nhosts: {edge-1: {roles: [gateway], memroy: 1GiB}}\n"
    found = [(item.code, item.path[-1]) for item in refused(write("a.yaml", text))]
    assert found == [("C005", "extends"), ("C003", "memroy")]


@pytest.mark.parametrize(
    ("key", "seen"),
    [
        (r"\e[2J\e]0;owned\a", "… (14 characters)"),
        (r"a\n1 error; nothing was changed.", "a… (31 characters)"),
        (r"\u202edlrow", "… (6 characters)"),
        (r"\x9b31m", "… (4 characters)"),
    ],
)
def test_a_key_cannot_steer_the_terminal(write: Write, key: str, seen: str) -> None:
    path = write("a.yaml", HEAD + f'"{key}": 1\n')
    with pytest.raises(InvalidEnvironmentError) as raised:
        load(str(path))
    lines = str(raised.value).splitlines()
    assert lines[0].endswith(f"  {seen}")
    assert all(line.isprintable() for line in lines)
    assert len(lines) == 4
