"""The engine's events, in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hxp_enterprise_llm.orchestration.events import Changes, Progress, describe

HOST = "urn:pulumi:local::citadel::citadel:index:Fleet$citadel-local:index:Host::llm-1"
NETWORK = "urn:pulumi:local::citadel::citadel:index:Fleet$citadel-local:index:Network::network"


def follow(*events: dict[str, Any] | str) -> tuple[Progress, list[str]]:
    said: list[str] = []
    progress = Progress(said.append)
    for event in events:
        progress.line(event if isinstance(event, str) else json.dumps(event))
    return progress, said


def test_a_resource_is_called_by_its_kind_and_name() -> None:
    assert describe(HOST) == "host llm-1"
    assert describe(NETWORK) == "network"


def test_what_is_made_is_reported_and_what_stays_is_not() -> None:
    def event(operation: str) -> dict[str, Any]:
        metadata = {"op": operation, "urn": HOST, "type": "citadel-local:index:Host"}
        return {"resourcePreEvent": {"metadata": metadata}}

    _, said = follow(event("same"), event("refresh"), event("create"))
    assert said == ["host llm-1: making"]


def test_a_providers_progress_is_passed_on_and_debugging_is_not() -> None:
    progress = {"urn": HOST, "message": "waiting\n", "severity": "info", "ephemeral": True}
    debug = {"message": "registering", "severity": "debug"}
    _, said = follow({"diagnosticEvent": progress}, {"diagnosticEvent": debug})
    assert said == ["host llm-1: waiting"]


def test_a_warning_is_kept_once_for_the_end() -> None:
    warning = {"urn": HOST, "message": "stays: /opt/data\n", "severity": "warning"}
    progress, said = follow({"diagnosticEvent": warning}, {"diagnosticEvent": warning})
    assert progress.changes().warnings == ("host llm-1: stays: /opt/data",)
    assert not said


def test_errors_keep_the_name_of_their_resource() -> None:
    error = {"urn": HOST, "message": "port 1 is busy\n", "severity": "error"}
    progress, _ = follow({"diagnosticEvent": error})
    assert progress.errors == ["host llm-1: port 1 is busy"]


def test_what_is_not_an_event_is_kept_for_the_error() -> None:
    progress, _ = follow("error: no stack", "")
    assert progress.other == ["error: no stack"]


def test_the_summary_counts_what_was_done() -> None:
    counts = {"same": 3, "create": 2, "update": 1}
    progress, _ = follow({"summaryEvent": {"resourceChanges": counts}})
    changes = progress.changes()
    assert changes.changed
    assert changes.summary == "+2 ~1"


@pytest.mark.parametrize("counts", [{}, {"same": 14}, {"same": 14, "create": 0}])
def test_nothing_done_is_no_change(counts: dict[str, int]) -> None:
    changes = Changes(counts)
    assert not changes.changed
    assert changes.summary == "no changes"


def test_an_operation_that_we_do_not_know_counts_as_a_change() -> None:
    assert Changes({"import": 1}).changed
