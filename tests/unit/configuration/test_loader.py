from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, InvalidEnvironmentError
from hxp_enterprise_llm.configuration.loader import environments, load
from hxp_enterprise_llm.core.exceptions import ExitCode

Write = Callable[[str, str], Path]
HOSTS = """\
schema: 1
provider: {kind: local}
hosts:
  llm-1: {roles: [vllm], memory: 8GiB}
  edge-1: {roles: [gateway], memory: 1GiB}
"""


def refused(path: Path) -> list[Diagnostic]:
    with pytest.raises(InvalidEnvironmentError) as raised:
        load(str(path))
    assert raised.value.exit_code == ExitCode.REFUSED
    return list(raised.value.diagnostics)


def test_a_path_loads_with_the_name_of_its_file(write: Write) -> None:
    loaded = load(str(write("mine.yaml", HOSTS)))
    assert loaded.name == "mine"
    assert loaded.path.is_absolute()
    assert loaded.environment.hosts["llm-1"].memory == 8 * 2**30


def test_the_committed_environments_are_valid() -> None:
    names = environments()
    assert {"local", "onprem"} <= set(names)
    assert "base" not in names
    for name in names:
        assert load(name).warnings == ()


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InvalidEnvironmentError, match=r"Did you mean local\?"):
        load("locl")


def test_a_file_extends_the_one_beside_it(write: Write) -> None:
    write("site.yaml", "infrastructure_services: {api_gateway: {workers: 3, port: 8100}}\n")
    text = HOSTS + "extends: site\ninfrastructure_services: {api_gateway: {workers: 5}}\n"
    gateway = load(str(write("a.yaml", text))).environment.infrastructure_services.api_gateway
    assert (gateway.workers, gateway.port) == (5, 8100)


def test_a_file_extends_a_relative_path_and_that_one_another(write: Write) -> None:
    write("shared/low.yaml", "schema: 1\nprovider: {kind: local}\n")
    write("shared/mid.yaml", "extends: low\nhosts: {llm-1: {roles: [vllm], memory: 1GiB}}\n")
    path = write("top/a.yaml", "extends: ../shared/mid.yaml\nhosts: {llm-1: {memory: 8GiB}}\n")
    assert load(str(path)).environment.hosts["llm-1"].memory == 8 * 2**30


def test_a_circle_of_extends_is_refused(write: Write) -> None:
    write("b.yaml", "extends: a\n")
    (problem, *_) = refused(write("a.yaml", "extends: b\n" + HOSTS))
    assert (problem.code, problem.place.file.name) == ("C005", "b.yaml")
    assert problem.message == "the files extend each other in a circle."


def test_a_missing_extended_file_is_named_where_it_is_asked_for(write: Write) -> None:
    (problem,) = refused(write("a.yaml", HOSTS + "extends: bsae\n"))
    assert (problem.place.line, problem.path) == (6, ("extends",))
    assert problem.message == "there is no file bsae.yaml beside this one."


def test_a_wrong_extends_does_not_hide_other_errors(write: Write) -> None:
    problems = refused(write("a.yaml", HOSTS + "extends: [x]\nhsots: 1\n"))
    assert [problem.code for problem in problems] == ["C005", "C003"]


def test_null_takes_an_inherited_key_away(write: Write) -> None:
    write(
        "low.yaml",
        """\
        hosts: {old-1: {roles: [redis], memory: 1GiB}}
        infrastructure_services: {api_gateway: {workers: 7}, monitoring: {prometheus_port: 9999}}
        """,
    )
    text = """\
    extends: low
    schema: 1
    provider: {kind: local}
    hosts: {old-1: null, llm-1: {roles: [vllm, gateway], memory: 8GiB}}
    infrastructure_services: {api_gateway: {workers: null}, monitoring: null}
    """
    loaded = load(str(write("a.yaml", text)))
    assert list(loaded.environment.hosts) == ["llm-1"]
    assert loaded.environment.infrastructure_services.api_gateway.workers == 4
    assert loaded.environment.infrastructure_services.monitoring.prometheus_port == 9090
    assert ("hosts", "old-1") not in loaded.origins


