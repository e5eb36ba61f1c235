"""JSON lines on standard output; systemd's journal takes them from there."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

logger = logging.getLogger("citadel.gateway")


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time, level, event, and the record's `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def event(name: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Write an event; fields hold no bodies and no keys."""
    logger.log(level, name, extra={"fields": fields})


def configure(worker: int) -> None:
    """Send our events, and warnings of libraries, to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # Bad requests and broken answers are errors to it; our own log and metrics have them.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    logger.setLevel(logging.INFO)
    event("start", worker=worker)
