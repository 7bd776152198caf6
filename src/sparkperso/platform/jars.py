"""The jars that Spark needs beside its own: resolved once into a cache, offline ever after.

`python -m sparkperso.platform.jars` fills the cache (part of `make setup`), else the first session.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from sparkperso.core.errors import JobError, UsageError
from sparkperso.core.places import user_cache
from sparkperso.platform.java import require_java

SCALA = "2.13"
TESTED_SPARK, TESTED_DELTA = "4.2.0", "4.4.0"
"""The pair of the extra `spark`, whose jar is on Maven Central."""
COMPLETE = "COMPLETE"
COMPLAINT = re.compile(r"Server access error|Host \S+ not found|Exception in thread")
"""How lines of Ivy's begin that say why a jar cannot be had."""
DELTA_JAR = (
    "Give spark-submit the jar of its Spark (for Spark 4.2 "
    f"--packages io.delta:delta-spark_4.2_{SCALA}:4.4.0), or let the package bring its own "
    "(--set spark.manage_jars=true, after 'make setup')"
)
"""What to do without Delta's jar."""


def coordinates() -> list[str]:
    """Returns the Maven coordinates that match Spark and Delta: Delta's, then Kafka's source.

    Delta's jar is built for a minor version of Spark, Kafka's source comes with Spark itself.
    Raises what `_versions` does.
    """
    spark, delta = _versions()
    return [
        f"io.delta:delta-spark_{minor_of(spark)}_{SCALA}:{delta}",
        f"org.apache.spark:spark-sql-kafka-0-10_{SCALA}:{spark}",
    ]


def minor_of(number: str) -> str:
    """Returns the minor version that Delta's jars name, such as 4.2 of 4.2.0."""
    return ".".join(number.split(".")[:2])


def _versions() -> tuple[str, str]:
    """Returns the versions of Spark and Delta: of the installed packages, else of SPARK_HOME.

    A cluster's own Spark has no package, nor has its Delta: then Delta is the tested one. Raises
    UsageError where there is no Spark, or one of which the fitting Delta is not known.
    """
    spark = _package("pyspark") or _spark_of(os.environ.get("SPARK_HOME"))
    if spark is None:
        raise UsageError(
            "Spark jobs need the packages pyspark and delta-spark, or a cluster's SPARK_HOME",
            "'pyspark' is not installed, and SPARK_HOME names no Spark",
            "Install them with 'make setup', or 'pip install sparkperso[spark]'; or set SPARK_HOME",
        )
    delta = _package("delta-spark")
    if delta is None and minor_of(spark) != minor_of(TESTED_SPARK):
        raise UsageError(
            f"The Delta that fits Spark {minor_of(spark)} should be known",
            f"'delta-spark' is not installed, and {TESTED_DELTA} is for Spark "
            f"{minor_of(TESTED_SPARK)}",
            "Install the delta-spark of that Spark, or give its jar to spark-submit yourself",
        )
    return spark, delta or TESTED_DELTA


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _spark_of(home: str | None) -> str | None:
    """Returns the version of a Spark that is no package, by the name of its core's jar."""
    names = [jar.name for jar in Path(home).glob("jars/spark-core_*.jar")] if home else []
    found = [re.fullmatch(r"spark-core_[\d.]+-(.+)\.jar", name) for name in names]
    return next((match[1] for match in found if match), None)


def cache_dir() -> Path:
    """Returns the folder that holds the jars of the installed versions of pyspark and delta-spark.

    `SPARKPERSO_JARS` names another; by default it lies in the user's cache. Raises UsageError for a
    user without a home, as in a container.
    """
    root = os.environ.get("SPARKPERSO_JARS")
    if root:
        return Path(root)
    cache = user_cache()
    if cache is None:
        raise UsageError(
            "Spark's jars lie in the user's cache",
            f"HOME is not set, and the user {os.getuid()} has no home",
            "Set HOME, or SPARKPERSO_JARS to a folder for them",
        )
    spark, delta = _versions()
    return cache / "sparkperso" / "jars" / f"spark-{spark}-delta-{delta}"


def cached_jars() -> list[Path]:
    """Returns the cached jars in a stable order; an empty list when the cache is not complete."""
    folder = cache_dir()
    return sorted(folder.glob("*.jar")) if (folder / COMPLETE).exists() else []


def require_jars() -> list[Path]:
    """Returns the cached jars; raises UsageError when they were never resolved."""
    jars = cached_jars()
    if not jars:
        raise UsageError(
            f"Spark needs the jars of {', '.join(coordinates())} in its cache",
            f"{cache_dir()} does not hold them",
            "Run 'make setup', or 'python -m sparkperso.platform.jars', once with a network",
        )
    return jars


