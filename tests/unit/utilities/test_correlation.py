"""One id through all tasks and services: W3C Trace Context, or the caller's request id."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxp_enterprise_llm.utilities.correlation import accept, bound, child, current

pytestmark = pytest.mark.feature("UT-03")

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def fixed(count: int) -> str:
    return "ab" * count


def test_a_traceparent_is_continued_with_a_span_of_our_own() -> None:
    found = accept({"traceparent": f"00-{TRACE}-{PARENT}-01"}, hexadecimal=fixed)
    assert (found.trace_id, found.span_id, found.flags) == (TRACE, "ab" * 8, "01")
    assert found.request_id == TRACE


def test_a_request_id_is_taken_beside_the_trace() -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-00", "x-request-id": "job.7_a-b"}
    assert accept(headers).request_id == "job.7_a-b"
    assert accept({"x-request-id": "job-7"}).request_id == "job-7"


def test_without_headers_there_is_a_new_one_each_time() -> None:
    first, second = accept(), accept({})
    assert first.trace_id != second.trace_id
    assert len(first.trace_id) == 32
    assert len(first.span_id) == 16
    assert first.request_id == first.trace_id


@pytest.mark.parametrize(
    "header",
    [
        f"00-{TRACE}-{PARENT}",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-01\nforged: line",
        "",
    ],
)
def test_a_traceparent_of_another_form_is_not_believed(header: str) -> None:
    assert accept({"traceparent": header}).trace_id != TRACE


def test_a_later_version_may_carry_more() -> None:
    assert accept({"traceparent": f"01-{TRACE}-{PARENT}-01-more"}).trace_id == TRACE


@given(st.text())
def test_nothing_that_a_caller_sends_can_forge_a_log_line(text: str) -> None:
    found = accept({"x-request-id": text, "traceparent": text})
    assert found.request_id.isprintable()
    assert set(found.trace_id) <= set("0123456789abcdef")


def test_headers_for_another_service_carry_the_trace_on() -> None:
    found = accept({"x-request-id": "r-1"})
    headers = found.headers(hexadecimal=fixed)
    assert headers == {
        "traceparent": f"00-{found.trace_id}-{'ab' * 8}-00",
        "x-request-id": "r-1",
    }
    assert accept(headers).trace_id == found.trace_id


def test_a_part_of_the_work_has_a_span_of_its_own() -> None:
    parent = accept({"x-request-id": "r-1"})
    part = child(parent)
    assert (part.trace_id, part.request_id) == (parent.trace_id, "r-1")
    assert part.span_id != parent.span_id


async def test_tasks_inherit_it_and_requests_side_by_side_do_not_mix() -> None:
    async def deep() -> str:
        await asyncio.sleep(0)
        found = current()
        return found.request_id if found else ""

    async def request(name: str) -> str:
        with bound(accept({"x-request-id": name})):
            return await asyncio.create_task(deep())

    names = [f"r-{number}" for number in range(20)]
    assert await asyncio.gather(*(request(name) for name in names)) == names
    assert current() is None
