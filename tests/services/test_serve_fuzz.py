"""schemathesis against a running API: by its OpenAPI document, what is described and what is not.

pytest tests/services/test_serve_fuzz.py --fuzz-examples 2000     takes minutes, by chance
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import pytest
from tests.unit.services.serve.conftest import TOKEN, records

from sparkperso.config import load_settings
from sparkperso.services.stores.factory import open_store
from sparkperso.testing.api import running_api
from sparkperso.testing.serving import release

HERE = Path(__file__).parent
JUDGE = HERE.parents[1] / ".tools" / "judges" / "bin" / "schemathesis"
FAST = [
    f"security.limits.{name}=1e9"
    for name in (
        "requests_per_second",
        "requests_per_second_and_address",
        "refusals_per_second_and_address",
    )
]
BROWSER = {"SPARKPERSO_BROWSER_KEY": "0" * 64}


@pytest.fixture
def api(tmp_path):
    lake = tmp_path / "lake"
    store = open_store(load_settings("local", lake=str(lake)))
    release(store, records())
    options = [word for one in FAST for word in ("--set", one)]
    with running_api(lake, *options, environ=BROWSER, log=tmp_path / "log") as running:
        yield running


def fuzz(api, folder, examples):
    """Returns schemathesis' exit status and what it printed."""
    line = [JUDGE, "--config-file", HERE / "schemathesis.toml", "run", f"{api.url}/openapi.json"]
    line += ["--header", f"Authorization: {TOKEN['Authorization']}", "--continue-on-failure"]
    line += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(examples or 10)]
    line += ["--generation-database", "none", "--suppress-health-check", "all"]
    line += [] if examples else ["--seed", "7"]
    done = subprocess.run(
        list(map(str, line)),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_every_answer_is_as_described_and_none_is_a_servers_error(api, tmp_path, request):
    workers = api.workers
    operations = httpx.get(f"{api.url}/openapi.json").json()["paths"]
    status, text = fuzz(api, tmp_path, request.config.getoption("--fuzz-examples"))
    assert status == 0, text[:20_000]
    # All but the document's own, which it takes for none, and the stream, which has no end.
    assert f"Tested: {sum(map(len, operations.values())) - 2}" in text
    # The same process answers as before, and noted no error of its own.
    assert api.workers == workers
    answer = httpx.get(f"{api.url}/v1/recommendations/anna?n=3", headers=TOKEN)
    assert [one["item_id"] for one in answer.json()["items"]] == ["i1", "i2", "i3"]
    assert 'code="internal"' not in httpx.get(f"{api.url}/metrics").text
    assert '"level": "error"' not in (tmp_path / "log").read_text()
