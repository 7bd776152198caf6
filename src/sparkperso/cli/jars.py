"""`sparkperso jars`: what spark-submit has to be given beside the package itself."""

from __future__ import annotations

import shlex
import shutil

import click

from sparkperso.cli.options import DEBUG
from sparkperso.core.package import shipped
from sparkperso.pipeline.registry import JOBS
from sparkperso.platform.jars import coordinates, resolve, spark_home, spark_submit_line


@click.command("jars", help="Prints the jars that spark-submit needs, for --packages or --jars.")
@click.option("--paths", is_flag=True, help="Cached files, for --jars; the default is --packages'.")
@click.option(
    "--submit",
    type=click.Choice(list(JOBS)),
    metavar="COMMAND",
    help="The whole spark-submit line of a command, whose own options follow it.",
)
@click.option("--master", metavar="URL", help="With --submit: Spark's master.")
@DEBUG
def command(paths: bool, submit: str | None, master: str | None) -> None:
    """Prints Maven coordinates, or with `paths` the cached files, by commas; or a job's line.

    They fit the installed pyspark and delta-spark, else the Spark of SPARK_HOME. Files that are not
    in the cache yet are fetched.
    """
    needed, files = coordinates(), resolve() if paths else []
    if submit is None:
        click.echo(",".join(map(str, files) if paths else needed))
        return
    job = JOBS[submit]
    # Kafka's source is for streams alone.
    packages = [] if paths else needed if job.follows else needed[:1]
    script = shipped("jobs") / job.script
    program, *words = spark_submit_line(script, master=master, packages=packages, jars=files)
    if shutil.which(program) is None:  # as for cron, and in an environment that is not activated
        program = str(spark_home() / "bin" / program)
    click.echo(shlex.join([program, *words]))
