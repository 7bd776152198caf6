"""The `sparkperso` command. Commands are loaded when they are called: looking starts no Spark."""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

import click

from sparkperso import __version__
from sparkperso.cli.job_commands import JOB_COMMANDS
from sparkperso.core.causes import message_of
from sparkperso.core.errors import SparkpersoError, UsageError
from sparkperso.core.logs import log_of
from sparkperso.core.terminal import visible

# Commands that start no Spark: name → (module that holds it as `command`, its line in the list).
LIGHT_COMMANDS = {
    "doctor": ("sparkperso.cli.doctor.command", "Says what is missing, and what to do about it."),
    "config": ("sparkperso.cli.config", "Shows the effective configuration."),
    "tables": ("sparkperso.cli.tables", "Lists, describes and shows tables."),
    "runs": ("sparkperso.cli.runs", "Lists what ran, and why what failed failed."),
    "init": ("sparkperso.cli.init", "Writes a conf/ of your own, with a source."),
    "sources": ("sparkperso.cli.sources", "Lists sources, and checks one against its files."),
    "rules": ("sparkperso.cli.rules.command", "Lists rules, and shows what one person would see."),
    "content": ("sparkperso.cli.content.command", "Lists what can be shown; asks content systems."),
    "experiments": (
        "sparkperso.cli.experiments.command",
        "Checks, lists, plans and starts experiments.",
    ),
    "jars": ("sparkperso.cli.jars", "Prints the jars that spark-submit needs."),
    "collect": ("sparkperso.cli.collect", "Takes events over HTTP and WebSocket."),
    "serve": ("sparkperso.cli.serve", "Answers who is to see what, from the published store."),
    "dashboard": (
        "sparkperso.cli.dashboard",
        "Shows what ran and what it brought, as pages.",
    ),
    "shop": ("sparkperso.cli.shop.command", "Shows the demo shop, personalised from a lake."),
    "simulate": ("sparkperso.cli.simulate", "Lives the days of a shop whose truth is known."),
    "triggers": ("sparkperso.cli.triggers", "Calls webhooks when somebody enters a segment."),
    "alerts": ("sparkperso.cli.alerts", "Lists what is out of the ordinary, and tells it."),
    "links": ("sparkperso.cli.links", "Makes open pixels and click links for e-mails."),
    "keys": ("sparkperso.cli.access.keys", "Makes API keys for servers."),
    "tokens": ("sparkperso.cli.access.tokens", "Makes short-lived tokens for pages."),
    "render-emails": (
        "sparkperso.cli.mails.command",
        "Renders a mail for many, into files or to a server.",
    ),
    "ui": ("sparkperso.cli.ui", "Starts MLflow's pages on the lake's runs."),
}
COMMANDS = (*JOB_COMMANDS, *LIGHT_COMMANDS)
EXTRAS = {
    "spark": ("pyspark", "py4j", "delta"),
    "collect": (
        "anyio",
        "confluent_kafka",
        "httpx",
        "itsdangerous",
        "orjson",
        "prometheus_client",
        "starlette",
        "uvicorn",
    ),
    "serve": (
        "anyio",
        "certifi",
        "css_inline",
        "grpc",
        "grpc_health",
        "grpc_reflection",
        "hiredis",
        "httpcore",
        "httpx",
        "itsdangerous",
        "jinja2",
        "joserfc",
        "limits",
        "lmdb",
        "mjml",
        "orjson",
        "prometheus_client",
        "redis",
        "sse_starlette",
        "starlette",
        "uvicorn",
    ),
}
"""Extra of the package → the modules that come with it."""
UNEXPECTED = "Unexpected error (the log, or --debug, shows where it arose)"


class LazyGroup(click.Group):
    """Imports what a command needs when it is called, and lists all without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names in the order of the flow."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns the command, or None when there is none of this name."""
        if cmd_name in JOB_COMMANDS:
            return JOB_COMMANDS[cmd_name]
        if cmd_name not in LIGHT_COMMANDS:
            return None
        # Only now: `--help` of the group imports none of them.
        command: click.Command = import_module(LIGHT_COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of commands."""
        lines = {name: command.short_help or "" for name, command in JOB_COMMANDS.items()}
        lines |= {name: line for name, (_, line) in LIGHT_COMMANDS.items()}
        with formatter.section("Commands"):
            formatter.write_dl(list(lines.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Personalisation on Spark: from raw events to recommendation tables.

    Exit status: 0 done; 1 the job failed; 2 wrong usage or configuration; 3 done, but a quality
    gate failed.
    """


def run_cli(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit status; errors become one paragraph.

    0 done; 1 the job failed or was interrupted; 2 wrong usage or configuration; 3 a quality gate
    failed.
    """
    for stream in (sys.stdout, sys.stderr):
        # A mark or a title that the terminal's charset lacks is no reason to end a run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        cli.main(list(arguments), prog_name="sparkperso", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt) as error:
        words = "Interrupted. Starting the same command again goes on where it stopped."
        return _fail(words, 1, error)
    except SparkpersoError as error:
        return _fail(message_of(error), error.exit_status, error, "--debug" in arguments)
    except Exception as error:
        if missing := without_extra(error):
            return _fail(str(missing), missing.exit_status, error, "--debug" in arguments)
        text = f"{UNEXPECTED}: {message_of(error)}"
        return _fail(text, 1, error, "--debug" in arguments)
    return 0


def without_extra(error: Exception) -> UsageError | None:
    """Returns what to say when a module of an extra is not installed; None for other errors."""
    name = ((isinstance(error, ModuleNotFoundError) and error.name) or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if name in modules:
            return UsageError(
                f"This command needs the extra '{extra}' of sparkperso",
                f"The module {name} is not installed",
                f"Run pip install 'sparkperso[{extra}]'",
            )
    return None


def main(*words: str) -> None:
    """Entry point of the console script, and of the files in jobs/, whose command is `words`."""
    exit_with(run_cli([*words, *sys.argv[1:]]))


def exit_with(status: int) -> None:
    """Ends the process with a status other than 0; Databricks takes even exit(0) for a failure."""
    if status:
        sys.exit(status)


def _fail(message: str, status: int, error: BaseException, debug: bool = False) -> int:
    log = log_of(error)
    if log and log.is_json:  # it stands there already, as one line of JSON
        return status
    if debug:
        traceback.print_exc()
    click.echo(f"sparkperso: {visible(message)}", err=True)
    if log and log.file and status == 1:
        click.echo(f"sparkperso: The log: {visible(str(log.file))}", err=True)
    return status


if __name__ == "__main__":
    main()
