"""`sparkperso shop`: the demo shop, personalised from a lake, on two ports of this machine."""

from __future__ import annotations

import json
import signal
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import click

from sparkperso.cli.options import DEBUG, SETTINGS_OPTIONS, with_options
from sparkperso.cli.shop.customers import customers_of
from sparkperso.cli.shop.products import currency_of, write_products
from sparkperso.config import Settings, load_settings
from sparkperso.core.commands import Service, require_running, running, wait_until_ready
from sparkperso.core.errors import UsageError
from sparkperso.decisions.assets import load_rulebook

HOST = "127.0.0.1"
ENDING = (signal.SIGINT, signal.SIGTERM)


@click.command("shop", help="Shows the demo shop, personalised from a lake.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
@click.option("--api-port", default=8090, show_default=True, type=click.IntRange(1, 65535))
@with_options((*SETTINGS_OPTIONS, DEBUG))
def command(
    *,
    port: int,
    api_port: int,
    env: str,
    conf_dir: Path | None,
    lake: str | None,
    assignments: tuple[str, ...],
) -> None:
    """Runs the collector and the API until SIGTERM or Ctrl-C, or until one of them ends."""
    from sparkperso.services.http.process.ports import require_free
    from sparkperso.services.stores.factory import open_store

    if env != "local":
        raise UsageError(
            "The demo shop is for --env local: anybody may sign in as its customers",
            f"Found --env {env}",
            "Run 'sparkperso collect' and 'sparkperso serve' there",
        )
    settings = load_settings(env, conf_dir, assignments, lake)
    for number in (port, api_port):
        require_free(HOST, number)
    customers = customers_of(settings, load_rulebook(settings, conf_dir))
    store = open_store(settings)
    if store.current() is None:
        raise UsageError(
            "The shop answers from what was published",
            "The serving store of this lake has no version",
            "Publish it: sparkperso publish" + (f" --lake {lake}" if lake else ""),
        )
    store.close()
    common = ["--env", env, *(("--conf-dir", str(conf_dir)) if conf_dir else ())]
    common += [*(("--lake", lake) if lake else ())]
    common += [word for one in assignments for word in ("--set", one)]
    with (
        tempfile.TemporaryDirectory(prefix="sparkperso-shop-") as folder,
        running("serve", ["--port", str(api_port), *common]) as api,
        running(
            "collect",
            [
                *("--demo", "--port", str(port)),
                *common,
                *_shop_options(settings, f"http://{HOST}:{api_port}", customers, Path(folder)),
            ],
        ) as collector,
    ):
        wait_until_ready(api, f"http://{HOST}:{api_port}/readyz")
        wait_until_ready(collector, f"http://{HOST}:{port}/readyz")
        click.echo(f"The shop is at http://{HOST}:{port}/demo/  (Ctrl-C ends it)")
        for label in customers.values():
            click.echo(f"  sign in as {label}")
        _watch((api, collector))


def _shop_options(
    settings: Settings, api: str, customers: Mapping[str, str], folder: Path
) -> list[str]:
    """Returns how the collector is told what its shop sells, and to whom."""
    products = folder / "products.jsonl"
    write_products(settings, products)
    shop = {"api": api, "token": settings.security.service_token, "customers": customers}
    shop |= {"products": str(products), "currency": currency_of(settings) or "GBP"}
    return [word for key, value in shop.items() for word in ("--set", _assignment(key, value))]


def _assignment(key: str, value: object) -> str:
    return f"collect.shop.{key}={json.dumps(value)}"


def _watch(processes: tuple[Service, ...]) -> None:
    """Returns at a signal to end; raises JobError where a service ended by itself."""
    ended: list[int] = []
    before = {number: signal.signal(number, lambda n, _: ended.append(n)) for number in ENDING}
    try:
        while not ended:
            for process in processes:
                require_running(process)
            time.sleep(0.2)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
