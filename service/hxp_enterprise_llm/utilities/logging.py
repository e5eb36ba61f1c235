"""The one logger set-up: structured lines, as JSON or for a console, without secrets.

Services log through `get_logger`; a program calls `configure` once. Records of other libraries
take the same way: the same fields, the same redaction, the same outputs.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Protocol, TextIO

from pydantic import Field
from pydantic_core import PydanticSerializationError, to_json

from hxp_enterprise_llm.schemas.base import Bytes, CitadelModel
from hxp_enterprise_llm.utilities.correlation import current
from hxp_enterprise_llm.utilities.redaction import Redactor

# What every record of the standard library has; the rest its logger added.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
ROOT = "citadel"
"""Loggers of ours are below it: `citadel.gateway`."""


class Level(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def number(self) -> int:
        """Return the level as the standard library counts."""
        return logging.getLevelNamesMapping()[self.name]


class Format(StrEnum):
    """How a line looks."""

    JSON = "json"
    CONSOLE = "console"


class LogFile(CitadelModel):
    """A file of log lines, for one process; it is rotated each day (UTC) and at a size."""

    path: Path = Field(description="The file; its folder must exist.")
    max_size: Bytes = Field(default=50 * 2**20, gt=0, description="It is rotated before this.")
    keep_files: int = Field(default=14, ge=1, le=1000, description="Rotated files that are kept.")
    keep_days: int = Field(default=30, ge=1, description="Older rotated files are removed.")


class LoggingSettings(CitadelModel):
    """What is logged, how, and where to."""

    level: Level = Field(default=Level.INFO, description="Level of our services.")
    services: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]*$")], Level] = Field(
        default_factory=dict, description="Level of single services, by name."
    )
    libraries: Level = Field(default=Level.WARNING, description="Level of everything else.")
    format: Format = Field(default=Format.JSON, description="JSON lines, or text for people.")
    file: LogFile | None = Field(default=None, description="Log to a file too, always as JSON.")


class Logger(Protocol):
    """What services log with: an event's name and its fields."""

    def debug(self, event: str, **fields: Any) -> Any:
        """Log what helps to find a fault."""

    def info(self, event: str, **fields: Any) -> Any:
        """Log what happened."""

    def warning(self, event: str, **fields: Any) -> Any:
        """Log what an operator should know."""

    def error(self, event: str, **fields: Any) -> Any:
        """Log what an operator must see to."""

    def exception(self, event: str, **fields: Any) -> Any:
        """Log an error with the traceback of the exception that is being handled."""

    def bind(self, **fields: Any) -> Logger:
        """Return a logger whose lines carry these fields too."""


def get_logger(service: str, **fields: Any) -> Logger:
    """Return the logger of a service; its lines carry the service's name and the given fields.

    Before `configure` its lines go where the standard library sends them.
    """
    return _Logger(logging.getLogger(f"{ROOT}.{service}"), {"service": service, **fields})


class _Fields(dict[str, Any]):
    """The message of a record of ours: its event and its fields."""


