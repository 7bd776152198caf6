"""Spark's own lines stand in the file of a command's log, in the form of the others."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from pyspark.errors import PySparkException

from sparkperso.core.logs import open_log
from sparkperso.platform.session import log_file
from sparkperso.platform.spark_log import spark_lines


def root_of(spark):
    log4j = spark.sparkContext._jvm.org.apache.logging.log4j
    return log4j.LogManager.getContext(False).getConfiguration().getRootLogger()


def appenders(spark):
    return sorted(root_of(spark).getAppenders().keySet())


def speak(spark, text):
    java = spark.sparkContext._jvm.org.apache.logging.log4j.LogManager.getLogger("org.shop")
    java.info("too much")
    java.warn(text)


@pytest.mark.parametrize("is_json", [False, True])
def test_warnings_of_the_jvm_are_lines_like_the_others(spark, tmp_path, is_json):
    file, before = tmp_path / "run.log", (appenders(spark), root_of(spark).getLevel().toString())
    with open_log(file, is_json) as log:
        log.begin("r0")
        with spark_lines(spark, log):
            log.begin("r1")
            speak(spark, 'first "quoted"\nsecond')
            with pytest.raises(PySparkException):
                spark.sql("SELECT nothing FROM nowhere")
        speak(spark, "afterwards")
    assert (appenders(spark), root_of(spark).getLevel().toString()) == before
    text = file.read_text()
    if is_json:
        own, pyspark = (json.loads(line) for line in text.splitlines())
        assert (own["message"], own["level"]) == ('first "quoted"\nsecond', "warning")
        assert (own["logger"], own["run_id"]) == ("org.shop", "r1")
        assert (pyspark["logger"], pyspark["run_id"]) == ("SQLQueryContextLogger", "r1")
    else:
        first = text.splitlines()[0]
        assert first.partition("Z ")[2] == 'WARNING r1 org.shop: first "quoted"'
        assert "SQLQueryContextLogger: [TABLE_OR_VIEW_NOT_FOUND]" in text
    assert "afterwards" not in text
    assert "too much" not in text


def test_where_spark_wrote_before_there_are_errors_alone_unless_debug_is_set(spark, tmp_path):
    hidden, shown = uuid4().hex, uuid4().hex
    with open_log(tmp_path / "run.log") as log:
        with spark_lines(spark, log):
            speak(spark, hidden)
        with spark_lines(spark, log, debug=True):
            speak(spark, shown)
    console = log_file().read_text(errors="replace")
    assert hidden not in console
    assert shown in console
    assert hidden in log.file.read_text()


def test_without_a_file_nothing_of_spark_is_touched(spark):
    before = appenders(spark)
    with open_log(None) as log, spark_lines(spark, log):
        assert appenders(spark) == before
