"""What lies at the bottom of an error, as one line: of Python's, and of the JVM's behind it.

Errors of Spark wrap each other, and their texts hold plans and stack traces of pages. This module
knows them by their attributes alone, so that looking at an error imports neither Spark nor py4j.
"""

from __future__ import annotations

import re
from typing import Any

from sparkperso.core.errors import SparkpersoError

TRACEBACK = "Traceback (most recent call last)"
RAISED = re.compile(r"^(?:[\w$]+\.)*([A-Z][\w$]*): (.*)$")
"""`package.Name: message`, as Python ends a traceback and Java begins one."""
DEPTH = 50
"""Causes that are followed: some libraries make circles of them."""


def cause_of(error: BaseException, with_contexts: bool = False) -> str:
    """Returns the innermost cause of an error as `message (Name)`, on one line.

    `with_contexts`: what was being handled when an error was raised counts as its cause too. So it
    is with clients of HTTP and databases, which name no cause; elsewhere it would name errors that
    were expected and dealt with.

    >>> try:
    ...     raise RuntimeError("Task 3 failed") from ValueError("no such file")
    ... except RuntimeError as error:
    ...     cause_of(error)
    'no such file (ValueError)'
    """
    cause: Any = error
    for _ in range(DEPTH):
        inner = _inside(cause, with_contexts)
        if inner is None or inner is cause:
            break
        cause = inner
    return _line(*_described(cause))


JVM_ENDED = (
    "Spark's process (the JVM) has ended; most often its memory was full: raise "
    "spark.driver_memory, such as --set spark.driver_memory=4g"
)
"""What py4j finds no words for."""


def message_of(error: BaseException) -> str:
    """Returns what a user should read of an error: our own text, else the innermost cause.

    A cause that our text does not tell stands after it.

    >>> message_of(ValueError("odd")), message_of(SparkpersoError("Expected this", "found that"))
    ('odd (ValueError)', 'Expected this. found that.')
    """
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted, by Ctrl-C or SIGTERM"
    cause = cause_of(error)
    if not isinstance(error, SparkpersoError):
        return cause
    text = str(error)
    is_told = error.__cause__ is None or cause.rpartition(" (")[0] in text
    return text if is_told else f"{text} The cause: {cause}"


def _inside(cause: Any, with_contexts: bool) -> Any:
    """The next cause: the one that was named in Python, or the one in the JVM."""
    if not isinstance(cause, BaseException):
        return cause.getCause()
    # Of py4j (java_exception) and of pyspark (_origin): the Throwable itself.
    java = getattr(cause, "java_exception", None) or getattr(cause, "_origin", None)
    if java is not None and java.getCause() is not None:
        return java.getCause()
    if with_contexts and cause.__cause__ is None and not cause.__suppress_context__:
        return cause.__context__
    return cause.__cause__


def _described(cause: Any) -> tuple[str, str]:
    """The name of the class and the message."""
    if not isinstance(cause, BaseException):
        return str(cause.getClass().getSimpleName()), str(cause.getMessage() or "")
    java = getattr(cause, "java_exception", None)
    if java is not None:
        return _described(java)
    if type(cause).__name__ == "Py4JNetworkError":
        return type(cause).__name__, JVM_ENDED
    return type(cause).__name__, str(cause)


def _line(name: str, message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if TRACEBACK in message:
        # A function of Python that the JVM called: what it raised stands below its traceback.
        below = message.rpartition(TRACEBACK)[2].splitlines()[1:]
        raised = [match for line in below if (match := RAISED.match(line))]
        if raised:
            return f"{raised[-1][2].strip()} ({raised[-1][1]})"
    text = lines[0] if lines else ""
    # Java repeats the class of a cause before its message.
    match = RAISED.match(text)
    if match and "." in text.partition(": ")[0]:
        name, text = match[1], match[2]
    return f"{text} ({name})" if text else name
