"""Kotlin's compiler on the Java that Spark needs, for the tests of clients/kotlin.

`python -m sparkperso.testing.kotlin` fills the cache of its jars, once with a network.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sparkperso.errors import JobError, UsageError
from sparkperso.jars import COMPLETE, cache_dir, download
from sparkperso.java import require_java

VERSION = "2.2.21"
COORDINATES = (f"org.jetbrains.kotlin:kotlin-compiler-embeddable:{VERSION}",)
COMPILER = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"
SECONDS = 240


def jar_folder() -> Path:
    """Returns the folder that holds the compiler's jars, beside those of Spark."""
    return cache_dir().parent / f"kotlin-{VERSION}"


def compile_kotlin(sources: Sequence[Path], jar: Path) -> None:
    """Compiles files or folders into a jar; a warning is an error.

    Raises UsageError when the compiler was never resolved, JobError with what it says.
    """
    if not (jar_folder() / COMPLETE).exists():
        raise UsageError(
            f"The tests need the jars of {', '.join(COORDINATES)} in their cache",
            f"{jar_folder()} does not hold them",
            "Run 'python -m sparkperso.testing.kotlin' once with a network",
        )
    line = [*_java(f"{jar_folder()}/*"), COMPILER, "-no-reflect", "-no-stdlib", "-Werror"]
    line += ["-cp", str(_stdlib()), "-d", str(jar), *map(str, sources)]
    answer = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, check=False)
    if answer.returncode != 0:
        raise JobError("The Kotlin sources should compile", answer.stdout + answer.stderr)


def kotlin_line(jar: Path, main_class: str, *arguments: str) -> list[str]:
    """Returns the command line that runs a compiled jar."""
    return [*_java(f"{jar}:{_stdlib()}"), main_class, *arguments]


def _java(class_path: str) -> list[str]:
    java = require_java().home / "bin" / "java"
    return [str(java), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", class_path]


def _stdlib() -> Path:
    return next(jar_folder().glob("kotlin-stdlib-[0-9]*.jar"))


def main() -> int:
    """Fills the cache and says where it is."""
    try:
        if not (jar_folder() / COMPLETE).exists():
            download(COORDINATES, jar_folder())
    except (JobError, UsageError) as error:
        print(error, file=sys.stderr)
        return error.exit_status
    print(f"The jars of Kotlin {VERSION} are in {jar_folder()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
