"""`sparkperso triggers`: webhooks when segments change; run, listed, tried, and replayed."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from sparkperso.cli.options import DEBUG, SETTINGS_OPTIONS, with_options
from sparkperso.config import Settings, load_settings
from sparkperso.core.errors import JobError
from sparkperso.core.terminal import visible
from sparkperso.core.times import iso
from sparkperso.platform.lake_reader import LakeReader

SHOWN_BYTES = 300
"""Of an answer to a test."""


@click.group("triggers", help="Calls webhooks when somebody enters or leaves a segment.")
def command() -> None:
    """Groups what can be done with triggers."""


@command.command("run")
@click.option("--from-end", is_flag=True, help="Leave out what the history says so far.")
@click.option(
    "--metrics-port", type=click.IntRange(1, 65535), help="Serve /metrics on 127.0.0.1, here."
)
@with_options((*SETTINGS_OPTIONS, DEBUG))
def run(
    *,
    from_end: bool,
    metrics_port: int | None,
    env: str,
    conf_dir: Path | None,
    lake: str | None,
    assignments: Sequence[str],
) -> None:
    """Deliver until SIGTERM or Ctrl-C; of several on one lake, one is active."""
    # Here, as below: other commands need not have the extra `serve`.
    from sparkperso.services.triggers.definitions import load_triggers
    from sparkperso.services.triggers.process import run_dispatcher

    settings = load_settings(env, conf_dir, assignments, lake)
    triggers = load_triggers(settings, os.environ, conf_dir)
    run_dispatcher(
        settings,
        triggers,
        lambda line: click.echo(visible(line)),
        from_end=from_end,
        metrics_port=metrics_port,
    )


@command.command("list")
@with_options((*SETTINGS_OPTIONS, DEBUG))
def list_triggers(
    env: str, conf_dir: Path | None, lake: str | None, assignments: Sequence[str]
) -> None:
    """List triggers: what fires them, where they lead, and what waits."""
    from sparkperso.services.triggers.definitions import read_triggers, require_sound

    settings = load_settings(env, conf_dir, assignments, lake)
    triggers = read_triggers(settings, os.environ, conf_dir)
    queue = _queue(settings)
    backlog, gone = (queue.backlog(), queue.disabled()) if queue else ({}, {})
    for name, config in triggers.configs.items():
        ready = triggers.ready.get(name)
        state = "on" if ready else ("not sound" if config.enabled else "off")
        if ready and gone.get(name) == ready.fingerprint:
            state = "rests: its receiver is gone"
        where = f" to {ready.host}" if ready else ""
        waits = f", {backlog[name].n} wait" if name in backlog else ""
        line = f"{name}: {config.on} {', '.join(config.segments)}{where} ({state}{waits})"
        click.echo(visible(line))
    if not triggers.configs:
        click.echo("There is no trigger: docs/triggers.md says how one is written")
    require_sound(triggers)


@command.command("test")
@click.argument("name")
@with_options((*SETTINGS_OPTIONS, DEBUG))
def test(
    name: str, env: str, conf_dir: Path | None, lake: str | None, assignments: Sequence[str]
) -> None:
    """Send one message of type trigger.test, and say what was answered."""
    from sparkperso.services.triggers.definitions import load_triggers, require_trigger
    from sparkperso.services.triggers.process import send_test

    settings = load_settings(env, conf_dir, assignments, lake)
    triggers = load_triggers(settings, os.environ, conf_dir)
    config = require_trigger(triggers, name)
    if name not in triggers.ready:
        raise JobError(
            f"A trigger that is tried is enabled: {name}", "Its file says enabled: false"
        )
    verdict = send_test(settings, triggers.ready[config.name])
    if verdict.answer:
        text = verdict.answer[:SHOWN_BYTES].decode("utf-8", "replace")
        click.echo(visible(f"  {text}"))
    if verdict.outcome != "delivered":
        raise JobError("The receiver should answer with 2xx", verdict.words)
    click.echo(f"{name}: {verdict.words}")


@command.command("dead-letters")
@click.argument("name", required=False)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with the message.")
@with_options((*SETTINGS_OPTIONS, DEBUG))
def dead_letters(
    *,
    name: str | None,
    limit: int,
    as_json: bool,
    env: str,
    conf_dir: Path | None,
    lake: str | None,
    assignments: Sequence[str],
) -> None:
    """List messages that were given up, the latest first."""
    from sparkperso.services.triggers.letters import read_letters

    settings = load_settings(env, conf_dir, assignments, lake)
    letters = read_letters(LakeReader(settings.lake), _queue(settings), name, limit)
    for one in letters:
        click.echo(visible(_json_of(one.row, one.state) if as_json else _line(one.row, one.state)))
    if not letters and not as_json:
        click.echo("There are none")


@command.command("replay")
@click.argument("name", required=False)
@with_options((*SETTINGS_OPTIONS, DEBUG))
def replay_letters(
    name: str | None,
    env: str,
    conf_dir: Path | None,
    lake: str | None,
    assignments: Sequence[str],
) -> None:
    """Queue dead letters again, of all triggers or of one; each once, under its own id."""
    from sparkperso.services.triggers.definitions import load_triggers, require_trigger
    from sparkperso.services.triggers.leases import triggers_folder
    from sparkperso.services.triggers.letters import read_letters, replay
    from sparkperso.services.triggers.queue import Queue

    settings = load_settings(env, conf_dir, assignments, lake)
    triggers = load_triggers(settings, os.environ, conf_dir)
    if name is not None:
        require_trigger(triggers, name)
    queue = Queue(triggers_folder(settings))
    letters = read_letters(LakeReader(settings.lake), queue, name)
    gone = queue.disabled()
    rests = {one for one, ready in triggers.ready.items() if gone.get(one) == ready.fingerprint}
    # Nobody would deliver the others.
    told = triggers.ready.keys() - rests
    n = replay(queue, [one for one in letters if one.row["trigger"] in told])
    queue.close()
    click.echo(f"{n} of {len(letters)} dead letters are queued; the active dispatcher sends them")
    for one in sorted(rests.intersection(letter.row["trigger"] for letter in letters)):
        line = (
            f"Those of {one} stay: its receiver is gone (410), so it rests until its file changes"
        )
        click.echo(visible(line))


def _queue(settings: Settings) -> Any:
    """The queue, if there is one yet: looking makes none."""
    from sparkperso.services.triggers.leases import triggers_folder
    from sparkperso.services.triggers.queue import FILE, Queue

    folder = triggers_folder(settings)
    return Queue(folder) if (folder / FILE).exists() else None


def _line(row: dict[str, Any], state: str) -> str:
    tries = f"{row['attempts']} attempt{'s' * (row['attempts'] != 1)}"
    what = f"{row['trigger']} {row['delivery_id']} {row['change']} {row['segment']}"
    return f"{iso(row['last_at'])}  {state}  {what}, {tries}: {row['last_error']}"


def _json_of(row: dict[str, Any], state: str) -> str:
    times = {name: iso(row[name]) for name in ("first_at", "last_at")}
    return json.dumps({**row, **times, "state": state}, ensure_ascii=False)
