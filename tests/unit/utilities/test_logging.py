"""The one logger set-up: structured lines, levels by service, correlation, and no secret."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from hxp_enterprise_llm.utilities.correlation import accept, bound
from hxp_enterprise_llm.utilities.logging import (
    Format,
    Level,
    LogFile,
    Logging,
    LoggingSettings,
    configure,
    get_logger,
)
from hxp_enterprise_llm.utilities.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.feature("UT-01")


class Output(io.StringIO):
    """A place for lines, read as JSON."""

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def output() -> Output:
    return Output()


@pytest.fixture
def start(output: Output) -> Iterator[Callable[..., Logging]]:
    made: list[Logging] = []

    def begin(**settings: Any) -> Logging:
        made.append(configure(LoggingSettings(**settings), stream=output))
        return made[-1]

    yield begin
    for one in reversed(made):
        one.close()


def test_a_line_is_json_with_time_level_service_event_and_fields(
    start: Callable[..., Logging], output: Output
) -> None:
    start()
    get_logger("gateway", worker=2).info("started", models=["a", "b"], seconds=1.5)
    (line,) = output.events()
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "citadel.gateway",
        "event": "started",
        "service": "gateway",
        "worker": 2,
        "models": ["a", "b"],
        "seconds": 1.5,
    }


def test_bound_fields_come_with_each_line(start: Callable[..., Logging], output: Output) -> None:
    start()
    get_logger("gateway").bind(model="small").warning("slow")
    assert output.events()[0]["model"] == "small"


def test_levels_hold_for_each_service_and_for_libraries(
    start: Callable[..., Logging], output: Output
) -> None:
    start(level="warning", services={"gateway": "debug"})
    get_logger("gateway").debug("seen")
    get_logger("redis").info("not seen")
    get_logger("redis").error("seen too")
    logging.getLogger("asyncio.test").info("not seen")
    logging.getLogger("asyncio.test").warning("seen as well")
    assert [line["event"] for line in output.events()] == ["seen", "seen too", "seen as well"]


def test_levels_change_while_it_runs(start: Callable[..., Logging], output: Output) -> None:
    handle = start()
    log = get_logger("gateway")
    log.debug("no")
    handle.set_level("gateway", Level.DEBUG)
    log.debug("one")
    handle.set_default(Level.CRITICAL)
    log.debug("two")
    handle.set_level("gateway", None)
    log.error("no")
    assert [line["event"] for line in output.events()] == ["one", "two"]


def test_records_of_libraries_take_the_same_way(
    start: Callable[..., Logging], output: Output
) -> None:
    start()
    extra = {"fields": {"api_key": "abcdefgh"}}
    logging.getLogger("lib").error("failed for %s: Bearer abcdefghij", "us", extra=extra)
    (line,) = output.events()
    assert (line["event"], line["logger"]) == ("failed for us: Bearer [redacted]", "lib")
    assert line["fields"] == {"api_key": "[redacted]"}


def test_a_traceback_is_one_field_and_without_secrets(
    start: Callable[..., Logging], output: Output
) -> None:
    handle = start()
    handle.redactor.learn("geheimnis-1")
    try:
        raise ValueError("dsn redis://user:sesam1@host and geheimnis-1")  # noqa: TRY301
    except ValueError:
        get_logger("gateway").exception("failed")
        logging.getLogger("lib").exception("failed too")
    for line in output.events():
        assert "Traceback" in line["exception"]
        assert "redis://user:[redacted]@host and [redacted]" in line["exception"]
    assert "sesam1" not in output.getvalue()


def test_an_object_is_shown_only_after_redaction(
    start: Callable[..., Logging], output: Output
) -> None:
    class Connection:
        def __repr__(self) -> str:
            return "Connection(password='hunter22')"

    start()
    get_logger("gateway").info("connected", to=Connection())
    assert output.events()[0]["to"] == "Connection(password=[redacted])"


def test_half_of_a_surrogate_pair_is_escaped_and_loses_no_line(
    start: Callable[..., Logging], output: Output
) -> None:
    start()
    get_logger("gateway").info("read", file="a\udc80ö")
    assert output.events()[0]["file"] == "a\udc80ö"
    assert "\\udc80" in output.getvalue()
    get_logger("gateway").info("read", file="ö")
    assert "ö" in output.getvalue()


@pytest.mark.feature("UT-03")
def test_lines_of_a_request_carry_its_correlation(
    start: Callable[..., Logging], output: Output
) -> None:
    start()
    with bound(accept({"x-request-id": "r-1"})) as correlation:
        get_logger("gateway").info("inside")
        logging.getLogger("lib").warning("inside too")
    get_logger("gateway").info("outside")
    first, second, third = output.events()
    for line in (first, second):
        assert (line["request_id"], line["trace_id"]) == ("r-1", correlation.trace_id)
        assert line["span_id"] == correlation.span_id
    assert "request_id" not in third


def test_a_console_line_is_text_for_people(start: Callable[..., Logging], output: Output) -> None:
    start(format=Format.CONSOLE)
    get_logger("gateway").info("started\x1b[2J", models=3, password="hunter22")
    try:
        raise KeyError("lost")  # noqa: TRY301
    except KeyError:
        get_logger("gateway").exception("failed")
    text = output.getvalue()
    assert "models=3" in text
    assert "KeyError: 'lost'" in text
    assert "hunter22" not in text
    assert "\x1b" not in text


def test_a_record_cannot_make_a_second_console_line(
    start: Callable[..., Logging], output: Output
) -> None:
    start(format=Format.CONSOLE)
    logging.getLogger("lib\nrary").warning("one\n2026-01-01 [info] forged", extra={"a": "b\nc"})
    get_logger("gateway").warning("two\nforged", user="d\ne")
    assert len(output.getvalue().splitlines()) == 2
    assert "one\\n2026" in output.getvalue()


def test_colours_are_for_terminals_only() -> None:
    class Terminal(Output):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    handle = configure(LoggingSettings(format=Format.CONSOLE), stream=terminal)
    get_logger("gateway").info("started")
    handle.close()
    assert "\x1b[" in terminal.getvalue()


def test_before_it_is_configured_lines_go_to_the_standard_library(
    caplog: pytest.LogCaptureFixture,
) -> None:
    get_logger("gateway").warning("early")
    assert [record.name for record in caplog.records] == ["citadel.gateway"]


def test_close_puts_everything_back(output: Output) -> None:
    root, ours = logging.getLogger(), logging.getLogger("citadel.gateway")
    before = (root.level, list(root.handlers), ours.level)
    handle = configure(LoggingSettings(services={"gateway": Level.DEBUG}), stream=output)
    assert (root.level, ours.level) == (logging.WARNING, logging.DEBUG)
    handle.close()
    assert (root.level, list(root.handlers), ours.level) == before


def test_standard_output_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    handle = configure()
    get_logger("gateway").info("started")
    handle.close()
    assert json.loads(capsys.readouterr().out)["event"] == "started"


def test_a_file_takes_json_beside_the_console(tmp_path: Path, output: Output) -> None:
    file, redactor = tmp_path / "gateway.log", Redactor()
    settings = LoggingSettings(format=Format.CONSOLE, file=LogFile(path=file))
    handle = configure(settings, stream=output, redactor=redactor)
    redactor.learn("geheimnis-1")
    get_logger("gateway").info("started", note="geheimnis-1")
    handle.close()
    line = json.loads(file.read_text())
    assert (line["event"], line["note"]) == ("started", "[redacted]")
    assert "started" in output.getvalue()


@pytest.mark.parametrize(
    "wrong", [{"level": "loud"}, {"services": {"Gate way": "info"}}, {"colour": True}]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LoggingSettings(**wrong)


def test_levels_are_those_of_the_standard_library() -> None:
    assert [level.number for level in Level] == [10, 20, 30, 40, 50]
