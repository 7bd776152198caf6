"""Where a service's log lines go: to standard error, in the form of every other log line."""

from __future__ import annotations

from typing import Any

from sparkperso.config.platform import LoggingConfig
from sparkperso.core.logs import JsonLines, TextLines
from sparkperso.services.http.request_log import OfRequest


def service_logging(config: LoggingConfig) -> dict[str, Any]:
    """Returns what the server's and our own loggers use, as `logging.config` takes it.

    JSON unless text is configured: whatever a client sends stays within its line.
    """
    lines = TextLines if config.format == "text" else JsonLines
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": lines}},
        "filters": {"request": {"()": OfRequest}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "lines",
                "filters": ["request"],
            }
        },
        "loggers": {
            "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
            "opentelemetry": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
            "sparkperso": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        },
    }
