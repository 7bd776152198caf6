"""The demo shop over a lake that the pipeline filled: two customers see different things."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import httpx
import pytest
from click.testing import CliRunner

from sparkperso.cli.main import cli
from sparkperso.testing.cluster import free_port


@pytest.fixture(scope="module")
def store(pipeline, tmp_path_factory):
    return f"store.folder={tmp_path_factory.mktemp('store')}"


@pytest.fixture(scope="module")
def shop(spark, pipeline, store):
    published = CliRunner().invoke(
        cli, ["publish", "--lake", str(pipeline.root), "--set", store], catch_exceptions=False
    )
    assert published.exit_code == 0, published.output
    port, api_port = free_port(), free_port()
    line = [sys.executable, "-m", "sparkperso.cli.main", "shop", "--lake", str(pipeline.root)]
    line += ["--set", store, "--port", str(port), "--api-port", str(api_port)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    said = process.stdout.readline()
    assert "The shop is at" in said
    yield f"http://127.0.0.1:{port}"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    for number in (port, api_port):
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{number}/healthz")


def shown(shop, user_id):
    config = httpx.get(f"{shop}/demo/api/config").json()
    token = httpx.post(f"{shop}{config['token_url']}", json={"user_id": user_id}).json()["token"]
    answer = httpx.post(
        f"{config['api']}/v1/personalize",
        json={"user_id": user_id},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_two_customers_of_the_shop_see_different_modules_and_lists(shop):
    customers = httpx.get(f"{shop}/demo/api/config").json()["customers"]
    assert len(customers) >= 2
    one, other, *_ = (shown(shop, customer["user_id"]) for customer in customers)
    assert one["slots"]["hero"]["content_id"] != other["slots"]["hero"]["content_id"]
    for answer in (one, other):
        items = answer["slots"]["picks"]["items"]
        assert len(items) == 8
        assert all(item["title"] for item in items)
        assert answer["fallback"] is None


def test_a_token_of_the_shop_is_one_customers(shop):
    config = httpx.get(f"{shop}/demo/api/config").json()
    names = [customer["user_id"] for customer in config["customers"]]
    token = httpx.post(f"{shop}/demo/api/token", json={"user_id": names[0]}).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{config['api']}/v1/recommendations/"
    assert httpx.get(url + names[0], headers=headers).status_code == 200
    assert httpx.get(url + names[1], headers=headers).status_code == 403
    stranger = httpx.post(f"{shop}/demo/api/token", json={"user_id": "somebody"})
    assert stranger.status_code == 403
    # What a page says of its visitor is not believed: it might be a customer's id.
    guest = httpx.post(f"{shop}/demo/api/token", json={"anonymous_id": names[0]}).json()
    assert guest["anonymous_id"] != names[0]
    headers = {"Authorization": f"Bearer {guest['token']}"}
    assert httpx.get(url + names[0], headers=headers).status_code == 403
    answer = httpx.get(url + guest["anonymous_id"], headers=headers)
    assert answer.json()["fallback"] == "unknown_user"


def test_a_lake_that_was_not_published_is_told_how(pipeline, tmp_path):
    words = ["shop", "--lake", str(pipeline.root), "--set", f"store.folder={tmp_path}"]
    answer = CliRunner().invoke(cli, words)
    assert answer.exception.exit_status == 2
    assert "sparkperso publish" in str(answer.exception)


def test_a_port_that_is_taken_is_said_before_anything_starts(pipeline, store):
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    ) as other:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                httpx.get(f"http://127.0.0.1:{port}")
                break
            except httpx.HTTPError:
                time.sleep(0.05)
        words = ["shop", "--lake", str(pipeline.root), "--set", store, "--api-port", str(port)]
        answer = CliRunner().invoke(cli, words)
        other.terminate()
    assert answer.exception.exit_status == 2
    assert str(port) in str(answer.exception)
