"""The dashboard over a lake of tests: callers of each role, and what a page is made from."""

from __future__ import annotations

from datetime import timedelta

from starlette.testclient import TestClient
from tests.small_lake import AS_OF

from sparkperso.config import load_settings
from sparkperso.config.platform import LakeConfig
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.services.access.api_keys import new_key
from sparkperso.services.access.caller import Caller
from sparkperso.services.dashboard.app import make_app
from sparkperso.services.dashboard.queries.cache import ResultCache
from sparkperso.services.dashboard.queries.lake import LakeTables
from sparkperso.services.dashboard.service import View

SCOPES = {
    "viewer": ["dashboard:view"],
    "analyst": ["dashboard:view", "dashboard:analyse"],
    "operator": ["dashboard:view", "dashboard:operate"],
    "support": ["dashboard:view", "profile:read"],
    "shop": ["recommend", "profile:read"],
}
KEYS = {name: new_key() for name in SCOPES}
EVERYTHING = frozenset(scope for scopes in SCOPES.values() for scope in scopes)
HTML = {"Accept": "text/html"}


def lake_of(root):
    return LakeTables(LakeReader(LakeConfig(root=str(root))), ResultCache(10_000_000), 0.0)


def view_of(lake, *settings, scopes=EVERYTHING):
    caller = Caller("key", "tests", frozenset(scopes), "key:tests")
    loaded = load_settings("local", assignments=settings)
    return View(lake, loaded, caller, AS_OF + timedelta(hours=2), lambda name: name)


def settings_of(root, *more):
    keys = [
        f"security.api_keys.{name}={{id: {key.id}, sha256: {key.sha256}, scopes: {SCOPES[name]}}}"
        for name, key in KEYS.items()
    ]
    return load_settings("local", assignments=[*keys, *more], lake=str(root))


def client_of(root, *more):
    app = make_app(settings_of(root, *more), {})
    return TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)


def bearer(name):
    return {"Authorization": f"Bearer {KEYS[name].text}", **HTML}
