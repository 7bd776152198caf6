"""Webhooks of content management systems: only where there are such, and only with their secret."""

from tests.openapi import DescribedClient as TestClient
from tests.unit.services.serve.conftest import TOKEN, Api


def test_without_sources_there_is_no_route(client):
    assert client.post("/v1/content/hooks/shop", json={}).status_code == 404


def test_content_of_the_service_is_that_of_its_cache(tmp_path):
    api = Api(tmp_path)
    with TestClient(api.app, headers=TOKEN) as client:
        body = client.post("/v1/personalize", json={"slots": ["hero"]}).json()
    assert body["slots"]["hero"]["content_id"] == "welcome"
