"""Photographs MLflow's pages of the latest training into docs/pictures/.

    .venv/bin/python scripts/photograph_mlflow.py [LAKE]

mlflow.png compares its candidates, mlflow_run.png is its run, mlflow_model.png the version that it
registered. Needs Chromium (on Debian: apt-get install chromium).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

from mlflow import MlflowClient
from PIL import Image

from sparkperso.testing.cluster import free_port

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
EXPERIMENT = "sparkperso/train-recommender"
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]


def main() -> None:
    """Starts the pages, takes the pictures, stops the pages."""
    lake = Path(sys.argv[1] if len(sys.argv) > 1 else "lake").resolve()
    port = free_port()
    command = [str(Path(sys.executable).parent / "sparkperso"), "ui", "--lake", str(lake)]
    pages = subprocess.Popen([*command, "--port", str(port)])
    try:
        wait_for(f"http://127.0.0.1:{port}/health")
        for name, page in pages_of(lake).items():
            photograph(f"http://127.0.0.1:{port}/#/{page}", PICTURES / name)
    finally:
        pages.terminate()
        pages.wait(timeout=30)


def pages_of(lake: Path) -> dict[str, str]:
    """Returns picture → the part of a page's address behind the #, of the latest training."""
    client = MlflowClient(f"sqlite:///{lake}/_mlflow/mlflow.db")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None, f"{lake} has no runs of {EXPERIMENT}"
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])
    parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    children = [
        run.info.run_id
        for run in runs
        if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
        and run.info.run_name.startswith(("als ", "hybrid"))
    ]
    named = {"runs": json.dumps(children), "experiments": json.dumps([experiment.experiment_id])}
    query = urllib.parse.urlencode(named, quote_via=urllib.parse.quote)
    version = next(
        one
        for one in client.search_model_versions(f"run_id = '{parent.info.run_id}'")
        if one.name.endswith("-recommender")
    )
    return {
        "mlflow.png": f"compare-runs?{query}",
        "mlflow_run.png": f"experiments/{experiment.experiment_id}/runs/{parent.info.run_id}",
        "mlflow_model.png": f"models/{version.name}/versions/{version.version}",
    }


def wait_for(address: str) -> None:
    """Returns when the page answers; raises TimeoutError after a minute."""
    for _ in range(120):
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(address)


def photograph(address: str, picture: Path) -> None:
    """Writes the page as a picture."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        size = ["--window-size=1500,1250", "--virtual-time-budget=25000", "--timeout=40000"]
        where = [f"--user-data-dir={profile}", f"--screenshot={picture}", address]
        subprocess.run(["chromium", *QUIET, *size, *where], check=True, timeout=120)
    with Image.open(picture) as whole:
        # Without the assistant that MLflow opens beside every page.
        page = whole.crop((0, 0, 1115, whole.height)).quantize(128)
    page.save(picture, optimize=True)


if __name__ == "__main__":
    main()
