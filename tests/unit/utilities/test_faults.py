"""Failing open or closed is visible, logged and counted; outsiders see no inner detail."""

from __future__ import annotations

import inspect
import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from hxp_enterprise_llm.core.exceptions import (
    BreakerOpenError,
    CitadelError,
    DependencyError,
    UnexpectedError,
)
from hxp_enterprise_llm.utilities.faults import Faults, Handling, fail_closed, fail_open
from hxp_enterprise_llm.utilities.logging import configure
from hxp_enterprise_llm.utilities.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.feature("UT-06")


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    stream = io.StringIO()
    handle = configure(stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    handle.close()


class Cache:
    """A user of the decorators, as a service is."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, Handling]] = []
        self.faults = Faults(
            "cache",
            count=lambda code, handling: self.counted.append((code, handling)),
            incident=lambda: "ab12",
        )

    @fail_open(on=(DependencyError,), returning=None, name="cache read")
    async def read(self, error: Exception | None) -> str | None:
        """Read."""
        if error is not None:
            raise error
        return "value"

    @fail_open(on=(DependencyError,), returning=0, name="cache size")
    def size(self, error: Exception | None) -> int:
        if error is not None:
            raise error
        return 7

    @fail_closed(name="the login")
    async def login(self, error: Exception | None) -> str:
        if error is not None:
            raise error
        return "session"


@pytest.mark.feature("UT-07")
async def test_failing_open_answers_without_it_and_says_so(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    cache = Cache()
    assert await cache.read(None) == "value"
    assert await cache.read(DependencyError("redis is away", next_step="Look at it.")) is None
    assert cache.size(None) == 7
    assert cache.size(DependencyError("redis is away")) == 0
    assert cache.counted == [("dependency.unavailable", Handling.OPEN)] * 2
    first = lines()[0]
    assert (first["event"], first["doing"], first["handling"]) == (
        "fault",
        "cache read",
        "failed-open",
    )
    assert first["message"] == "redis is away"
    assert first["next_step"] == "Look at it."
    assert first["level"] == "warning"


async def test_an_error_that_is_not_named_goes_through() -> None:
    cache = Cache()
    with pytest.raises(KeyError):
        await cache.read(KeyError("typo"))
    assert not cache.counted


async def test_failing_closed_shows_no_inner_detail(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    cache = Cache()
    assert await cache.login(None) == "session"
    with pytest.raises(UnexpectedError) as caught:
        await cache.login(RuntimeError("select * from users where password='hunter22'"))
    assert str(caught.value).startswith("the login failed unexpectedly (incident ab12)")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert cache.counted == [("citadel.unexpected", Handling.CLOSED)]
    (line,) = lines()
    assert "incident ab12" in line["message"]
    assert "RuntimeError" in line["exception"]
    assert "hunter22" not in json.dumps(line)


async def test_our_own_errors_are_shown_without_secrets() -> None:
    cache = Cache()
    with pytest.raises(DependencyError) as caught:
        await cache.login(DependencyError("dsn redis://u:sesam1@h is away", next_step="Look."))
    assert str(caught.value) == "dsn redis://u:[redacted]@h is away\n  Look."
    assert caught.value.as_data()["code"] == "dependency.unavailable"


def test_a_safe_error_keeps_its_class_and_what_programs_read_of_it() -> None:
    redactor = Redactor()
    redactor.learn("geheimnis-1")
    error = BreakerOpenError("geheimnis-1", 2.5)
    safe = Faults("cache", redactor=redactor).safe(error, "read")
    assert isinstance(safe, BreakerOpenError)
    assert safe.retry_after == 2.5
    assert "geheimnis" not in str(safe)
    assert "geheimnis" not in repr(safe)
    assert "geheimnis" in str(error)


def test_a_function_has_its_reporter_given_or_logs_only(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    counted: list[str] = []
    shared = Faults("job", count=lambda code, _: counted.append(code))

    @fail_open(on=(OSError,), returning=-1, name="job", faults=shared)
    def job() -> int:
        raise OSError("gone")

    @fail_open(on=(OSError,), returning=-1, name="other job")
    def other() -> int:
        raise OSError("gone")

    assert (job(), other()) == (-1, -1)
    assert counted == ["citadel.unexpected"]
    assert [line["service"] for line in lines()] == ["job", "faults"]


def test_decorated_functions_stay_what_they_are() -> None:
    assert inspect.iscoroutinefunction(Cache.read)
    assert not inspect.iscoroutinefunction(Cache.size)
    assert (Cache.read.__name__, Cache.read.__doc__) == ("read", "Read.")


def test_reports_go_to_the_logger_that_is_given() -> None:
    from hxp_enterprise_llm.utilities.logging import get_logger

    seen: list[logging.LogRecord] = []

    class Seen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    handler = Seen()
    logging.getLogger("citadel.special").addHandler(handler)
    faults = Faults("cache", logger=get_logger("special"))
    shown = faults.report(CitadelError("gone"), "read")
    logging.getLogger("citadel.special").removeHandler(handler)
    assert isinstance(shown, CitadelError)
    assert [record.name for record in seen] == ["citadel.special"]
