"""Log lines as JSON: whatever a client sends stays within its line."""

from __future__ import annotations

import logging
from typing import Any

import orjson

from sparkperso.core.times import iso, now


class JsonLines(logging.Formatter):
    """One JSON object per record; newlines and control characters are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the record as one line of JSON, its time in UTC."""
        line = {
            "time": iso(now()),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": JsonLines}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "json"},
    },
    "loggers": {
        "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "sparkperso": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}
"""What the server's and our own loggers use."""
