"""A dispatcher as a process, and one message that only tries a trigger."""

from __future__ import annotations

import asyncio
import logging.config
import multiprocessing
import secrets
import signal
from collections.abc import Callable

from prometheus_client import start_http_server

from sparkperso.config import Settings
from sparkperso.core.errors import UsageError
from sparkperso.core.times import now
from sparkperso.services.http.logs import service_logging
from sparkperso.services.http.outbound import open_outbound
from sparkperso.services.triggers.attempt import Verdict, attempt
from sparkperso.services.triggers.definitions import ReadyTrigger, Triggers
from sparkperso.services.triggers.dispatcher import Dispatcher
from sparkperso.services.triggers.message import body_of
from sparkperso.services.triggers.metrics import TriggerMetrics

TEST = "trigger.test"
"""The type of a message that tries a trigger."""


def run_dispatcher(
    settings: Settings,
    triggers: Triggers,
    say: Callable[[str], None],
    *,
    from_end: bool = False,
    metrics_port: int | None = None,
) -> None:
    """Delivers until SIGTERM or Ctrl-C, or until the process that started this one is gone.

    Raises UsageError without any enabled trigger, for a lake in a catalog, and for a port that
    cannot be listened on; JobError for a queue or lake that cannot be opened.
    """
    if not triggers.ready:
        raise UsageError(
            "At least one trigger should be enabled",
            f"conf/triggers has {len(triggers.configs)}",
            "docs/triggers.md says how one is written",
        )
    logging.config.dictConfig(service_logging(settings.logging))
    metrics = TriggerMetrics()
    dispatcher = Dispatcher(settings, triggers, metrics)
    if metrics_port is not None:
        try:
            start_http_server(metrics_port, "127.0.0.1", metrics.registry)
        except OSError as error:
            raise UsageError(
                f"/metrics should be served on 127.0.0.1:{metrics_port}",
                str(error.strerror),
                "Name another port with --metrics-port",
            ) from None
    asyncio.run(_until_told(dispatcher, say, from_end))


def send_test(settings: Settings, trigger: ReadyTrigger) -> Verdict:
    """Sends a message of type `trigger.test`, once, and returns what became of it."""

    async def send() -> Verdict:
        body = body_of(TEST, now(), {"trigger": trigger.name})
        async with open_outbound(settings.outbound) as outbound:
            return await attempt(outbound, trigger, f"msg_{secrets.token_hex(16)}", body.encode())

    return asyncio.run(send())


async def _until_told(dispatcher: Dispatcher, say: Callable[[str], None], from_end: bool) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    parent = multiprocessing.parent_process()
    if parent is not None:
        # Nobody would end it any more.
        def orphaned() -> None:
            loop.remove_reader(parent.sentinel)
            stop.set()

        loop.add_reader(parent.sentinel, orphaned)
    await dispatcher.run(stop, say, from_end=from_end)