class _Logger:
    """A `Logger` on the standard library's; a service logs each request, so it is kept short."""

    __slots__ = ("_fields", "_logger")

    def __init__(self, logger: logging.Logger, fields: dict[str, Any]) -> None:
        self._logger, self._fields = logger, fields

    def debug(self, event: str, **fields: Any) -> None:
        self._log(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._log(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._log(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._log(logging.ERROR, event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        self._log(logging.ERROR, event, {"exc_info": sys.exception(), **fields})

    def bind(self, **fields: Any) -> _Logger:
        return _Logger(self._logger, self._fields | fields)

    def _log(self, level: int, event: str, fields: dict[str, Any]) -> None:
        if not self._logger.isEnabledFor(level):
            return
        error = fields.pop("exc_info", None)
        what = _Fields(event=event, **(self._fields | fields))
        info = (type(error), error, error.__traceback__) if error is not None else None
        # No search for the caller's line: the event says where it comes from.
        record = self._logger.makeRecord(self._logger.name, level, "", 0, what, (), info)
        self._logger.handle(record)


class Logging:
    """A logger set-up that is in force.

    Attributes:
        redactor: Takes secrets out of each line; teach it values that must not show.
    """

    def __init__(self, settings: LoggingSettings, stream: TextIO, redactor: Redactor) -> None:
        self.settings, self.redactor = settings, redactor
        self._root = logging.getLogger()
        self._before = (self._root.level, list(self._root.handlers))
        self._levels: dict[str, int] = {}
        self._handlers = [_to_stream(settings.format, stream, redactor)]
        if settings.file is not None:
            self._handlers.append(_to_file(settings.file, redactor))
        self._root.handlers = list(self._handlers)
        self._root.setLevel(settings.libraries.number)
        self._set(ROOT, settings.level.number)
        for service, level in settings.services.items():
            self.set_level(service, level)

    def set_level(self, service: str, level: Level | None) -> None:
        """Change how much a service logs, at once; None: as all services do."""
        self._set(f"{ROOT}.{service}", level.number if level else logging.NOTSET)

    def set_default(self, level: Level) -> None:
        """Change how much all services log that have no level of their own."""
        self._set(ROOT, level.number)

    def close(self) -> None:
        """Close the outputs, and put everything back as it was before `configure`."""
        level, handlers = self._before
        self._root.handlers = handlers
        self._root.setLevel(level)
        for name, old in self._levels.items():
            logging.getLogger(name).setLevel(old)
        for handler in self._handlers:
            handler.close()

    def _set(self, name: str, level: int) -> None:
        logger = logging.getLogger(name)
        self._levels.setdefault(name, logger.level)
        logger.setLevel(level)


def configure(
    settings: LoggingSettings | None = None,
    *,
    stream: TextIO | None = None,
    redactor: Redactor | None = None,
) -> Logging:
    """Send all log lines of this process to their outputs; a program calls it once.

    Args:
        settings: What is logged, how, and where to.
        stream: Where lines go; standard output when not given.
        redactor: Shared with who learns secrets; a new one when not given.

    Raises:
        OSError: The log file cannot be opened.
    """
    return Logging(settings or LoggingSettings(), stream or sys.stdout, redactor or Redactor())


def _to_stream(form: Format, stream: TextIO, redactor: Redactor) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(form, redactor, colors=stream.isatty()))
    return handler


def _to_file(file: LogFile, redactor: Redactor) -> logging.Handler:
    from hxp_enterprise_llm.utilities.logfiles import RotatingLogFile

    handler = RotatingLogFile(
        file.path, max_bytes=file.max_size, keep_files=file.keep_files, keep_days=file.keep_days
    )
    handler.setFormatter(_formatter(Format.JSON, redactor, colors=False))
    return handler


def _formatter(form: Format, redactor: Redactor, *, colors: bool) -> logging.Formatter:
    if form is Format.JSON:
        return _LineFormatter(redactor, _to_json)
    import structlog

    console = structlog.dev.ConsoleRenderer(
        colors=colors,
        timestamp_key="time",
        exception_formatter=structlog.dev.plain_traceback,
    )
    return _LineFormatter(redactor, lambda line: console(None, line["level"], _on_one_line(line)))


def _on_one_line(line: dict[str, Any]) -> dict[str, Any]:
    # A second line would look like a record of its own; of fields the renderer takes care.
    escaped = {name: str(line[name]).replace("\n", "\\n") for name in ("event", "logger")}
    return line | escaped


class _LineFormatter(logging.Formatter):
    """Makes a line of any record: ours, and those of other libraries."""

    def __init__(self, redactor: Redactor, render: Callable[[dict[str, Any]], str]) -> None:
        super().__init__()
        self._redactor, self._render = redactor, render

    def format(self, record: logging.LogRecord) -> str:
        line = _named(record)
        if isinstance(record.msg, _Fields):
            line |= record.msg
        else:
            line["event"] = record.getMessage()
            line |= {k: value for k, value in vars(record).items() if k not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        # Last before the line is made: whatever the steps above add goes through it.
        shown = self._redactor.data(line)
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        return self._render({"time": time, "level": record.levelname.lower()} | shown)


def _to_json(line: dict[str, Any]) -> str:
    try:
        return to_json(line).decode()
    except PydanticSerializationError:
        # Half of a surrogate pair, as a broken file name may have it: escaped, it passes.
        return json.dumps(line)


def _named(record: logging.LogRecord) -> dict[str, Any]:
    """Return logger and correlation, which stand before the fields."""
    head: dict[str, Any] = {"logger": record.name, "event": ""}
    correlation = current()
    if correlation is not None:
        head["request_id"] = correlation.request_id
        head["trace_id"], head["span_id"] = correlation.trace_id, correlation.span_id
    return head
