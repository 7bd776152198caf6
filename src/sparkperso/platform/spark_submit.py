"""The line that runs a job on a cluster: documented, printed by `sparkperso jars`, and tested."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


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
