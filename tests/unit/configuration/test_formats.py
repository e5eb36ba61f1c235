"""Reports of validation: each form says the same, and is what its readers expect."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import junitparser
import pytest
from pydantic import ValidationError

from hxp_enterprise_llm import __version__
from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, Place
from hxp_enterprise_llm.configuration.formats import Format, report
from hxp_enterprise_llm.configuration.rules import REGISTRY
from hxp_enterprise_llm.configuration.validation import ConfigurationValidator, Verdict

TODAY = date(2026, 11, 21)
HEAD = "schema: 1\nprovider: {kind: local}\n"
GOOD = f"""\
{HEAD}hosts:
  llm-1: {{roles: [vllm, gateway], memory: 8GiB}}
"""
BAD = GOOD + "modles: {}\nperformance_targets:\n  storage: {read_latency_ms: fast}\n"
WARNED = f"{HEAD}hosts:\n  llm-1: {{roles: [vllm], memory: 8GiB}}\n"
WAIVED = f"""{WARNED}waivers:
  - {{rule: C206, path: hosts.llm-1, reason: a gateway comes next week, until: 2026-12-01}}
"""
Judge = Callable[[str], Verdict]


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    monkeypatch.chdir(tmp_path)

    def judge(text: str) -> Verdict:
        (tmp_path / "a.yaml").write_text(text)
        return ConfigurationValidator(today=TODAY).validate(str(tmp_path / "a.yaml"))

    return judge


def sarif(*verdicts: Verdict) -> Any:
    (run,) = json.loads(report(verdicts, Format.SARIF))["runs"]
    return run


def junit(*verdicts: Verdict) -> ET.Element:
    return ET.fromstring(report(verdicts, Format.JUNIT))


@pytest.mark.feature("CV-03")
def test_text_names_findings_and_says_what_is_valid(judged: Judge) -> None:
    assert report([judged(GOOD)], Format.TEXT) == "a is valid: 1 host, 0 models"
    assert report([judged(WAIVED)], Format.TEXT) == "a is valid: 1 host, 0 models, 1 waived"
    warned = report([judged(WARNED)], Format.TEXT)
    assert warned.startswith("a.yaml:4  hosts.llm-1.roles\n  warning C206: ")
    assert warned.endswith("\na is valid: 1 host, 0 models, 1 warning")
    assert report([judged(BAD)], Format.TEXT).endswith("2 errors; nothing was changed.")


@pytest.mark.feature("CV-03")
def test_json_holds_findings_categories_and_the_order_of_roles(judged: Judge) -> None:
    good, bad = json.loads(report([judged(GOOD), judged(BAD)], Format.JSON))
    assert good["order"] == ["vllm", "gateway"]
    assert bad["valid"] is False
    assert bad["order"] == []
    assert [item["code"] for item in bad["findings"]] == ["C003", "C006"]
    assert bad["categories"] == {
        "schema": 2,
        "reference": 0,
        "dependency": 0,
        "consistency": 0,
        "performance": 0,
        "security": 0,
    }


@pytest.mark.feature("CV-03")
def test_sarif_has_what_version_2_1_0_requires(judged: Judge) -> None:
    document = json.loads(report([judged(BAD)], Format.SARIF))
    # OASIS SARIF 2.1.0: version and runs (3.13), tool (3.14), driver (3.18), name (3.19.8).
    assert document["version"] == "2.1.0"
    assert document["$schema"].endswith("sarif-2.1.0.json")
    (run,) = document["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("citadel", __version__)
    ids = [rule["id"] for rule in driver["rules"]]
    assert ids == sorted(REGISTRY)
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in {"error", "warning", "note", "none"}
    assert len(run["results"]) == 2
    for result in run["results"]:
        # message (3.27.11) is required; ruleIndex (3.27.6) is that of ruleId.
        assert result["message"]["text"]
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] == "error"
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        # Relative to the folder that it runs in: a forge shows it in the file.
        assert physical["artifactLocation"] == {"uri": "a.yaml"}
        assert physical["region"]["startLine"] >= 1
        assert physical["region"]["startColumn"] >= 1


EVERYTHING = GOOD + (
    "modles: {}\nperformance_targets: {storage: {read_latency_ms: fast}}\n"
    "waivers: [{rule: C390, path: a.b, reason: nothing of the kind, until: 2026-12-01}]\n"
)


@pytest.mark.feature("CV-03")
def test_sarif_is_what_the_schema_of_oasis_allows(judged: Judge) -> None:
    # Generated from sarif-schema-2.1.0.json; keys that it does not know are refused.
    models: Any = import_module("pydantic_sarif.model")
    schema = models.StaticAnalysisResultsFormatSarifVersion210JsonSchema
    verdicts = [judged(text) for text in (GOOD, BAD, WARNED, WAIVED, EVERYTHING)]
    verdicts.append(ConfigurationValidator().validate("/nowhere/no file.yaml"))
    # Its suppressions are those of a draft, where `status` (3.35.3) was called `state`.
    text = report(verdicts, Format.SARIF).replace('"status": "accepted"', '"state": "accepted"')
    assert '"state"' in text
    read = schema.model_validate_json(text)
    (run,) = read.runs
    assert run.results is not None
    assert len(run.results) == sum(len(one.findings) + len(one.waived) for one in verdicts)
    assert {result.ruleId for result in run.results} >= {"C001", "C003", "C006", "C206"}
    # The schema does refuse what is wrong.
    for path, wrong in (("level", "fatal"), ("ruleIndex", -2), ("mesage", {"text": "x"})):
        document = json.loads(text)
        document["runs"][0]["results"][0][path] = wrong
        with pytest.raises(ValidationError):
            schema.model_validate(document)


@pytest.mark.feature("CV-03")
def test_a_reader_of_junit_reports_counts_what_we_count(judged: Judge) -> None:
    verdicts = [judged(text) for text in (GOOD, BAD, WARNED, WAIVED)]
    read = junitparser.JUnitXml.fromstring(report(verdicts, Format.JUNIT).encode())
    suites = list(read)
    assert (read.tests, read.failures, read.errors) == (4 * len(REGISTRY), 2, 0)
    assert [suite.failures for suite in suites] == [0, 2, 0, 0]
    assert [suite.skipped for suite in suites] == [0, 0, 0, 1]
    # Counted anew from the cases, not taken from what the attributes say.
    counting: Any = read
    counting.update_statistics()
    assert (read.tests, read.failures, read.skipped) == (4 * len(REGISTRY), 2, 1)
    failed = [case for case in suites[1] if case.result]
    assert [case.name.partition(" ")[0] for case in failed] == ["C003", "C006"]
    (result,) = failed[0].result
    assert (result.type, result.message) == ("C003", "unknown key.")
    (skipped,) = [case for case in suites[3] if case.result]
    assert isinstance(skipped.result[0], junitparser.Skipped)


def test_sarif_points_to_line_and_key(judged: Judge) -> None:
    unknown, wrong = sarif(judged(BAD))["results"]
    assert unknown["locations"][0]["physicalLocation"]["region"]["startLine"] == 5
    assert unknown["message"]["text"] == "modles: unknown key. Did you mean models?"
    (logical,) = wrong["locations"][0]["logicalLocations"]
    assert logical["fullyQualifiedName"] == "performance_targets.storage.read_latency_ms"


def test_sarif_of_a_file_elsewhere_has_its_whole_address(judged: Judge, tmp_path: Path) -> None:
    verdict = ConfigurationValidator().validate("/nowhere/no file.yaml")
    (result,) = sarif(verdict)["results"]
    location = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location == {"uri": "file:///nowhere/no%20file.yaml"}
    assert "logicalLocations" not in result["locations"][0]


def test_sarif_of_a_variable_names_it_and_no_file() -> None:
    place = Place(Path("variables"), 1, 1, "variable CITADEL_LEVEL")
    item = Diagnostic("C006", place, ("level",), "wrong.", "Write 1.")
    (result,) = sarif(Verdict("a", None, (item,), 0.1))["results"]
    (location,) = result["locations"]
    assert location["message"] == {"text": "variable CITADEL_LEVEL"}
    assert "physicalLocation" not in location


@pytest.mark.feature("CV-03")
def test_what_is_waived_is_suppressed_with_its_reason_and_end(judged: Judge) -> None:
    verdict = judged(WAIVED)
    (result,) = sarif(verdict)["results"]
    assert result["ruleId"] == "C206"
    assert result["suppressions"] == [
        {
            "kind": "inSource",
            "status": "accepted",
            "justification": "a gateway comes next week (until 2026-12-01)",
        }
    ]
    (skipped,) = junit(verdict).iter("skipped")
    assert skipped.get("message") == "waived: a gateway comes next week (until 2026-12-01)"


@pytest.mark.feature("CV-03")
@pytest.mark.parametrize("missing", ["reason", "until"])
def test_a_waiver_without_a_reason_or_an_end_is_refused(judged: Judge, missing: str) -> None:
    fields = {"rule": "C206", "path": "hosts", "reason": "a gateway is late", "until": "2026-12-01"}
    del fields[missing]
    verdict = judged(f"{WARNED}waivers: [{json.dumps(fields)}]\n")
    assert [(item.code, item.path) for item in verdict.findings if item.severity == "error"] == [
        ("C004", ("waivers", 0, missing))
    ]


@pytest.mark.feature("CV-03")
def test_junit_has_a_suite_for_each_environment_and_a_case_for_each_rule(judged: Judge) -> None:
    root = junit(judged(GOOD), judged(BAD))
    assert root.tag == "testsuites"
    good, bad = root
    assert (good.get("name"), bad.get("name", "")[-6:]) == ("a", "a.yaml")
    assert good.get("tests") == bad.get("tests") == str(len(REGISTRY))
    assert (good.get("failures"), bad.get("failures")) == ("0", "2")
    assert (root.get("tests"), root.get("failures")) == (str(2 * len(REGISTRY)), "2")
    for suite in root:
        cases = suite.findall("testcase")
        assert len(cases) == len(REGISTRY)
        assert all(case.get("name") and case.get("classname") for case in cases)
        assert float(suite.get("time", "")) > 0
    failure = next(bad.iter("failure"))
    assert failure.get("type") == "C003"
    assert failure.text == "a.yaml:5  modles\n  error C003: unknown key.\n  Did you mean models?"


def test_a_warning_is_no_failure_of_a_test_report(judged: Judge) -> None:
    root = junit(judged(WARNED))
    assert root.get("failures") == "0"
    assert "warning C206" in (next(root.iter("system-out")).text or "")


def test_a_key_that_xml_cannot_hold_does_not_break_the_report(judged: Judge) -> None:
    root = junit(judged(GOOD + '"a\\x01<&\\e": 1\n'))
    assert "  a… (5 characters)\n" in (next(root.iter("failure")).text or "")


@pytest.mark.parametrize("form", Format)
def test_no_form_repeats_a_value(judged: Judge, form: Format) -> None:
    text = GOOD + "integration_services: {database: {password: canary-value, port: canary-port}}\n"
    assert "canary" not in report([judged(text)], form)