def test_null_is_a_value_where_the_key_has_one(write: Write) -> None:
    write("low.yaml", "infrastructure_services: {api_gateway: {rate_limit_rps: 50}}\n")
    text = HOSTS + (
        "extends: low\ninfrastructure_services: {api_gateway: {rate_limit_rps: null}}\n"
    )
    gateway = load(str(write("a.yaml", text))).environment.infrastructure_services.api_gateway
    assert gateway.rate_limit_rps is None


def test_null_over_nothing_is_an_error_and_no_silent_loss(write: Write) -> None:
    problems = refused(write("a.yaml", HOSTS + "  spare-1:\n"))
    assert [problem.path for problem in problems] == [("hosts", "spare-1")]


def test_an_error_in_an_extended_file_has_that_files_line(write: Write) -> None:
    write("low.yaml", "# one\n# two\ninfrastructure_services:\n  api_gateway: {wrokers: 3}\n")
    (problem,) = refused(write("a.yaml", HOSTS + "extends: low\n"))
    assert (problem.place.file.name, problem.place.line) == ("low.yaml", 4)
    assert problem.fix == "Did you mean workers?"


def test_an_error_that_the_upper_file_writes_has_its_line(write: Write) -> None:
    write("low.yaml", "infrastructure_services:\n  api_gateway: {workers: 3}\n")
    text = HOSTS + "extends: low\ninfrastructure_services:\n  api_gateway:\n    workers: many\n"
    (problem,) = refused(write("a.yaml", text))
    assert (problem.place.file.name, problem.place.line) == ("a.yaml", 9)


def test_all_errors_come_at_once_in_the_order_of_lines(write: Write) -> None:
    text = """\
    schema: 1
    provider: {kind: local}
    hosts:
      llm-1: {roles: [vllm], memory: 1GiB}
      edge-1: {roles: [gateway], memory: 1GiB, adress: 10.0.0.1}
    models:
      small:
        source: pypi:small==1
        sha256: short
        weights: 1GiB
        engine: {max_modle_len: 1, kv_cache_memory_bytes: 1G}
    infrastructure_services:
      api_gateway: {workers: 0, workers: 1}
    listeners:
      engine: {port: 9100}
      redis: {tls: {enabled: true}}
    """
    problems = refused(write("a.yaml", text))
    found = [(problem.place.line, problem.code) for problem in problems]
    assert found == [
        (4, "C210"),
        (5, "C003"),
        (9, "C006"),
        (11, "C102"),
        (13, "C002"),
        (13, "C006"),
        (15, "C301"),
        (16, "C310"),
    ]


def test_rules_still_judge_what_stands_beside_a_wrong_key(write: Write) -> None:
    text = HOSTS + "lsiteners: {}\ninfrastructure_services: {api_gateway: {port: 9100}}\n"
    problems = refused(write("a.yaml", text))
    assert [problem.code for problem in problems] == ["C003", "C301"]


