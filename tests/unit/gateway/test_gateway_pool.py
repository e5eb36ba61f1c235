"""Which upstream is tried, in which order, and what readiness says."""

from __future__ import annotations

from hxp_enterprise_llm.gateway.upstream import Pool, Upstream


def pool(*faults: str | None) -> Pool:
    made = Pool(Upstream("tiny", f"10.0.0.{n}:1", lambda _: None) for n in range(len(faults)))
    for upstream, fault in zip(made.upstreams, faults, strict=True):
        upstream.fault = fault
    return made


def test_the_least_busy_is_tried_first_and_another_second() -> None:
    busy, idle = (made := pool("", "")).upstreams
    with busy.busy():
        assert list(made.tries(())) == [idle, busy]
    assert busy.outstanding == 0


def test_never_more_than_two_tries() -> None:
    assert len(list(pool("", "", "", "").tries(()))) == 2


def test_a_single_upstream_is_tried_twice_unless_it_goes_down() -> None:
    (only,) = (made := pool("")).upstreams
    tries = made.tries(())
    assert next(tries) is only
    assert next(tries) is only
    tries = made.tries(())
    next(tries)
    only.judge("connection refused")
    assert list(tries) == []


def test_one_that_refused_is_not_tried_again() -> None:
    refused: set[Upstream] = set()
    tries = (made := pool("")).tries(refused)
    refused.add(next(tries))
    assert list(tries) == []
    assert made.fault == ""


def test_one_that_is_down_is_not_tried_and_one_not_looked_at_is() -> None:
    _, unknown = (made := pool("connection refused", None)).upstreams
    assert list(made.tries(())) == [unknown, unknown]


def test_a_model_is_ready_only_when_an_upstream_has_passed_a_check() -> None:
    assert pool("", "connection refused").fault == ""
    assert pool(None).fault == "not looked at yet"
    assert pool("health check timed out", "connection refused").fault == (
        "connection refused, health check timed out"
    )


def test_a_change_is_told_once() -> None:
    told: list[str | None] = []
    upstream = Upstream("tiny", "10.0.0.1:1", lambda one: told.append(one.fault))
    for fault in ("", "", "gone", "gone", ""):
        upstream.judge(fault)
    assert told == ["", "gone", ""]