def resolve() -> list[Path]:
    """Returns the jars; fills the cache by Spark's own Ivy first, and says so, if it is not full.

    Raises JobError when a jar cannot be had.
    """
    if not cached_jars():
        print(f"Fetching Spark's jars into {cache_dir()}, once", file=sys.stderr, flush=True)
        shipped = {_artifact(jar.name) for jar in spark_home().glob("jars/*.jar")}
        download(coordinates(), cache_dir(), shipped)
    return cached_jars()


def download(artifacts: Sequence[str], folder: Path, without: Collection[str] = ()) -> None:
    """Fills `folder` with the jars of Maven coordinates and of all that they depend on.

    Artifacts named in `without` are left out, and Scala's own, which Spark brings.
    Raises JobError when a jar cannot be had, or the folder not be made.
    """
    require_java()
    try:  # before what takes long
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise JobError(
            "The folder of jars should be writable",
            f"{folder}: {error.strerror}",
            "Set SPARKPERSO_JARS to another, or to one that holds them already",
        ) from None
    with tempfile.TemporaryDirectory(prefix="sparkperso-ivy-") as ivy:
        _run_ivy(Path(ivy), artifacts)
        for jar in (Path(ivy) / "jars").glob("*.jar"):
            plain_name = jar.name.split("_", 1)[1]  # Ivy writes organisation_artifact-version.jar
            if _artifact(plain_name) not in without:
                shutil.copy2(jar, folder / plain_name)
    # Last: half a cache does not count.
    (folder / COMPLETE).write_text("\n".join(artifacts) + "\n")


def spark_home() -> Path:
    """Returns the folder of the installed Spark; raises UsageError when there is none."""
    package = find_spec("pyspark")  # not imported: looking for jars must stay quick
    if package is not None and package.origin is not None:
        return Path(package.origin).parent
    home = os.environ.get("SPARK_HOME")
    if home is None:
        raise UsageError(
            "Spark's folder should be that of the package pyspark, or SPARK_HOME", "There is none"
        )
    return Path(home)


def spark_submit_line(
    script: str | Path,
    arguments: Sequence[str] = (),
    *,
    master: str | None = None,
    packages: Sequence[str] = (),
    jars: Sequence[Path] = (),
) -> list[str]:
    """Returns the words of a job's line; what it needs comes as Maven `packages` or as `jars`.

    Without `master` it is that of the cluster's own spark-defaults.conf.
    """
    line = ["spark-submit"]
    if master:
        line += ["--master", master]
    if packages:
        line += ["--packages", ",".join(packages)]
    if jars:
        line += ["--jars", ",".join(map(str, jars))]
    return [*line, str(script), "--env", "cluster", *arguments]


def _artifact(jar_name: str) -> str:
    """Returns the name without its version: delta-storage of delta-storage-4.4.0.jar."""
    return re.sub(r"-\d[^_]*$", "", jar_name.removesuffix(".jar"))


def _run_ivy(ivy: Path, artifacts: Sequence[str]) -> None:
    """Has spark-submit resolve them: its Ivy and its settings are those that a user knows."""
    submit = spark_home() / "bin" / "spark-submit"
    script = ivy / "nothing.py"
    script.write_text("")
    command = [str(submit), "--master", "local[1]", "--packages", ",".join(artifacts)]
    command += ["--conf", f"spark.jars.ivy={ivy}", str(script)]
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"}
    process = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if process.returncode != 0:
        raise JobError(
            f"Ivy should resolve {', '.join(artifacts)}",
            f"It ended with: {_complaint(process.stderr)}",
            "Start again when that is put right. Ivy asks Maven Central, or the repositories of "
            "spark.jars.ivySettings, through the proxy of JAVA_TOOL_OPTIONS (-Dhttps.proxyHost=… "
            "-Dhttps.proxyPort=…). Without a network, copy the folder of jars from another "
            "machine; SPARKPERSO_JARS names it",
        )


def _complaint(output: str) -> str:
    """Returns what Ivy says of a repository, and the error that it ended with, without frames."""
    lines = [line.strip() for line in output.splitlines() if not line.startswith("\tat ")]
    told = [line for line in lines if COMPLAINT.match(line)]
    return " ".join(dict.fromkeys([*told[:1], *told[-1:]] or filter(None, lines[-3:])))


def main() -> int:
    """Fills the cache and says what it holds."""
    try:
        jars = resolve()
    except (JobError, UsageError) as error:
        print(error, file=sys.stderr)
        return error.exit_status
    print(f"{len(jars)} jars in {cache_dir()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