def test_the_text_names_file_line_key_fault_and_cure(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write("a.yaml", HOSTS + "models: {}\nhostss: {}\n")
    with pytest.raises(InvalidEnvironmentError) as raised:
        load(str(path))
    assert str(raised.value) == (
        "a.yaml:7  hostss\n"
        "  error C003: unknown key.\n"
        "  Did you mean hosts?\n"
        "1 error; nothing was changed."
    )


@pytest.mark.parametrize(
    "text",
    [
        "integration_services: {database: {password: hunter2}}\n",
        "integration_services: {database: {password: [hunter2]}}\n",
        "infrastructure_services: {api_gateway: {key: {value: hunter2}}}\n",
        "infrastructure_services: {monitoring: {alert_webhook_token: hunter2}}\n",
        "models: {m: {source: hunter2, sha256: hunter2, environment: {HF_TOKEN: hunter2}}}\n",
        "models: {m: {source: 'file:x', sha256: hunter2, engine: {api_key: hunter2}}}\n",
        "extends: low\nintegration_services: {database: {password: 'hunter2}}\n",
    ],
)
def test_no_error_repeats_what_may_be_a_secret(write: Write, text: str) -> None:
    problems = refused(write("a.yaml", HOSTS + text))
    assert problems
    assert "hunter2" not in "".join(str(problem) + repr(problem) for problem in problems)


def test_mistakes_of_each_kind_get_a_cure_in_words(write: Write) -> None:
    text = """\
    schema: 2
    provider: {kind: local}
    hosts:
      Edge_1: {roles: gateway, memory: -1}
    models:
      m: {source: 5, sha256: x, replicas: 0, engine: {a: {b: 1}}}
    infrastructure_services: {api_gateway: {enable_auth: false, timeout: true, port: 99999}}
    """
    cures = {problem.path[-1]: problem.fix for problem in refused(write("a.yaml", text))}
    assert cures == {
        "schema": "Write schema: 1, or use the citadel that wrote it.",
        "Edge_1": "Write small letters, digits and dashes, such as llm-1.",
        "roles": "Write a list.",
        "memory": "Write a size such as 512MiB or 8GiB.",
        "source": "Write a text.",
        "sha256": "Write the 64 hex digits of a SHA-256, in quotes.",
        "replicas": "Write at least 1.",
        "a": "Write true or false or a whole number or a number or a text or a list.",
        "enable_auth": "Write true.",
        "timeout": "Write a duration such as 200ms, 30s or 5m.",
        "port": "Write at most 65535.",
    }


def test_missing_keys_say_what_belongs_there(write: Write) -> None:
    cures = {problem.path: problem.fix for problem in refused(write("a.yaml", "engine: {}\n"))}
    assert cures[("schema",)] == "Write it: Version of this document's form: 1."
    assert set(cures) == {("schema",), ("provider",), ("hosts",)}


def test_a_day_can_be_given_for_waivers(write: Write) -> None:
    text = HOSTS.replace("  edge-1: {roles: [gateway], memory: 1GiB}\n", "") + (
        "waivers: [{rule: C206, path: hosts.llm-1, reason: no gateway yet, until: 2026-12-01}]\n"
    )
    path = str(write("a.yaml", text))
    assert [item.code for item in load(path, today=date(2026, 12, 1)).waived] == ["C206"]
    with pytest.raises(InvalidEnvironmentError, match="the waiver ended on 2026-12-01"):
        load(path, today=date(2026, 12, 2))


def test_loading_local_takes_less_than_fifty_milliseconds_of_work() -> None:
    import time

    load("local")
    started = time.process_time()
    load("local")
    assert time.process_time() - started < 0.05


def test_the_environment_of_the_tests_is_valid_and_names_the_committed_model() -> None:
    from hxp_enterprise_llm.orchestration.artifacts.store import hash_file, hash_tree
    from hxp_enterprise_llm.orchestration.paths import checkout

    loaded = load(str(checkout() / "tests" / "environments" / "test.yaml"))
    model = loaded.environment.models["tiny"]
    folder = checkout() / model.source.removeprefix("file:")
    hashes = {file.name: hash_file(file) for file in folder.iterdir()}
    assert hash_tree(hashes) == model.sha256


def test_the_first_sample_of_the_docs_is_a_valid_environment(write: Write) -> None:
    from hxp_enterprise_llm.orchestration.paths import checkout

    page = (checkout() / "docs" / "how-to" / "add-an-environment.md").read_text()
    sample = page.split("```yaml\n")[1].split("```")[0]
    base = (checkout() / "stacks" / "environments" / "base.yaml").read_text()
    write("base.yaml", base)
    assert load(str(write("lab.yaml", sample))).warnings == ()
