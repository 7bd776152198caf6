"""An archive of the classes that Spark loads at its start: the JVM maps it instead of parsing jars.

`python -m sparkperso.platform.class_archive` writes it (part of `make setup`). It belongs to one
Java and one environment, for the JVM compares the class path: a session without a matching one
starts as it always did, only slower.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from sparkperso.core.errors import JobError, UsageError
from sparkperso.core.hashing import short_hash
from sparkperso.platform.jars import require_jars, spark_home
from sparkperso.platform.java import require_java

# What a first command of any kind does: a session, a Delta table written and read.
WARM_UP = """
import sys
from sparkperso.config import load_settings
from sparkperso.platform.session import build_session
from sparkperso.platform.lake import StateTable

folder, options = sys.argv[1:]
settings = load_settings(env="local", assignments=[
    "spark.master=local[1]", f"spark.conf.spark.driver.extraJavaOptions={options}"])
spark = build_session(settings)
table = StateTable(spark, folder)
table.append(spark.range(100).selectExpr("id", "id % 7 AS part"))
table.read().groupBy("part").count().collect()
jvm = spark.sparkContext._gateway.proc
spark.stop()
jvm.stdin.close()
jvm.wait()
"""
SECONDS = 600
"""How long writing the archive may take; it takes 40 on an idle machine."""


def archive_file() -> Path | None:
    """Returns where the archive of this Java and environment is, or would be.

    None where Java is not one whose build can be read.
    """
    release = require_java().home / "release"
    if not release.is_file():
        return None
    parts = (release.read_bytes(), str(spark_home()).encode())
    digest = short_hash(b"\0".join(parts))
    return Path(sys.prefix) / "share" / "sparkperso" / f"spark-classes-{digest}.jsa"


def java_options() -> list[str]:
    """Returns what makes the JVM use the archive; an empty list where there is none.

    An archive that does not match is passed over by the JVM, without a word (-Xshare:auto).
    """
    archive = archive_file()
    if archive is None or not archive.is_file():
        return []
    quiet = ["-Xlog:cds=off", "-Xlog:cds+dynamic=off", "-Xlog:class+path=off"]
    # spark-submit splits options at spaces that no quotes hold.
    return [f'"-XX:SharedArchiveFile={archive}"', "-Xshare:auto", *quiet]


def write_archive() -> Path | None:
    """Writes the archive unless it is there, and returns its place; None where it cannot be.

    Raises JobError when the JVM does not write it.
    """
    require_jars()
    archive = archive_file()
    if archive is None or archive.is_file():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="archive-", dir=archive.parent) as folder:
        draft = Path(folder) / archive.name
        options = f'-XX:+UseParallelGC "-XX:ArchiveClassesAtExit={draft}"'
        command = [sys.executable, "-c", WARM_UP, f"{folder}/table", options]
        process = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        if process.returncode != 0 or not draft.is_file():
            raise JobError(
                "The JVM should write an archive of Spark's classes at its end",
                "It wrote none: " + " ".join(process.stderr.strip().splitlines()[-3:]),
                "Nothing depends on it; sessions only start more slowly",
            )
        draft.replace(archive)
    return archive


def main() -> int:
    """Writes the archive and says where it is; without one, says why, and is content."""
    try:
        archive = write_archive()
    except (JobError, UsageError, OSError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr)
        return 0
    print(f"Spark's classes are archived in {archive}" if archive else "No archive for this Java")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
