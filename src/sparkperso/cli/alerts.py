"""`sparkperso alerts`: what is out of the ordinary, and telling it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import click

from sparkperso.cli.options import DEBUG, SETTINGS_OPTIONS, with_options
from sparkperso.config import load_settings
from sparkperso.core.terminal import visible
from sparkperso.core.times import iso
from sparkperso.platform.lake_lock import lake_lock
from sparkperso.platform.lake_reader import LakeReader


@click.group("alerts", help="Lists what monitor found out of the ordinary, and tells it.")
def command() -> None:
    """Groups what can be done with alerts."""


@command.command("list")
@click.option("--all", "with_resolved", is_flag=True, help="Those that are resolved, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_options((*SETTINGS_OPTIONS, DEBUG))
def list_alerts(
    *,
    with_resolved: bool,
    as_json: bool,
    env: str,
    conf_dir: Path | None,
    lake: str | None,
    assignments: Sequence[str],
) -> None:
    """List open alerts: since when, what, and what to do."""
    # Here, as below: other commands need not have the extra `serve`.
    from sparkperso.services.alerts.send import read_alerts

    settings = load_settings(env, conf_dir, assignments, lake)
    alerts = read_alerts(LakeReader(settings.lake))
    shown = [one for one in alerts if with_resolved or one["status"] == "open"]
    for one in shown:
        if as_json:
            times = ("first_seen", "last_seen", "resolved_at")
            texts = {name: one[name] and iso(one[name]) for name in times}
            click.echo(visible(json.dumps({**one, **texts}, ensure_ascii=False)))
            continue
        state = one["severity"] if one["status"] == "open" else "resolved"
        click.echo(visible(f"{iso(one['first_seen'])}  {state}  {one['check']}: {one['message']}"))
        if one["status"] == "open":
            click.echo(visible(f"  {one['to_do']}"))
    if not shown and not as_json:
        click.echo("There are none")


@command.command("send")
@with_options((*SETTINGS_OPTIONS, DEBUG))
def send(env: str, conf_dir: Path | None, lake: str | None, assignments: Sequence[str]) -> None:
    """Tell every channel what is due: what is new, worse, still so after a while, or resolved."""
    from sparkperso.services.alerts.channels import ready_channels
    from sparkperso.services.alerts.send import require_delivered, send_due

    settings = load_settings(env, conf_dir, assignments, lake)
    channels = ready_channels(settings, os.environ)
    with lake_lock(settings.lake, "alerts") as is_alone:
        if not is_alone:
            click.echo("Another process is telling them: nothing to do")
            return
        sent = send_due(settings, channels)
    for one in sent:
        click.echo(visible(f"{one.channel}: {len(one.notices)} alerts, {one.verdict.words}"))
    if not channels:
        click.echo("There is no channel: docs/monitoring.md says how one is written")
    elif not sent:
        click.echo("Nothing is due")
    require_delivered(sent)


@command.command("test")
@click.argument("channel")
@with_options((*SETTINGS_OPTIONS, DEBUG))
def test(
    channel: str, env: str, conf_dir: Path | None, lake: str | None, assignments: Sequence[str]
) -> None:
    """Send one made-up alert to a channel, and say what was answered."""
    from sparkperso.services.alerts.channels import channel_named, ready_channels
    from sparkperso.services.alerts.send import require_delivered, send_test

    settings = load_settings(env, conf_dir, assignments, lake)
    chosen = channel_named(ready_channels(settings, os.environ), channel)
    sent = send_test(settings, chosen)
    require_delivered(sent)
    for one in sent:
        click.echo(visible(f"{one.channel}: {one.verdict.words}"))
