"""`sparkperso serve` as processes: ready, reloaded, drained; and how a worker's death ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import pytest
from tests.unit.services.serve.conftest import TOKEN, records

from sparkperso.config import load_settings
from sparkperso.services.http.process.supervisor import delay_of
from sparkperso.services.stores.factory import open_store
from sparkperso.testing.api import running_api
from sparkperso.testing.cluster import free_port
from sparkperso.testing.serving import release

FAST = ["--set", "security.limits.requests_per_second=1e9"]
FAST += ["--set", "security.limits.requests_per_second_and_address=1e9"]
PATH = "/v1/recommendations/anna?n=3"


@pytest.fixture
def lake(tmp_path):
    folder = tmp_path / "lake"
    release(store_of(folder), records())
    return folder


def store_of(lake):
    return open_store(load_settings("local", lake=str(lake)))


def until(check, seconds=30):
    """Waits until something holds, and returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := check():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{check} within {seconds} s")


class Load:
    """Requests one after the other, on connections that are kept, as long as the block runs."""

    def __init__(self, url, threads=2, path=PATH):
        self.answers, self.errors, self._is_over = [], [], False
        self._url, self._path = url, path
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def __enter__(self):
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_):
        self._is_over = True
        for one in self._threads:
            one.join()

    def _ask(self):
        with httpx.Client(headers=TOKEN, timeout=10) as client:
            while not self._is_over:
                try:
                    answer = client.get(self._url + self._path)
                    self.answers.append((answer.status_code, answer.json().get("user_id")))
                except httpx.HTTPError as error:
                    self.errors.append(repr(error))
                time.sleep(0.001)

    @property
    def faults(self):
        return [one for one in self.answers if one != (200, "anna")] + self.errors


@contextmanager
def busy(lake, tmp_path, *options, workers=1):
    with running_api(lake, *FAST, "--workers", str(workers), *options, log=tmp_path / "log") as api:
        with httpx.Client(base_url=api.url, headers=TOKEN) as client:
            until(lambda: client.get("/readyz").status_code == 200)
        yield api


def test_a_reload_replaces_every_worker_and_no_request_fails(lake, tmp_path):
    with busy(lake, tmp_path, workers=2) as api:
        until(lambda: len(api.workers) == 2)
        before = api.workers
        with Load(api.url) as load:
            api.signal(signal.SIGHUP)
            until(lambda: len(api.workers) == 2 and not set(api.workers) & set(before), 60)
        assert load.faults == []
        assert len(load.answers) > 100
        assert api.end() == 0
    assert "SIGHUP: all workers are new" in (tmp_path / "log").read_text()


def test_a_reload_of_what_is_wrong_says_so_and_changes_nothing(lake, tmp_path):
    conf = tmp_path / "conf"
    subprocess.run(["cp", "-r", "conf", str(conf)], check=True)
    with busy(lake, tmp_path, "--conf-dir", str(conf)) as api:
        before, log = api.workers, tmp_path / "log"
        serving = conf / "base" / "serving.yaml"
        text = serving.read_text()
        serving.write_text("api: {items: many}\n")
        api.signal(signal.SIGHUP)
        until(lambda: "nothing is reloaded" in log.read_text())
        assert "api.items" in log.read_text()
        # What only the application finds: a page that is no template.
        serving.write_text(text)
        (conf / "pages" / "shop.html").write_text("{% if %}")
        log.write_text("")
        api.signal(signal.SIGHUP)
        until(lambda: "should be a template of Jinja2" in log.read_text(), 60)
        assert "nothing is reloaded" in log.read_text()
        assert api.workers == before
        assert httpx.get(api.url + PATH, headers=TOKEN).status_code == 200


