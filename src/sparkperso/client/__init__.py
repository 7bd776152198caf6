"""A client for servers and scripts: events go to the collector in batches, and survive outages.

from sparkperso.client import Client

with Client("http://127.0.0.1:8080", "local-dev-key", queue="events.sqlite") as client:
    client.track("item_view", user_id="17", item_id="A-1")
"""

from sparkperso.client.asynchronous import AsyncClient
from sparkperso.client.options import Options, Stats
from sparkperso.client.threaded import Client

__all__ = ["AsyncClient", "Client", "Options", "Stats"]
