"""`sparkperso jars`: what spark-submit has to be given beside the package itself."""

from __future__ import annotations

import click

from sparkperso.platform.jars import coordinates, require_jars


@click.command("jars", help="Prints the jars that spark-submit needs, for --packages or --jars.")
@click.option("--paths", is_flag=True, help="Cached files, for --jars; the default is --packages'.")
def command(paths: bool) -> None:
    """Prints Maven coordinates, or with `paths` the files that `make setup` fetched, by commas.

    Both are those of the installed pyspark and delta-spark.
    """
    found = map(str, require_jars()) if paths else coordinates()
    click.echo(",".join(found))
