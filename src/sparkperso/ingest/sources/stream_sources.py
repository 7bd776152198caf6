"""Endless input: lines of a folder that files are handed over to, or records of a Kafka topic."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.config.stream import StreamConfig
from sparkperso.core.errors import UsageError
from sparkperso.ingest.classify import IngestRules, classify_records
from sparkperso.ingest.sources.files import literal
from sparkperso.ingest.sources.mapping import AT
from sparkperso.ingest.sources.readers import FILE, json_records

PLACE = r"^([^/]+)/(\d+)/(\d+)$"


def read_folder(spark: SparkSession, path: str, config: StreamConfig) -> DataFrame:
    """Returns the lines of the files in a folder, endlessly; none is ever too old to be read."""
    reader = spark.readStream.format("text").option("maxFilesPerTrigger", config.max_files)
    lines = reader.option("maxFileAge", "36500d").load(literal(path))
    arrival = F.col("_metadata.file_modification_time").alias(AT)
    return lines.select("value", F.col(FILE).alias("_file"), arrival)


def read_topic(spark: SparkSession, config: StreamConfig) -> DataFrame:
    """Returns the records of a topic from its beginning, endlessly.

    `_file` is `<topic>/<partition>/<offset>`. Records that the broker dropped before they were
    read make the stream fail: they must not go unnoticed.
    """
    options = {
        "kafka.bootstrap.servers": config.kafka.bootstrap,
        "subscribe": config.kafka.topic,
        "startingOffsets": "earliest",
        "maxOffsetsPerTrigger": str(config.max_records),
        **config.kafka.options,
    }
    records = spark.readStream.format("kafka").options(**options).load()
    place = F.concat_ws("/", "topic", "partition", "offset").alias("_file")
    return records.select("value", place, F.col("timestamp").alias(AT))


def classify_stream(lines: DataFrame, book: IngestRules) -> DataFrame:
    """Returns the classified records of endless `lines`; see `ingest.parse.classify_files`.

    Records without a time of arrival have that of their file or Kafka record: the same each time
    that a micro-batch is carried out, and no constant, which would make Spark compile the rules
    anew for every micro-batch. Raises UsageError for a source that needs all records at once.
    """
    source = book.source
    needs_all = source.lookups or source.time_formats or source.joins or source.explode
    if source.format != "json" or needs_all:
        raise UsageError(
            "--stream takes sources with format: json, without lookups, time_formats, joins "
            "and explode",
            f"conf/sources/{source.name}.yaml is another",
            "Take it in without --stream, or from --source collector",
        )
    return classify_records(json_records(lines, source, keep=(AT,)), book, F.col(AT))


def topic_columns(source_file: Column) -> dict[str, Column]:
    """Returns topic, partition and offset of a record; null for one that came from a file."""
    part = [F.nullif(F.regexp_extract(source_file, PLACE, n), F.lit("")) for n in (1, 2, 3)]
    return {
        "topic": part[0],
        "partition": part[1].cast("int"),
        "offset": part[2].cast("bigint"),
    }
