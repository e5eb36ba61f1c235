from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic
from hxp_enterprise_llm.configuration.rules import REGISTRY
from hxp_enterprise_llm.configuration.rules.registry import Rule, add

Judge = Callable[[dict[str, Any]], list[Diagnostic]]
BROKEN = {"hosts/llm-1/memory": "4GiB"}


def waiver(**fields: Any) -> dict[str, Any]:
    whole = {
        "rule": "C210",
        "path": "hosts.llm-1.memory",
        "reason": "measured under full load",
        "until": "2026-11-21",
    }
    return {"waivers": [{**whole, **fields}]}


@pytest.mark.parametrize("path", ["hosts.llm-1.memory", "hosts.llm-1", "hosts"])
def test_a_waiver_covers_its_key_and_all_below_on_its_last_day(judge: Judge, path: str) -> None:
    assert judge({**BROKEN, **waiver(path=path)}) == []


def test_a_waiver_for_another_key_covers_nothing_and_says_so(judge: Judge) -> None:
    problems = judge({**BROKEN, **waiver(path="hosts.llm")})
    assert [(item.code, item.severity) for item in problems] == [
        ("C210", "error"),
        ("C903", "warning"),
    ]
    assert problems[1].message == "this waiver waives nothing."


def test_an_ended_waiver_is_an_error_and_covers_nothing(judge: Judge) -> None:
    problems = judge({**BROKEN, **waiver(until="2026-11-20")})
    assert [item.code for item in problems] == ["C210", "C902"]
    assert problems[1].message == "the waiver ended on 2026-11-20."


def test_a_rule_that_keeps_the_engine_safe_cannot_be_waived(judge: Judge) -> None:
    unsafe = {
        "models/small/environment": {"VLLM_SERVER_DEV_MODE": "1"},
        **waiver(rule="C106", path="models"),
    }
    problems = judge(unsafe)
    assert [item.code for item in problems if item.severity == "error"] == ["C106", "C901"]
    assert problems[1].message == "this rule cannot be waived."


def test_a_waiver_of_an_unknown_rule_is_refused(judge: Judge) -> None:
    problem = judge(waiver(rule="C999"))[0]
    assert (problem.code, problem.message) == ("C901", "there is no such rule.")


@pytest.mark.parametrize("reason", ["", "meh", " " * 12, "\tmeh meh  "])
def test_a_waiver_needs_a_reason(judge: Judge, reason: str) -> None:
    (problem,) = judge({**BROKEN, **waiver(reason=reason)})
    assert problem.path == ("waivers", 0, "reason")
    assert problem.fix == "Write at least 10 characters."


@pytest.mark.parametrize("until", ["soon", "", "2026-02-30", 0, True, None, "2026-12"])
def test_a_waiver_needs_a_day_as_its_end(judge: Judge, until: Any) -> None:
    (problem,) = judge({**BROKEN, **waiver(until=until)})
    assert problem.path == ("waivers", 0, "until")
    assert problem.fix == "Write a date such as 2027-01-31."


def test_ids_are_of_one_form_and_never_twice() -> None:
    assert all(len(identity) == 4 and identity[0] == "C" for identity in REGISTRY)
    known = next(iter(REGISTRY.values()))
    with pytest.raises(ValueError, match="stands twice"):
        add(known)


def test_every_rule_says_what_must_hold_and_why() -> None:
    for rule in REGISTRY.values():
        assert isinstance(rule, Rule)
        assert rule.title.endswith(".")
        assert rule.why.endswith(".")
        assert rule.page == f"docs/reference/rules.md#{rule.id.lower()}"