def test_what_keeps_it_from_starting_is_one_paragraph(lake, tmp_path):
    line = [sys.executable, "-m", "sparkperso", "serve", "--lake", str(lake)]
    line += ["--port", str(free_port()), "--env", "cluster"]
    environ = {**os.environ, "SPARKPERSO_PSEUDONYM_KEY": "0" * 64}
    done = subprocess.run(
        line, capture_output=True, text=True, timeout=60, env=environ, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "sparkperso:" in done.stderr


def test_it_drains_readiness_first_and_answers_what_is_under_way(lake, tmp_path):
    with (
        busy(lake, tmp_path, "--set", "api.drain_seconds=3") as api,
        httpx.Client(base_url=api.url, headers=TOKEN) as client,
    ):
        assert client.get("/readyz").status_code == 200
        api.signal(signal.SIGTERM)
        begun = time.monotonic()
        until(lambda: httpx.get(f"{api.url}/readyz").status_code == 503, 2.5)
        assert client.get("/healthz").status_code == 200
        # It still answers, on new connections too; each answer is its connection's last.
        answer = client.get(PATH)
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"
        assert httpx.get(api.url + PATH, headers=TOKEN).status_code == 200
        assert api.process.wait(20) == 0
        assert time.monotonic() - begun > 2.9
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{api.url}/healthz")


def test_a_reload_that_comes_while_it_ends_kills_nobody(lake, tmp_path):
    with busy(lake, tmp_path, "--set", "api.drain_seconds=2", workers=2) as api:
        with Load(api.url) as load:
            until(lambda: len(load.answers) > 100)
            api.signal(signal.SIGTERM)
            begun = time.monotonic()
            for _ in range(5):
                api.signal(signal.SIGHUP)
                time.sleep(0.2)
            assert api.process.wait(20) == 0
            assert time.monotonic() - begun > 1.9
        # Whoever is killed leaves decisions behind that were answered.
        files = (lake / "_spool" / "decisions" / "ready").glob("*.jsonl")
        n_kept = sum(file.read_text().count("\n") for file in files)
        assert n_kept == sum(status == 200 for status, _ in load.answers)
    assert "killed" not in (tmp_path / "log").read_text()


def test_a_second_sigterm_leaves_out_the_wait_and_loses_nothing(lake, tmp_path):
    with busy(lake, tmp_path, "--set", "api.drain_seconds=30", workers=2) as api:
        with httpx.Client(base_url=api.url, headers=TOKEN) as client:
            assert client.get(PATH).status_code == 200
        api.signal(signal.SIGTERM)
        time.sleep(0.5)
        api.signal(signal.SIGTERM)
        assert api.process.wait(10) == 0
        (file,) = (lake / "_spool" / "decisions" / "ready").glob("*.jsonl")
        assert file.read_text().count("\n") == 1
    assert "killed" not in (tmp_path / "log").read_text()


def test_ctrl_c_waits_for_nothing(lake, tmp_path):
    with busy(lake, tmp_path, "--set", "api.drain_seconds=30") as api:
        api.signal(signal.SIGINT)
        assert api.process.wait(10) == 0


def test_readiness_hears_of_the_sink(lake, tmp_path):
    # A file where the folder of decisions should be: nobody can write there, root neither.
    (lake / "_spool").mkdir()
    (lake / "_spool" / "decisions").write_text("")
    with running_api(lake, log=tmp_path / "log") as api:
        answer = httpx.get(f"{api.url}/readyz")
        assert answer.status_code == 503
        assert "Decisions cannot be kept now" in answer.json()["detail"]
        assert httpx.get(f"{api.url}/healthz").status_code == 200
        assert httpx.get(api.url + PATH, headers=TOKEN).status_code == 200
        (lake / "_spool" / "decisions").unlink()
        until(lambda: httpx.get(f"{api.url}/readyz").status_code == 200)
    # What waited for it is there.
    (file,) = (lake / "_spool" / "decisions" / "ready").glob("*.jsonl")
    assert file.read_text().count("\n") == 1


def test_a_store_without_a_version_is_not_ready(tmp_path):
    with running_api(tmp_path / "lake", log=tmp_path / "log") as api:
        assert httpx.get(f"{api.url}/readyz").status_code == 503
        assert httpx.get(f"{api.url}/healthz").status_code == 200
        release(store_of(tmp_path / "lake"), records())
        until(lambda: httpx.get(f"{api.url}/readyz").status_code == 200)


def test_a_worker_that_dies_of_a_file_cut_off_is_followed_by_one_that_reads_the_last_good(
    lake, tmp_path
):
    good = store_of(lake).chain()[0]
    many = {f"u{n}": records()["lists.new"]["anna"] for n in range(5000)}
    broken = release(store_of(lake), {**records(), "lists.new": many})
    # It looks for versions rarely: the file is read before anybody sees that it is shorter.
    with busy(lake, tmp_path, "--set", "api.refresh_seconds=600") as api:
        before = api.workers
        os.truncate(lake / "_serving" / "versions" / broken / "records.mdb", 8192)

        def answer():
            try:
                return httpx.get(api.url + "/v1/recommendations/u4000", headers=TOKEN, timeout=5)
            except httpx.HTTPError:
                return None

        found = until(answer)
        assert api.workers != before
        assert found.json()["store_version"] == good
        assert found.json()["fallback"] in {"older_version", "unknown_user"}
    log = (tmp_path / "log").read_text()
    assert "SIGBUS" in log
    assert f"is not read, but {good}" in log


def test_a_file_that_is_cut_off_is_left_before_it_is_read(lake, tmp_path):
    good = store_of(lake).chain()[0]
    broken = release(store_of(lake), records())
    with busy(lake, tmp_path, "--set", "api.refresh_seconds=0.1") as api:
        before = api.workers
        os.truncate(lake / "_serving" / "versions" / broken / "records.mdb", 8192)
        until(lambda: httpx.get(f"{api.url}/readyz").json()["store_version"] == good)
        assert httpx.get(api.url + PATH, headers=TOKEN).json()["store_version"] == good
        assert api.workers == before


def test_a_worker_that_dies_again_and_again_is_started_less_and_less_often(lake, tmp_path):
    with busy(lake, tmp_path) as api:
        seen = []
        end = time.monotonic() + 40
        while time.monotonic() < end and len(seen) < 4:
            for pid in api.workers:
                if pid not in seen:
                    seen.append(pid)
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        log = (tmp_path / "log").read_text()
        assert "starts now" in log
        assert "starts in 0.5 s" in log
        assert "starts in 1 s" in log
        until(lambda: _answers(api))
    assert [delay_of(n) for n in (1, 2, 3, 100)] == [0.0, 0.5, 1.0, 30.0]


def _answers(api):
    try:
        return httpx.get(f"{api.url}/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def test_workers_whose_supervisor_is_killed_end(lake, tmp_path):
    with busy(lake, tmp_path, workers=2) as api:
        workers = api.workers
        api.process.kill()
        api.process.wait()
        until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers))


