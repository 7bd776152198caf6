"""`sparkperso links`: open pixels and click links, for one person or for a whole CSV file."""

from __future__ import annotations

import csv
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from sparkperso.cli.options import with_settings
from sparkperso.config import Settings
from sparkperso.core.errors import UsageError
from sparkperso.core.times import read_time
from sparkperso.email.tokens import DAY, Links, make_links

UNITS = {"m": 60, "h": 3600, "d": DAY, "w": 7 * DAY}
SPAN = re.compile(r"\s*(\d{1,6})\s*([mhdw])\s*", re.ASCII | re.IGNORECASE)
OPEN, CLICK = "open_url", "click_url"
USER, CAMPAIGN, URL = "user_id", "campaign", "url"


@click.command("links", help="Makes signed open pixels and click links for e-mails.")
@click.option("--user", help="User's id, as events have it.")
@click.option("--campaign", help="Name of the campaign; a column of the same name goes first.")
@click.option("--url", help="Where the click leads; without it, only the pixel is made.")
@click.option(
    "--expires",
    metavar="TIME",
    help="30d, 2w, 12h, 90m after sending, or an ISO 8601 time with offset.",
)
@click.option("--sent-at", metavar="TIME", help="When the mail goes out (ISO 8601); default now.")
@click.option(
    "--batch",
    type=click.File("r", encoding="utf-8-sig"),
    help="CSV file with a column user_id, and campaign and url if they differ.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that --batch writes the rows to, with open_url and click_url; default: here.",
)
@with_settings
def command(
    settings: Settings,
    *,
    user: str | None,
    campaign: str | None,
    url: str | None,
    expires: str | None,
    sent_at: str | None,
    batch: IO[str] | None,
    out: Path | None,
) -> None:
    """Print an open pixel and a click link, or write them beside each row of a CSV file."""
    if (user is None) == (batch is None):
        raise UsageError("links takes one of --user and --batch")
    maker = RowMaker(make_links(settings, os.environ), moment(sent_at), expires)
    common = {CAMPAIGN: campaign or "", URL: url or ""}
    if batch is not None:
        with replaced(out) as file:
            write_rows(maker, batch, file, common)
        return
    for name, text in maker.row({USER: user or "", **common}).items():
        click.echo(f"{name}  {text}")


class RowMaker:
    """Makes the links of rows that are sent and expire together."""

    def __init__(self, links: Links, sent_at: float, expires: str | None) -> None:
        self._links = links
        self._when = {"sent_at": sent_at, "expires_at": expiry(expires, sent_at)}

    def row(self, row: Mapping[str, str]) -> dict[str, str]:
        """Returns open_url, and click_url where the row has a url; raises UsageError."""
        user, campaign, url = row[USER], row[CAMPAIGN], row[URL]
        made = {OPEN: self._links.open_url(user, campaign, **self._when)}
        if url:
            made[CLICK] = self._links.click_url(user, campaign, url, **self._when)
        return made


@contextmanager
def replaced(path: Path | None) -> Iterator[IO[str]]:
    """Opens a file that takes the place of `path` once all is written; None is standard output.

    When the block raises, the file that was there stays as it is.
    """
    if path is None:
        yield sys.stdout
        return
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with half.open("w", encoding="utf-8", newline="") as file:
            yield file
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def write_rows(maker: RowMaker, batch: IO[str], out: IO[str], common: Mapping[str, str]) -> None:
    """Writes each row of a CSV file with its links, in the order of the file.

    `common` are the campaign and the url of rows that have none of their own. Raises UsageError
    that names the line.
    """
    reader = csv.DictReader(batch, strict=True)
    names = list(reader.fieldnames or ())
    if USER not in names or {OPEN, CLICK} & set(names):
        raise UsageError(
            f"--batch should have a header with {USER}, and neither {OPEN} nor {CLICK}",
            f"Its first line has {', '.join(names) or 'nothing'}",
        )
    writer = csv.DictWriter(out, [*names, OPEN, CLICK], lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rows(maker, reader, common))


def _rows(
    maker: RowMaker, reader: csv.DictReader[str], common: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    try:
        for row in reader:
            if None in row or None in row.values():
                raise UsageError("Every row should have as many values as the header")
            own = {name: row[name] for name in (CAMPAIGN, URL) if row.get(name)}
            yield {**row, **maker.row({USER: row[USER], **common, **own})}
    except (UsageError, csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"Line {reader.line_num}: {error}") from None


def expiry(text: str | None, sent_at: float) -> float | None:
    """Returns when `30d`, `2w`, `12h`, `90m` after sending is, or an ISO time (s since 1970).

    None without a text. Raises UsageError for what is neither.

    >>> expiry("2h", sent_at=1000.0)
    8200.0
    """
    if text is None:
        return None
    span = SPAN.fullmatch(text)
    if span:
        return sent_at + int(span[1]) * UNITS[span[2].lower()]
    try:
        return moment(text)
    except UsageError as error:
        expected = (
            "--expires should be a time after sending (30d, 2w, 12h, 90m), or a time of ISO 8601"
        )
        raise UsageError(f"{expected} with an offset", f"Found {text!r}") from error


def moment(text: str | None) -> float:
    """Returns a time of docs/times.md in seconds since 1970; now, when there is none.

    Raises UsageError for what is no time, and for one without an offset.
    """
    if text is None:
        return time.time()
    try:
        return read_time(text).timestamp()
    except ValueError as error:
        expected = "A time should be ISO 8601 with an offset, such as 2026-06-01T10:00:00Z"
        raise UsageError(expected, f"Found {text!r}: {error}", "See docs/times.md") from error
