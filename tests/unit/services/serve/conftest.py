import json
import os

import pytest
from tests.openapi import DescribedClient as TestClient
from tests.unit.recommend.test_session_model import PARAMS, random_sessions, table_of

from sparkperso.config import load_settings
from sparkperso.recommend.registered.session_model import session_model
from sparkperso.services.serve.app import make_app
from sparkperso.services.stores.factory import open_overlay, open_store
from sparkperso.services.stores.records import CONSENTS, ITEMS, PROFILES, SEGMENTS
from sparkperso.testing.serving import decision, release, stored_list

ITEM_IDS = [f"i{number}" for number in range(1, 31)]
POPULAR = [f"p{number}" for number in range(1, 51)]
TOKEN = {"Authorization": "Bearer local-dev-token"}


def records():
    everything = [*ITEM_IDS, *POPULAR]
    return {
        "lists.new": {
            "anna": stored_list(ITEM_IDS, model_version="7"),
            "ben": stored_list(ITEM_IDS[::-1], model_version="7"),
            "short": stored_list(ITEM_IDS[:2], model_version="7"),
        },
        "popular": {
            "global": stored_list(POPULAR, "popularity", "popular:global"),
            "segment:vip": stored_list(POPULAR[::-1], "popularity", "popular:segment:vip"),
            "country:DE": stored_list(POPULAR[10:], "popularity", "popular:country:DE"),
        },
        "similar": {"i1": stored_list(["i2", "i3"], "similar_items", "similar:i1")},
        "segments": {
            "anna": json.dumps([{"segment_id": "vip", "label": "vip"}]).encode(),
            "listless": json.dumps([{"segment_id": "vip", "label": "vip"}]).encode(),
        },
        "profiles": {
            "anna": json.dumps(
                {"country": "GB", "birth_year": 1990, "features": {"frequency": 3}}
            ).encode()
        },
        "items": {
            item_id: json.dumps(
                {"title": f"Item {item_id}", "category": f"c{n % 3}", "price": n, "tags": []}
            ).encode()
            for n, item_id in enumerate(everything)
        },
        "consents.marketing": {"user_id:anna": decision(True)},
        "consents": {
            "user_id:refused": decision(False),
            "anonymous_id:visitor-no": decision(False),
        },
    }


def sessions():
    return session_model(table_of(random_sessions(1)), PARAMS)


assert {CONSENTS, ITEMS, PROFILES, SEGMENTS} <= records().keys()


class Api:
    """The API over a store of a folder, as its clients see it."""

    def __init__(self, folder, conf_dir=None, more=()):
        lake = str(folder / "lake")
        self.settings = load_settings("local", conf_dir, more, lake)
        self.store, self.overlay = open_store(self.settings), open_overlay(self.settings)
        self.release()
        self.app = make_app(self.settings, os.environ, conf_dir)

    def release(self, **more):
        return release(self.store, {**records(), **more}, sessions())

    def put(self, namespace, key, record):
        self.overlay.put_many([((namespace, key), record)])


@pytest.fixture(scope="session")
def client(tmp_path_factory):
    """For what changes nothing: it takes a second to make."""
    with TestClient(Api(tmp_path_factory.mktemp("api")).app, headers=TOKEN) as client:
        yield client


@pytest.fixture
def api(tmp_path):
    return Api(tmp_path)


@pytest.fixture
def own_client(api):
    with TestClient(api.app, headers=TOKEN) as client:
        yield client


@pytest.fixture
def ids_of():
    def get(answer):
        assert answer.status_code == 200, answer.text
        return [item["item_id"] for item in answer.json()["items"]]

    return get
