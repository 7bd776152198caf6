"""The jobs from a notebook: in the session that is there, with results to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from pyspark.sql import DataFrame, SparkSession

from sparkperso.cli.job_commands import COMMON_NAMES, JOB_COMMANDS
from sparkperso.config import Settings, load_settings
from sparkperso.core.errors import QualityGateError, UsageError
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.registry import JOBS
from sparkperso.pipeline.step import Step, carry_out
from sparkperso.platform.lake import Lake
from sparkperso.platform.session import build_session, require_delta


@dataclass(frozen=True)
class Suite:
    """Runs jobs and reads tables for a notebook, in its own Spark session.

    suite = Suite(spark, lake="/Volumes/shop/lake")
    suite.run("build-features")
    suite.table("gold/user_features").show()
    """

    spark: SparkSession
    env: str = "databricks"
    lake: str | None = None
    """Root folder of the tables, over what the environment says."""
    assignments: Sequence[str] = field(default_factory=tuple)
    """Settings as `--set` takes them: 'section.key=value'."""
    conf_dir: str | Path | None = None
    """A conf/ folder over the shipped one, as `--conf-dir` takes it."""

    def __post_init__(self) -> None:
        """Raises UsageError for a session without Delta Lake, or with one that does not fit."""
        require_delta(self.spark)

    @property
    def settings(self) -> Settings:
        """The effective settings; raises ConfigError."""
        return load_settings(self.env, self._folder, self.assignments, self.lake)

    @property
    def _folder(self) -> Path | None:
        return None if self.conf_dir is None else Path(self.conf_dir)

    def run(self, command: str, **options: Any) -> Summary:
        """Carries out a job and returns its figures; options are named as on the command line.

        A quality gate that says no is a result to look at: it comes back under `gate`. Raises
        KeyError or ModuleNotFoundError for a command that there is not, UsageError for an option
        that it lacks, ConfigError and JobError as the job does.
        """
        step: Step = JOBS[command].load().STEP
        own = options_of(JOB_COMMANDS[command], options)
        job = Job(command, self.settings, self.spark, own, self._folder)
        try:
            return carry_out(step, job).summary
        except QualityGateError as gate:
            return {"gate": str(gate)}

    def table(self, name: str) -> DataFrame:
        """Returns a table, `<layer>/<table>`, as it is now; before its first write, without rows.

        Raises KeyError for a table without a written schema.
        """
        return Lake(self.spark, self.settings.lake).ref(name).read()


def local_session(env: str = "local", assignments: Sequence[str] = ()) -> SparkSession:
    """Returns a Spark session for Jupyter on this machine; frames show as tables in its cells."""
    spark = build_session(load_settings(env, None, assignments))
    spark.conf.set("spark.sql.repl.eagerEval.enabled", "true")
    return spark


def options_of(command: click.Command, values: dict[str, Any]) -> dict[str, Any]:
    """Returns the values of a command's own options; raises UsageError for one that it lacks."""
    # A command of its own: make_context leaves its own idea of --help in the one it is called on.
    bare = click.Command(command.name, params=command.params)
    defaults = bare.make_context(command.name, [], resilient_parsing=True).params
    own = {name: value for name, value in defaults.items() if name not in COMMON_NAMES}
    unknown = sorted(set(values) - set(own))
    if unknown:
        raise UsageError(
            f"{command.name} takes the options {', '.join(own) or 'of all jobs only'}",
            f"Found {', '.join(unknown)}",
        )
    return {**own, **values}
