"""The jars that Spark needs beside its own: resolved once into a cache, offline ever after.

`python -m sparkperso.platform.jars` fills the cache (part of `make setup`).
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
from sparkperso.platform.java import require_java

SCALA = "2.13"
COMPLETE = "COMPLETE"
DELTA_JAR = (
    "Give spark-submit the jar of its Spark (for Spark 4.2 "
    f"--packages io.delta:delta-spark_4.2_{SCALA}:4.4.0), or let the package bring its own "
    "(--set spark.manage_jars=true, after 'make setup')"
)
"""What to do without Delta's jar."""


def coordinates() -> list[str]:
    """Returns the Maven coordinates that match the installed pyspark and delta-spark.

    Delta's jar is built for a minor version of Spark, Kafka's source comes with Spark itself.
    Raises UsageError when one of the two packages is not installed.
    """
    try:
        spark, delta = version("pyspark"), version("delta-spark")
    except PackageNotFoundError as missing:
        raise UsageError(
            "Spark jobs need the packages pyspark and delta-spark",
            f"'{missing.name}' is not installed",
            "Install them with 'make setup', or 'pip install sparkperso[spark]'",
        ) from None
    minor = ".".join(spark.split(".")[:2])
    return [
        f"io.delta:delta-spark_{minor}_{SCALA}:{delta}",
        f"org.apache.spark:spark-sql-kafka-0-10_{SCALA}:{spark}",
    ]


def cache_dir() -> Path:
    """Returns the folder that holds the jars of the installed versions of pyspark and delta-spark.

    `SPARKPERSO_JARS` names another; by default it lies in the user's cache.
    """
    root = os.environ.get("SPARKPERSO_JARS")
    if root:
        return Path(root)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (
        base / "sparkperso" / "jars" / f"spark-{version('pyspark')}-delta-{version('delta-spark')}"
    )


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
    """Fills the cache by Spark's own Ivy when it is not complete, and returns the jars.

    Raises JobError when a jar cannot be had.
    """
    if not cached_jars():
        shipped = {_artifact(jar.name) for jar in spark_home().glob("jars/*.jar")}
        download(coordinates(), cache_dir(), shipped)
    return cached_jars()


def download(artifacts: Sequence[str], folder: Path, without: Collection[str] = ()) -> None:
    """Fills `folder` with the jars of Maven coordinates and of all that they depend on.

    Artifacts named in `without` are left out, and Scala's own, which Spark brings.
    Raises JobError when a jar cannot be had.
    """
    require_java()
    with tempfile.TemporaryDirectory(prefix="sparkperso-ivy-") as ivy:
        _run_ivy(Path(ivy), artifacts)
        folder.mkdir(parents=True, exist_ok=True)
        for jar in (Path(ivy) / "jars").glob("*.jar"):
            plain_name = jar.name.split("_", 1)[1]  # Ivy writes organisation_artifact-version.jar
            if _artifact(plain_name) not in without:
                shutil.copy2(jar, folder / plain_name)
    # Last: half a cache does not count.
    (folder / COMPLETE).write_text("\n".join(artifacts) + "\n")


def spark_home() -> Path:
    """Returns the folder of the installed Spark; raises UsageError when there is none."""
    package = find_spec("pyspark")  # not imported: looking for jars must stay quick
    if package is None or package.origin is None:
        raise UsageError("Spark's folder should be that of the package pyspark", "It has none")
    return Path(package.origin).parent


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
            "It ended with: " + " ".join(process.stderr.strip().splitlines()[-3:]),
            "Run 'make setup' again when that is put right; Ivy asks the repositories of its "
            "settings (spark.jars.ivySettings, HTTP_PROXY), by default Maven Central",
        )


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
