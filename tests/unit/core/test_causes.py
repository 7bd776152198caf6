"""An error is told by what lies at its bottom, in one line, whoever wrapped it."""

from __future__ import annotations

import pytest

from sparkperso.core.causes import cause_of


class Throwable:
    """What py4j gives of an exception of the JVM."""

    def __init__(self, name, message, cause=None):
        self.name, self.message, self.cause = name, message, cause

    def getClass(self):
        return self

    def getSimpleName(self):
        return self.name

    def getMessage(self):
        return self.message

    def getCause(self):
        return self.cause


def java(*chain):
    """An error of py4j whose Throwables are each the cause of the one before."""
    cause = None
    for name, message in reversed(chain):
        cause = Throwable(name, message, cause)
    error = RuntimeError("An error occurred while calling o1.save.\n: org.apache.Pages")
    error.java_exception = cause
    return error


PROXY = """An exception was raised by Python. Return Message: Traceback (most recent call last):
  File "x.py", line 1, in call
    raise error
sparkperso.core.errors.JobError: The disk is full. Free some space.

"""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("first\nsecond"), "first (ValueError)"),
        (KeyError(), "KeyError"),
        (java(("SparkException", "Job aborted\nplan"), ("IOException", "No space left")),
         "No space left (IOException)"),
        (java(("SparkException", "x"), ("Py4JException", PROXY)),
         "The disk is full. Free some space. (JobError)"),
        (java(("SparkException", "java.io.FileNotFoundException: File file:/a b: none")),
         "File file:/a b: none (FileNotFoundException)"),
        (java(("NullPointerException", None)), "NullPointerException"),
        (ValueError("key: value: more"), "key: value: more (ValueError)"),
    ],
    ids=str,
)  # fmt: skip
def test_the_innermost_cause_is_told_in_one_line(error, line):
    assert cause_of(error) == line


def test_a_named_cause_is_followed_and_an_error_met_by_the_way_is_not():
    disk, write, job = OSError("the disk"), RuntimeError("the write"), ValueError("the job")
    job.__cause__, write.__cause__ = write, disk
    assert cause_of(job) == "the disk (OSError)"
    lookup = ValueError("nothing of that name")
    lookup.__context__ = KeyError("key")
    assert cause_of(lookup) == "nothing of that name (ValueError)"
    assert cause_of(lookup, with_contexts=True) == "'key' (KeyError)"
    lookup.__suppress_context__ = True  # raised `from None`
    assert cause_of(lookup, with_contexts=True) == "nothing of that name (ValueError)"


def test_causes_that_go_in_a_circle_come_to_an_end():
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert cause_of(first) in ("a (ValueError)", "b (ValueError)")
