"""Reports of validation for people, programs, code scanners (SARIF) and test reports (JUnit)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from hxp_enterprise_llm import __version__
from hxp_enterprise_llm.configuration.diagnostics import (
    Diagnostic,
    counted,
    render,
    shown,
    told,
)
from hxp_enterprise_llm.configuration.rules import REGISTRY, Rule
from hxp_enterprise_llm.configuration.rules.categories import category_of
from hxp_enterprise_llm.configuration.validation import Verdict

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


class Format(StrEnum):
    """Forms of a report."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"


def report(verdicts: Sequence[Verdict], form: Format) -> str:
    """Return a report of what validation found, without a line break at its end."""
    return _REPORTS[form](verdicts)


def text_of(verdict: Verdict) -> str:
    """Return findings for people, and the closing line of a valid file."""
    lines = [render(verdict.findings)] if verdict.findings else []
    if verdict.valid:
        parts = [f"{verdict.name} is valid: {_sort(verdict)}"]
        if verdict.findings:
            parts.append(counted(len(verdict.findings), "warning"))
        if verdict.waived:
            parts.append(f"{len(verdict.waived)} waived")
        lines.append(", ".join(parts))
    return "\n".join(lines)


def _sort(verdict: Verdict) -> str:
    if verdict.loaded is None:
        return str(verdict.service.schema if verdict.service is not None else "")
    environment = verdict.loaded.environment
    hosts, models = len(environment.hosts), len(environment.models)
    return f"{counted(hosts, 'host')}, {counted(models, 'model')}"


def _text(verdicts: Sequence[Verdict]) -> str:
    return "\n".join(text_of(verdict) for verdict in verdicts)


def _json(verdicts: Sequence[Verdict]) -> str:
    return json.dumps([verdict.as_data() for verdict in verdicts], indent=2)


def _sarif(verdicts: Sequence[Verdict]) -> str:
    """Return SARIF 2.1.0 (OASIS), as code scanners of forges read it."""
    ids = sorted(REGISTRY)
    driver = {
        "name": "citadel",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_sarif_rule(REGISTRY[identity]) for identity in ids],
    }
    results = [result for verdict in verdicts for result in _results(verdict, ids)]
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True}],
        "results": results,
    }
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.why} See {rule.page}."},
        "defaultConfiguration": {"level": rule.severity},
        "properties": {"tags": [category_of(rule.id).value], "waivable": rule.waivable},
    }


def _results(verdict: Verdict, ids: list[str]) -> Iterator[dict[str, Any]]:
    for item in verdict.findings:
        yield _result(item, ids)
    for item in verdict.waived:
        waiver = verdict.waiver_of(item)
        why = f"{waiver.reason} (until {waiver.until})" if waiver is not None else ""
        yield _result(item, ids) | {
            "suppressions": [{"kind": "inSource", "status": "accepted", "justification": why}]
        }


def _result(item: Diagnostic, ids: list[str]) -> dict[str, Any]:
    return {
        "ruleId": item.code,
        "ruleIndex": ids.index(item.code),
        "level": item.severity,
        "message": {"text": f"{told(item.path)}: {item.message} {item.fix}".removeprefix(": ")},
        "locations": [_location(item)],
    }


def _location(item: Diagnostic) -> dict[str, Any]:
    path = told(item.path)
    logical = [{"fullyQualifiedName": path, "kind": "member"}] if path else []
    place = item.place
    if place.label:
        # A variable or a flag is no file that a scanner could open.
        return {"message": {"text": place.label}, "logicalLocations": logical}
    file = Path(shown(place.file))
    uri = file.as_uri() if file.is_absolute() else file.as_posix()
    region = {"startLine": place.line, "startColumn": place.column}
    physical = {"artifactLocation": {"uri": uri}, "region": region}
    return {"physicalLocation": physical} | ({"logicalLocations": logical} if logical else {})


def _junit(verdicts: Sequence[Verdict]) -> str:
    """Return JUnit's XML: a suite for each environment, a case for each rule."""
    root = ET.Element("testsuites", name="citadel config validate")
    for verdict in verdicts:
        root.append(_suite(verdict))
    for attribute in ("tests", "failures", "skipped"):
        total = sum(int(suite.get(attribute, "0")) for suite in root)
        root.set(attribute, str(total))
    root.set("errors", "0")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _suite(verdict: Verdict) -> ET.Element:
    cases = [_case(verdict, REGISTRY[identity]) for identity in sorted(REGISTRY)]
    suite = ET.Element("testsuite", name=verdict.name, tests=str(len(cases)), errors="0")
    for attribute, tag in (("failures", "failure"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", f"{verdict.seconds:.3f}")
    suite.extend(cases)
    return suite


def _case(verdict: Verdict, rule: Rule) -> ET.Element:
    case = ET.Element(
        "testcase",
        classname=f"{verdict.name}.{category_of(rule.id)}",
        name=f"{rule.id} {rule.title}",
        time="0",
    )
    found = [item for item in verdict.findings if item.code == rule.id]
    waived = [item for item in verdict.waived if item.code == rule.id]
    errors = [item for item in found if item.severity == "error"]
    if errors:
        failure = ET.SubElement(case, "failure", message=errors[0].message, type=rule.id)
        failure.text = _xml_text(errors)
    elif found:
        ET.SubElement(case, "system-out").text = _xml_text(found)
    elif waived:
        waiver = verdict.waiver_of(waived[0])
        why = f"waived: {waiver.reason} (until {waiver.until})" if waiver is not None else "waived"
        ET.SubElement(case, "skipped", message=why)
    return case


def _xml_text(found: Sequence[Diagnostic]) -> str:
    """Return findings without the control characters that XML cannot hold; a key may have some."""
    text = "\n".join(map(str, found))
    return "".join(mark if mark.isprintable() or mark == "\n" else "\ufffd" for mark in text)


_REPORTS: Mapping[Format, Callable[[Sequence[Verdict]], str]] = {
    Format.TEXT: _text,
    Format.JSON: _json,
    Format.SARIF: _sarif,
    Format.JUNIT: _junit,
}
