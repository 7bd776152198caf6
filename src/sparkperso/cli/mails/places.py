"""Where a mailing reads from, and where it sends to, by the options of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from sparkperso.config import Settings
from sparkperso.config.mail.section import SmtpConfig
from sparkperso.core.errors import ConfigError, JobError, UsageError
from sparkperso.core.hashing import short_hash
from sparkperso.core.places import local_path
from sparkperso.core.terminal import visible
from sparkperso.services.collect.intake.consent_store import ConsentStore
from sparkperso.services.mailing.addressees import Addressee, read_addressees
from sparkperso.services.mailing.batch import Withdrawn
from sparkperso.services.mailing.delivery import SmtpDelivery
from sparkperso.services.mailing.ledger import Ledger
from sparkperso.services.mailing.smtp import SmtpSink
from sparkperso.services.sinks.factory import spool_folder
from sparkperso.services.stores.factory import open_overlay, open_store
from sparkperso.services.stores.live import LiveStore

HOST = re.compile(r"[A-Za-z0-9.:_-]+")
NOBODYS = "preview.invalid"
"""Domain of addresses that no mail reaches (RFC 6761)."""


def opened(settings: Settings, held: ExitStack) -> LiveStore:
    """Returns the serving store, open; raises JobError where nothing was published."""
    store = open_store(settings)
    # Before the overlay, which would make a folder of a lake that is misspelled.
    live = LiveStore(store, open_overlay(settings)) if store.chain() else None
    held.callback((live or store).close)
    if live is None or live.version is None:
        raise JobError(
            "render-emails needs a published version of lists and people",
            (live and live.problem) or "No version was published yet",
            "Run 'sparkperso publish' first",
        )
    if live.problem:
        click.echo(visible(f"· {live.problem}"), err=True)
    return live


def withdrawn(settings: Settings, held: ExitStack) -> Withdrawn:
    """Returns what a collector of this machine was told meanwhile: a withdrawal holds at once."""
    try:
        path = spool_folder(settings) / "consents.sqlite"
    except ConfigError:
        return lambda _: False
    if not path.is_file():
        return lambda _: False
    decisions = ConsentStore(path)
    held.callback(decisions.close)
    sites = dict.fromkeys((*settings.collect.sites, settings.links.site or ""))

    def has_withdrawn(user_id: str) -> bool:
        told = (decisions.get(site, "user_id", user_id).get("marketing") for site in sites)
        return any(decision is not None and not decision.is_granted for decision in told)

    return has_withdrawn


def addressees(
    people: str | None, users: Sequence[str], data: Sequence[str]
) -> Iterable[Addressee]:
    """Returns who is written to; without a file, users with an address that reaches nobody."""
    if people is None:
        if data:
            raise UsageError(f"This mail needs --people: a file with the columns {', '.join(data)}")
        return [Addressee(one, f"user-{short_hash(one)}@{NOBODYS}") for one in users]
    wanted = frozenset(users)
    everybody = read_addressees(people, data)
    return (one for one in everybody if not wanted or one.user_id in wanted)


def sending(
    settings: Settings, server: SmtpConfig, ledger: Path | None, campaign: str, held: ExitStack
) -> SmtpDelivery:
    """Returns what sends to a server, and notes what it sent."""
    notes = Ledger(ledger or _ledger_place(settings))
    held.callback(notes.close)
    sink = SmtpSink(server)
    held.callback(sink.close)
    return SmtpDelivery(sink, notes, campaign)


def server_of(config: SmtpConfig, smtp: str, rate: float | None) -> SmtpConfig:
    """Returns the settings of the server `HOST:PORT`, or `HOST`; raises UsageError for neither."""
    try:
        parts = urlsplit(f"//{smtp}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not HOST.fullmatch(host) or parts.netloc != smtp or parts.username:
        raise UsageError("--smtp takes HOST:PORT", f"Found '{smtp}'")
    changed: dict[str, Any] = {"host": host, "port": port or config.port}
    return config.model_copy(update=changed | ({"per_second": rate} if rate else {}))


def _ledger_place(settings: Settings) -> Path:
    root = None if settings.lake.catalog else local_path(settings.lake.root)
    if root is None:
        raise UsageError(
            "--smtp needs --ledger FILE, where it notes what was sent",
            f"lake.root is '{settings.lake.root}', and no folder of this machine",
        )
    return Path(root) / "_mails" / "ledger.sqlite"