def samples(api):
    """Returns what any one worker says of all: sample → value."""
    text = httpx.get(f"{api.url}/metrics").text
    rows = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in rows}


COUNT = 'sparkperso_serve_seconds_count{route="recommendations",strategy="hybrid"}'
TOKENS = 'sparkperso_serve_cache_total{cache="tokens",outcome="%s"}'


def test_any_worker_tells_the_sum_of_all_of_those_that_died_too(lake, tmp_path):
    with busy(lake, tmp_path, workers=2) as api:
        until(lambda: samples(api)["sparkperso_serve_workers"] == 2)
        with Load(api.url, threads=8) as load:
            until(lambda: len(load.answers) > 400)
        assert load.faults == []
        # Whoever is asked, and however often.
        assert {samples(api)[COUNT] for _ in range(20)} == {float(len(load.answers))}
        killed = api.workers[0]
        os.kill(killed, signal.SIGKILL)
        until(lambda: killed not in api.workers and len(api.workers) == 2)
        until(lambda: samples(api)["sparkperso_serve_workers"] == 2)
        assert httpx.get(api.url + PATH, headers=TOKEN).status_code == 200
        found = samples(api)
        assert found[COUNT] == len(load.answers) + 1
        assert found['sparkperso_serve_worker_ends_total{cause="SIGKILL"}'] == 1
        assert found[COUNT.replace("_count", "_bucket").replace("route", 'le="+Inf",route')]
        assert 0 < found["sparkperso_serve_version_age_seconds"] < 120
        assert found["sparkperso_serve_version_behind"] == 0
        api.signal(signal.SIGHUP)
        until(lambda: "all workers are new" in (tmp_path / "log").read_text(), 60)
        until(lambda: samples(api)["sparkperso_serve_workers"] == 2)
        assert samples(api)[COUNT] == found[COUNT]
        # Caches are said now and then; what the killed one counted in its last second is lost.
        assert samples(api)[TOKENS % "hit"] + samples(api)[TOKENS % "miss"] > 100
