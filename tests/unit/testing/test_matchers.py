"""Matchers let pass what holds, and say what was there when it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from hxp_enterprise_llm.configuration.audit import AuditEvent, AuditLog
from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, Place
from hxp_enterprise_llm.core.exceptions import CitadelError, RefusedError
from hxp_enterprise_llm.testing.clock import Calendar
from hxp_enterprise_llm.testing.matchers import audited, finding, metric, refused

pytestmark = pytest.mark.feature("UT-08")
CODE = CitadelError.code
FOUND = [
    Diagnostic("C006", Place(Path("a.yaml"), 12, 1), ("hosts", "b", 0), "too small", "more"),
    Diagnostic("C006", Place(Path("a.yaml"), 14, 1), ("state",), "too small", "more"),
    Diagnostic("C007", Place(Path("-"), 1, 1, "variable CITADEL_STATE"), ("state",), "bad", "good"),
]


def test_an_error_has_its_code_and_a_next_step() -> None:
    with refused(RefusedError, "no", "way", next_step="Ask") as caught:
        raise RefusedError("no such way", next_step="Ask first.")
    assert caught.error.message == "no such way"
    with refused(CitadelError, next_step=""):
        raise CitadelError("it ended")


@pytest.mark.parametrize(
    ("error", "options", "why"),
    [
        (CitadelError("a"), {}, "there is no next step behind 'a'"),
        (CitadelError("a", next_step="b"), {"next_step": ""}, "there is a next step: 'b'"),
        (CitadelError("a", next_step="b"), {"next_step": "c"}, "'c' is not in 'b'"),
        (
            RefusedError("a", next_step="b"),
            {},
            f"the code is {RefusedError.code}, not citadel.error",
        ),
        (None, {}, "CitadelError was not raised"),
    ],
)
def test_an_error_that_does_not_help_is_told(
    error: CitadelError | None, options: dict[str, str], why: str
) -> None:
    def act() -> None:
        with refused(CitadelError, **options):
            if error:
                raise error

    with pytest.raises(AssertionError) as told:
        act()
    assert str(told.value) == why
    with pytest.raises(AssertionError, match="'x' is not in 'a'"), refused(CitadelError, "x"):
        raise CitadelError("a", next_step="b")


def test_other_errors_go_through() -> None:
    with pytest.raises(ZeroDivisionError), refused(CitadelError):
        _ = 1 / 0


def test_a_finding_is_picked_by_line_key_and_variable() -> None:
    assert finding(FOUND, "C006", at="a.yaml:12") is FOUND[0]
    assert finding(FOUND, "C006", path="state") is FOUND[1]
    assert finding(FOUND, "C007", at="variable CITADEL_STATE") is FOUND[2]
    with pytest.raises(AssertionError, match=r"2 of C006 .*\n  C006 a.yaml:12 hosts.b.0\n"):
        finding(FOUND, "C006")
    with pytest.raises(AssertionError, match=r"0 of C001 at None, key None; there is: nothing"):
        finding([], "C001")


def test_a_metric_is_read_and_a_missing_one_names_its_neighbours() -> None:
    registry = CollectorRegistry()
    Counter("citadel_reads", "Reads.", ["backend"], registry=registry).labels("vault").inc(3)
    assert metric(registry, "citadel_reads_total", {"backend": "vault"}) == 3
    with pytest.raises(AssertionError, match=r"there is: \{'backend': 'vault'\}"):
        metric(registry, "citadel_reads_total", {"backend": "aws"})
    with pytest.raises(AssertionError, match="there is: none of that name"):
        metric(registry, "citadel_reds_total")


def test_an_event_of_the_audit_log_is_found_by_its_fields(tmp_path: Path) -> None:
    calendar = Calendar()
    log = AuditLog(tmp_path / "audit.jsonl", clock=calendar)
    with pytest.raises(AssertionError, match="there is: nothing"):
        audited(log, actor="ann")
    for actor in ("ann", "bob", "ann"):
        log.append(AuditEvent(actor, "secret.read", "app/token", "ok"))
        calendar.forward(hours=1)
    assert audited(log, actor="ann", outcome="ok").number == 3
    assert audited(log, actor="bob").at == calendar.now.replace(hour=13)
    with pytest.raises(AssertionError, match=r"no event has .*'eve'.*\n  AuditEvent\(actor='ann'"):
        audited(log, actor="eve")
    log.close()
