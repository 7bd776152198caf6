"""Finds the Java that Spark needs, without starting it for longer than `java -version`.

`python -m sparkperso.platform.java` prints its home, or what to install (part of `make setup`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from sparkperso.core.errors import UsageError

SUPPORTED = (17, 21)


@dataclass(frozen=True)
class Java:
    """A Java installation: its home folder and major version, such as 17."""

    home: Path
    major: int


def find_java() -> Java | None:
    """Returns the first supported Java of JAVA_HOME, PATH and /usr/lib/jvm, or None.

    Each is asked for its version, which takes some tenths of a second.
    """
    for home in _candidates():
        major = _major_version(home)
        if major in SUPPORTED:
            return Java(home, major)
    return None


def require_java() -> Java:
    """Returns a supported Java and points JAVA_HOME at it.

    Raises UsageError, with what was found instead, when there is none.
    """
    java = find_java()
    if java is None:
        raise UsageError(
            f"Spark needs Java {' or '.join(map(str, SUPPORTED))} in JAVA_HOME, on the PATH or "
            "under /usr/lib/jvm",
            _found(),
            "Install one, on Debian with 'apt-get install openjdk-17-jre-headless', or set "
            "JAVA_HOME to it",
        )
    os.environ["JAVA_HOME"] = str(java.home)
    return java


def _found() -> str:
    """Returns what there is in the place of a supported Java, each with its version."""
    homes = {home: _major_version(home) for home in _candidates()}
    texts = [f"{home} ({f'Java {major}' if major else 'no Java'})" for home, major in homes.items()]
    named = os.environ.get("JAVA_HOME")
    if named and Path(named) not in homes:
        texts.insert(0, f"JAVA_HOME={named} without bin/java")
    return f"Found {', '.join(texts) or 'no Java at all'}"


def _candidates() -> list[Path]:
    homes = []
    if os.environ.get("JAVA_HOME"):
        homes.append(Path(os.environ["JAVA_HOME"]))
    on_path = shutil.which("java")
    if on_path:
        homes.append(Path(on_path).resolve().parent.parent)
    homes += [Path(binary).parent.parent for binary in sorted(glob("/usr/lib/jvm/*/bin/java"))]
    return list(dict.fromkeys(home for home in homes if (home / "bin" / "java").exists()))


def _major_version(home: Path) -> int | None:
    command = [str(home / "bin" / "java"), "-version"]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r'version "(?:1\.)?(\d+)', process.stderr)  # Java 8 calls itself 1.8
    return int(version.group(1)) if version else None


def main() -> int:
    """Prints the home of the Java that Spark will use, or what to do about its absence."""
    try:
        java = require_java()
    except UsageError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    print(java.home)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
