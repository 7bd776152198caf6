"""The counters: of one process as of several, and each one explained."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sparkperso.services.http.process.shared_metrics import FOLDER, metrics_folder

ROOT = Path(__file__).parents[4]
COUNT = """
import sys
from sparkperso.services.serve.metrics import ApiMetrics
metrics = ApiMetrics()
for word in sys.argv[1].split(","):
    metrics.latencies.observe("recommendations", "hybrid", float(word))
metrics.fallbacks.labels("store_slow").inc()
metrics.caches.set("tokens", 5, 1)
metrics.version_age.set(float(sys.argv[2]))
sys.stdout.buffer.write(metrics.text())
"""


def count(seconds, age, environ=None):
    """Counts in a process of its own; returns its number and the samples that it tells."""
    process = subprocess.Popen(
        [sys.executable, "-c", COUNT, seconds, age],
        stdout=subprocess.PIPE,
        text=True,
        env=environ or os.environ,
    )
    text, _ = process.communicate()
    assert process.returncode == 0
    return process.pid, samples_of(text)


def samples_of(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def of(found, name, **labels):
    return found[(f"sparkperso_serve_{name}", *sorted(labels.items()))]


LISTS = {"route": "recommendations", "strategy": "hybrid"}


def test_several_processes_say_what_one_would():
    _, one = count("0.0001,0.003,0.003,7", "60")
    with metrics_folder("sparkperso_serve") as folder:
        first, _ = count("0.0001,0.003", "60")
        _, both = count("0.003,7", "40")
        same = {
            name: value for name, value in one.items() if "seconds" in name[0] and "age" not in name
        }
        assert same.items() <= both.items()
        assert of(both, "seconds_count", **LISTS) == 4
        assert of(both, "seconds_bucket", le="0.005", **LISTS) == 3
        assert of(both, "fallbacks_total", why="store_slow") == 2
        assert of(both, "cache_total", cache="tokens", outcome="hit") == 10
        assert of(both, "version_age_seconds") == 60
        assert of(both, "workers") == 2
        # What it counted stays; what it was goes.
        folder.take_over(first, "SIGBUS")
        _, later = count("0.003", "40")
        assert of(later, "seconds_count", **LISTS) == 5
        assert of(later, "fallbacks_total", why="store_slow") == 3
        assert of(later, "version_age_seconds") == 40
        assert of(later, "workers") == 2
        assert of(later, "worker_ends_total", cause="SIGBUS") == 1
        place = Path(os.environ[FOLDER])
        assert not list(place.glob(f"*_{first}*.db"))
    assert not place.exists()
    assert FOLDER not in os.environ


def test_a_process_that_is_taken_over_twice_counts_once():
    with metrics_folder("sparkperso_serve") as folder:
        pid, _ = count("1", "1")
        folder.take_over(pid, "SIGKILL")
        folder.take_over(pid, "SIGKILL")
        _, found = count("1", "1")
        assert of(found, "seconds_count", **LISTS) == 2


@pytest.mark.parametrize("page", ["operations.md"])
def test_each_counter_is_explained(client, page):
    text = (ROOT / "docs" / page).read_text()
    explained = set(re.findall(r"`(sparkperso_serve_\w+)`", text))
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    told = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in families
        if not family.name.endswith("_created")
    }
    assert told <= explained
    # Those of the supervisor, and of sources that this API has not.
    assert explained - told <= {
        "sparkperso_serve_worker_ends_total",
        "sparkperso_serve_content_age_seconds",
        "sparkperso_serve_content_failures",
    }
