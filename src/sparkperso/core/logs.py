"""Log lines: of a command into a file and onto the terminal, of a service as JSON.

Everything that is logged in this process, by a library too, goes one way: a command opens a
`RunLog` for as long as it works. Lines are text or JSON (`logging.format`); each names the run that
it belongs to.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

from sparkperso.core.causes import message_of
from sparkperso.core.terminal import visible
from sparkperso.core.times import iso

LOG = logging.getLogger("sparkperso")
"""Of the suite itself: what a step says goes to it at INFO."""
CONTEXT_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
"""Of PySpark: they write every error of SQL to standard error, even one that is dealt with."""
SPARK_LOGGERS = (*CONTEXT_LOGGERS, "py4j")
"""What they repeat is told anyway: a terminal has them with --debug alone."""
NO_RUN = "-"
IDS = ("run_id", "request_id", "trace_id")
"""What a record may say that it belongs to. Its `fields`, a mapping, are members of its line."""
ATTRIBUTE = "_sparkperso_log"


class JsonLines(logging.Formatter):
    """One JSON object per record; newlines and control characters are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the record as one line of JSON, its time in UTC."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in IDS:
            if value := getattr(record, name, None):
                line[name] = value
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class TextLines(logging.Formatter):
    """Time (UTC), level, run or request, logger, message; below it an error's traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the record as text, control characters spelled out."""
        of = getattr(record, "run_id", None) or getattr(record, "request_id", None) or NO_RUN
        head = f"{_time(record)} {record.levelname:<7} {of} {record.name}: "
        fields = getattr(record, "fields", {}).items()
        words = [record.getMessage(), *(f"{name}={value}" for name, value in fields)]
        text = head + visible(" ".join(words))
        if record.exc_info:
            text += "\n" + visible(self.formatException(record.exc_info))
        return text


class TerminalLines(logging.Formatter):
    """What a person is shown of a library's record: its level and its message."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns one line, whatever the message is."""
        words = " ".join(record.getMessage().split())
        return f"sparkperso: {record.levelname.lower()}: {visible(words)}"


class Stderr(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at the time: a bar on the terminal puts itself below it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """Returns the stream of this moment."""
        return sys.stderr


class ToRoot(logging.Handler):
    """Hands the records of a logger that does not propagate to the handlers of all."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hands one record on, without its traceback: an error that ends a command has one."""
        record.exc_info = record.exc_text = None
        logging.getLogger().handle(record)


@dataclass
class RunLog:
    """The log of one command: where it is, and the run whose lines come now."""

    file: Path | None = None
    """None where no folder for logs is configured, or known."""
    is_json: bool = False
    run_id: str = NO_RUN
    followers: list[Callable[[str], None]] = field(default_factory=list)
    """Told of every run that begins: other writers of the same file."""

    def begin(self, run_id: str) -> None:
        """Lets the lines that follow name this run."""
        self.run_id = run_id
        for follow in self.followers:
            follow(run_id)

    def filter(self, record: logging.LogRecord) -> bool:
        """Gives a record its run; as a filter of `logging`, it leaves none out."""
        record.run_id = self.run_id
        return True


@contextmanager
def open_log(file: Path | None, is_json: bool = False, debug: bool = False) -> Iterator[RunLog]:
    """Sends what is logged in the block to a file, and what a person should see to stderr.

    As text, stderr has warnings; as JSON, every line. An error that leaves the block stands in the
    file with its traceback, and knows the log (`log_of`). Raises OSError for a file that cannot be
    written.
    """
    log = RunLog(file, is_json)
    handlers: list[logging.Handler] = [_stderr(log, debug)]
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Opened for appending: the JVM writes to the same file.
        handlers.append(logging.FileHandler(file, encoding="utf-8", errors="backslashreplace"))
        handlers[-1].setFormatter(JsonLines() if is_json else TextLines())
    root, level = logging.getLogger(), LOG.level
    for handler in handlers:
        handler.addFilter(log.filter)
        root.addHandler(handler)
    LOG.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        yield log
    except BaseException as error:
        _note(log, handlers, error)
        raise
    finally:
        logging.captureWarnings(False)
        LOG.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


def log_of(error: BaseException) -> RunLog | None:
    """Returns the log that an error stands in, None for one that came outside of any."""
    log: RunLog | None = getattr(error, ATTRIBUTE, None)
    return log


def _note(log: RunLog, handlers: list[logging.Handler], error: BaseException) -> None:
    """Writes an error down where lines are kept; a person is shown it by the command line."""
    info = (type(error), error, error.__traceback__)
    record = LOG.makeRecord(LOG.name, logging.ERROR, "", 0, message_of(error), (), info)
    for handler in handlers:
        if log.is_json or not isinstance(handler, Stderr):
            handler.handle(record)
    setattr(error, ATTRIBUTE, log)


def _stderr(log: RunLog, debug: bool) -> Stderr:
    handler = Stderr()
    if log.is_json:
        handler.setFormatter(JsonLines())
    else:
        handler.setFormatter(TerminalLines())
        handler.setLevel(logging.WARNING)
    if not debug:
        handler.addFilter(lambda record: not record.name.startswith(SPARK_LOGGERS))
    return handler


def _time(record: logging.LogRecord) -> str:
    return iso(datetime.fromtimestamp(record.created, timezone.utc))
