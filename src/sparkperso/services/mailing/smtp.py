"""Mails handed to a server (RFC 5321), one after the other, no faster than was agreed."""

from __future__ import annotations

import logging
import os
import smtplib
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Literal

from sparkperso.config.mail.section import SmtpConfig
from sparkperso.config.secret import read_secret
from sparkperso.core.errors import JobError

log = logging.getLogger("sparkperso.mailing")
GO_AHEAD = 354
CLOSING = 421


@dataclass(frozen=True)
class Outcome:
    """What became of a mail.

    `refused`: for good. `later`: the server did not take it for now, however often it was asked.
    `unknown`: the connection broke after the mail was handed over, before the answer.
    """

    state: Literal["sent", "refused", "later", "unknown"]
    code: int | None = None


class _Answer(Exception):
    """The server's answer to a command, which is not the one hoped for."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Lost(Exception):
    """The connection broke after the content was sent: nobody knows."""


class SmtpSink:
    """One connection, opened when it is needed and opened anew when it breaks."""

    def __init__(
        self,
        config: SmtpConfig,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._sleep, self._clock = config, sleep, clock
        self._connection: smtplib.SMTP | None = None
        self._next = clock()

    def send(self, message: EmailMessage) -> Outcome:
        """Returns what became of a mail to its one address.

        What is not taken for now (4xx, a connection that breaks) is tried `attempts` times, with
        growing waits. Raises JobError where no connection is to be had: then nothing was sent.
        """
        code = None
        for attempt in range(self._config.attempts):
            if attempt:
                self._sleep(self._config.wait_seconds * 2 ** (attempt - 1))
            self._pace()
            try:
                self._hand_over(self._connected(), message)
                return Outcome("sent", 250)
            except _Answer as answer:
                code = answer.code
                if code >= 500:
                    self._reset()
                    return Outcome("refused", code)
                self._reset() if code != CLOSING else self._drop()
            except _Lost:
                self._drop()
                return Outcome("unknown")
            except (smtplib.SMTPException, OSError) as error:
                log.info("the connection to the mail server broke: %s", type(error).__name__)
                code = None
                self._drop()
        return Outcome("later", code)

    def close(self) -> None:
        """Takes leave of the server."""
        if self._connection is not None:
            with suppress(smtplib.SMTPException, OSError):
                self._connection.quit()
            self._drop()

    def _hand_over(self, server: smtplib.SMTP, message: EmailMessage) -> None:
        """One transaction. Up to the content nothing is sent, whatever breaks."""
        (sender,), (to,) = message["From"].addresses, message["To"].addresses
        for code, _ in (
            server.mail(sender.addr_spec),
            server.rcpt(to.addr_spec),
        ):
            if code not in (250, 251):
                raise _Answer(code)
        code, _ = server.docmd("DATA")
        if code != GO_AHEAD:
            raise _Answer(code)
        content = smtplib.quotedata(message.as_string())
        try:
            server.send(f"{content}.\r\n" if content.endswith("\r\n") else f"{content}\r\n.\r\n")
            code, _ = server.getreply()
        except (smtplib.SMTPException, OSError):
            raise _Lost from None
        if code != 250:
            raise _Answer(code)

    def _connected(self) -> smtplib.SMTP:
        if self._connection is not None:
            return self._connection
        failure: Exception | None = None
        for attempt in range(self._config.attempts):
            if attempt:
                self._sleep(self._config.wait_seconds * 2 ** (attempt - 1))
            try:
                self._connection = self._connect()
                return self._connection
            except (smtplib.SMTPException, OSError) as error:
                failure = error
        raise JobError(
            f"A mail server should answer at {self._config.host}:{self._config.port}",
            f"{type(failure).__name__}: {failure}",
            "See mail.smtp and --smtp; what was sent is noted, and the same command goes on",
        )

    def _connect(self) -> smtplib.SMTP:
        config = self._config
        if config.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                config.host,
                config.port,
                timeout=config.timeout_seconds,
                context=ssl.create_default_context(),
            )
        else:
            server = smtplib.SMTP(config.host, config.port, timeout=config.timeout_seconds)
        try:
            if config.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if config.username is not None:
                password = read_secret(config.password_env, os.environ) or ""
                server.login(config.username, password)
            else:
                server.ehlo_or_helo_if_needed()
        except BaseException:
            server.close()
            raise
        return server

    def _reset(self) -> None:
        """Ends a transaction that did not come to its end."""
        try:
            if self._connection is not None:
                self._connection.rset()
        except (smtplib.SMTPException, OSError):
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _pace(self) -> None:
        """Waits for the next mail's turn; a pause makes up for nothing."""
        now = self._clock()
        if self._next > now:
            self._sleep(self._next - now)
        self._next = max(self._next, now) + 1 / self._config.per_second
