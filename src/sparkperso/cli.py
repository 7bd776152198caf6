"""The `sparkperso` command. Commands are loaded when they are called: looking starts no Spark."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

import click

from sparkperso import __version__
from sparkperso.errors import SparkpersoError

# command → (module that holds it as `command`, one line of help)
COMMANDS = {
    "run": ("sparkperso.jobs.run", "Every step from raw events to recommendation tables."),
    "demo": ("sparkperso.jobs.demo", "`run` on the bundled real data set."),
    "ingest-events": ("sparkperso.jobs.ingest_events", "Events of files into bronze and silver."),
    "build-features": ("sparkperso.jobs.build_features", "Interactions and user features."),
    "build-segments": ("sparkperso.jobs.build_segments", "User segments and their profiles."),
    "train-recommender": ("sparkperso.jobs.train_recommender", "Tunes, tests and refits ALS."),
    "promote-model": ("sparkperso.jobs.promote_model", "Candidate becomes champion, if better."),
    "build-recommendations": ("sparkperso.jobs.build_recommendations", "The lists of every user."),
    "doctor": ("sparkperso.doctor", "Says what is missing, and what to do about it."),
    "config": ("sparkperso.inspect_config", "Shows the effective configuration."),
    "tables": ("sparkperso.inspect_tables", "Lists, describes and shows tables."),
    "ui": ("sparkperso.ui", "Starts MLflow's pages on the lake's runs."),
}


class LazyGroup(click.Group):
    """Imports a command's module when it is called, and lists all without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names in the order of the flow."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns the command, or None when there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Personalisation on Spark: from raw events to recommendation tables.

    Exit status: 0 done; 1 the job failed; 2 wrong usage or configuration; 3 done, but a quality
    gate said no.
    """


def run_cli(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit status; errors become one paragraph."""
    try:
        cli.main(list(arguments), prog_name="sparkperso", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        return _fail("Interrupted. Starting the same command again goes on where it stopped.", 1)
    except SparkpersoError as error:
        return _fail(str(error), error.exit_status, "--debug" in arguments)
    except Exception as error:
        return _fail(_paragraph(error), 1, "--debug" in arguments)
    return 0


def main() -> None:
    """Entry point of the console script."""
    exit_with(run_cli(sys.argv[1:]))


def exit_with(status: int) -> None:
    """Ends the process with a status other than 0; Databricks takes even exit(0) for a failure."""
    if status:
        sys.exit(status)


def _fail(message: str, status: int, debug: bool = False) -> int:
    if debug:
        traceback.print_exc()
    click.echo(f"sparkperso: {message}", err=True)
    return status


def _paragraph(error: Exception) -> str:
    """Returns the first telling line of an error that nobody foresaw, and where to see more."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else "no message"
    return (
        f"The command failed: {type(error).__name__}: {first} "
        "Run it again with --debug to see the traceback."
    )
