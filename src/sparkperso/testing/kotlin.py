"""Kotlin's compiler on the Java that Spark needs, for the tests of clients/kotlin and of Java's.

`python -m sparkperso.testing.kotlin` fills the cache of its jars, once with a network.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sparkperso.core.errors import JobError, UsageError
from sparkperso.platform.jars import COMPLETE, cache_dir, download
from sparkperso.platform.java import require_java

VERSION = "2.2.21"
COORDINATES = (f"org.jetbrains.kotlin:kotlin-compiler-embeddable:{VERSION}",)
ANALYTICS = "com.segment.analytics.java:analytics:3.5.4"
"""Segment's client for Java, which the tests call from Kotlin: a JRE alone has no compiler."""
COMPILER = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"
SECONDS = 240


def jar_folder() -> Path:
    """Returns the folder that holds the compiler's jars, beside those of Spark."""
    return cache_dir().parent / f"kotlin-{VERSION}"


def analytics_folder() -> Path:
    """Returns the folder that holds Segment's client for Java and what it depends on."""
    return cache_dir().parent / f"analytics-java-{ANALYTICS.rpartition(':')[2]}"


def compile_kotlin(sources: Sequence[Path], jar: Path, libraries: Path | None = None) -> None:
    """Compiles files or folders into a jar, against a folder of jars; a warning is an error.

    Raises UsageError when jars were never resolved, JobError with what the compiler says.
    """
    for folder in (jar_folder(), *([libraries] if libraries else [])):
        if not (folder / COMPLETE).exists():
            raise UsageError(
                f"The tests need the jars of {', '.join((*COORDINATES, ANALYTICS))} in their cache",
                f"{folder} does not hold them",
                "Run 'python -m sparkperso.testing.kotlin' once with a network",
            )
    line = [*_java(f"{jar_folder()}/*"), COMPILER, "-no-reflect", "-no-stdlib", "-Werror"]
    line += ["-cp", _class_path(libraries), "-d", str(jar), *map(str, sources)]
    process = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, check=False)
    if process.returncode != 0:
        raise JobError("The Kotlin sources should compile", process.stdout + process.stderr)


def kotlin_line(
    jar: Path, main_class: str, *arguments: str, libraries: Path | None = None
) -> list[str]:
    """Returns the command line that runs a compiled jar, with a folder of jars beside it."""
    return [*_java(f"{jar}:{_class_path(libraries)}"), main_class, *arguments]


def _java(class_path: str) -> list[str]:
    java = require_java().home / "bin" / "java"
    return [str(java), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", class_path]


def _class_path(libraries: Path | None) -> str:
    """Returns Kotlin's own library, and all jars of a folder but an older one of it."""
    own = next(jar_folder().glob("kotlin-stdlib-[0-9]*.jar"))
    jars = sorted(libraries.glob("*.jar")) if libraries else []
    return ":".join(map(str, (own, *(j for j in jars if not j.name.startswith("kotlin-stdlib")))))


def main() -> int:
    """Fills the cache and says where it is."""
    try:
        for artifacts, folder in ((COORDINATES, jar_folder()), ((ANALYTICS,), analytics_folder())):
            if not (folder / COMPLETE).exists():
                download(artifacts, folder)
    except (JobError, UsageError) as error:
        print(error, file=sys.stderr)
        return error.exit_status
    print(f"The jars of Kotlin {VERSION} and {ANALYTICS} are in {jar_folder().parent}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
