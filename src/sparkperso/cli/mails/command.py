"""`sparkperso render-emails`: a mail of conf/mails for many people, into files or to a server."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import islice
from pathlib import Path

import click

from sparkperso.cli.content.shown import shown_rulebook
from sparkperso.cli.mails.places import addressees, opened, sending, server_of, withdrawn
from sparkperso.cli.options import DEBUG, SETTINGS_OPTIONS, with_options
from sparkperso.config import load_settings
from sparkperso.core.errors import JobError, UsageError
from sparkperso.core.terminal import visible
from sparkperso.core.times import read_time
from sparkperso.mail.check import make_mailer
from sparkperso.services.mailing.batch import Mailing, MailingReport
from sparkperso.services.mailing.delivery import Delivery, FolderDelivery, NoDelivery
from sparkperso.services.mailing.folder import MailFolder
from sparkperso.services.mailing.lists import ListReader

SAY_SECONDS = 10.0


@click.command("render-emails", help="Renders MAIL (of conf/mails) for each person of a file.")
@click.argument("mail", metavar="MAIL")
@click.option(
    "--people",
    metavar="FILE|DIR",
    help="CSV, Parquet or Delta with user_id and address; name and language too.",
)
@click.option(
    "--user",
    "users",
    multiple=True,
    metavar="ID",
    help="Only this user; without --people a sample.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write .eml files here."
)
@click.option("--html", "with_html", is_flag=True, help="With --out: the HTML beside each.")
@click.option("--smtp", metavar="HOST:PORT", help="Send to this server (mail.smtp says how).")
@click.option("--dry-run", is_flag=True, help="Render all and count; write and send nothing.")
@click.option("--campaign", metavar="NAME", help="Name in links and ledger. Default: the mail's.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="mail.smtp.per_second.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The first N people alone.")
@click.option(
    "--ledger",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="What was sent. Default: _mails/ledger.sqlite of the lake.",
)
@click.option("--at", metavar="TIME", help="Time that rules see (ISO 8601). Default: now.")
@with_options((*SETTINGS_OPTIONS, DEBUG))
def command(
    *,
    mail: str,
    people: str | None,
    users: Sequence[str],
    out: Path | None,
    with_html: bool,
    smtp: str | None,
    dry_run: bool,
    campaign: str | None,
    rate: float | None,
    limit: int | None,
    ledger: Path | None,
    at: str | None,
    env: str,
    conf_dir: Path | None,
    lake: str | None,
    assignments: Sequence[str],
) -> None:
    """Renders, writes or sends, and says what became of everybody.

    Of the serving store's current version: lists, profiles, segments, consent.
    """
    settings = load_settings(env, conf_dir, assignments, lake)
    _require_one(people, users, out, smtp, dry_run)
    mailer = make_mailer(settings, os.environ, shown_rulebook(settings, conf_dir), conf_dir)
    form = mailer.templates.get(mail).form
    with ExitStack() as held:
        reader = ListReader(opened(settings, held))
        mailing = Mailing(
            settings,
            mailer,
            reader,
            mail,
            campaign=campaign or mail,
            at=_moment(at),
            withdrawn=withdrawn(settings, held),
        )
        everybody = addressees(people, users, list(form.data))
        delivery: Delivery = NoDelivery()
        if out is not None:
            delivery = FolderDelivery(MailFolder(out, with_html=with_html))
        elif smtp is not None:
            delivery = sending(
                settings,
                server_of(settings.mail.smtp, smtp, rate),
                ledger,
                campaign or mail,
                held,
            )
        report = _carried_out(mailing.run(islice(everybody, limit), delivery))
    for line in lines_of(mail, report):
        click.echo(visible(line))
    _require_some(report)


def lines_of(mail: str, report: MailingReport) -> Iterator[str]:
    """Yields how many people there were, what became of them, and what is odd about mails."""
    yield f"{mail}: {report.n_people:,} people"
    for outcome, n in sorted(report.counts.items(), key=lambda one: (-one[1], one[0])):
        example = report.examples.get(outcome)
        yield f"{n:>9,}  {outcome}{f' ({example})' if example else ''}"
    for warning, n in report.warnings.most_common():
        yield f"· {n:,} mails: {warning}"


def _require_one(
    people: str | None, users: Sequence[str], out: Path | None, smtp: str | None, dry_run: bool
) -> None:
    if not people and not users:
        raise UsageError(
            "render-emails takes --people FILE, or --user ID for a sample",
            "Neither is given",
            "The file has the columns user_id and address",
        )
    if [out is not None, smtp is not None, dry_run].count(True) != 1:
        raise UsageError("render-emails takes exactly one of --out, --smtp and --dry-run")
    if smtp is not None and not people:
        raise UsageError("--smtp needs --people: the lake has no addresses")


def _moment(at: str | None) -> datetime | None:
    try:
        return None if at is None else read_time(at)
    except ValueError as error:
        raise UsageError(
            "--at takes a time of ISO 8601 with its offset", f"Found '{at}': {error}"
        ) from None


def _carried_out(
    reports: Iterable[MailingReport], clock: Callable[[], float] = time.monotonic
) -> MailingReport:
    """Returns the last report, having said now and then how far it is."""
    report, said = MailingReport(), clock()
    for report in reports:
        if clock() - said >= SAY_SECONDS:
            said = clock()
            top = ", ".join(f"{name} {n:,}" for name, n in report.counts.most_common(3))
            click.echo(visible(f"  {report.n_people:,} people: {top}"), err=True)
    return report


def _require_some(report: MailingReport) -> None:
    """Raises JobError where mails were to be made, and none could be."""
    failed = {name: n for name, n in report.counts.items() if name.startswith("failed")}
    if failed and sum(failed.values()) == report.n_people:
        found = next(iter(report.examples.values()), "")
        raise JobError("A mail should be made for somebody", f"All failed. {found}".strip())
