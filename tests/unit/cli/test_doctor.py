"""The doctor: each missing thing is one line that says what to do, and the exit status says it."""

from __future__ import annotations

import os
import socket
import sqlite3

import pytest

from sparkperso.cli.doctor import machine as doctor
from sparkperso.cli.doctor import serving
from sparkperso.cli.doctor.command import CHECKS, examine
from sparkperso.cli.main import run_cli
from sparkperso.config import load_settings
from sparkperso.services.stores.factory import open_store
from sparkperso.testing.serving import release, stored_list


@pytest.fixture
def settings(tmp_path):
    return load_settings(lake=str(tmp_path / "lake"))


@pytest.fixture
def found(settings):
    """Returns look(what), which gives the finding of one check."""
    return lambda what, where=settings: next(f for f in examine(where) if f.what == what)


def test_all_is_there_where_the_tests_run(tmp_path, capsys):
    assert run_cli(["doctor", "--lake", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CHECKS)
    assert all(line.startswith(("ok ", "note ")) for line in lines)


def test_triggers_of_a_folder_are_looked_at(tmp_path, capsys):
    folder = tmp_path / "conf" / "triggers"
    folder.mkdir(parents=True)
    (folder / "crm.yaml").write_text(
        "description: x\nsegments: [audiences-lapsing]\nurl: https://crm.example/hook\n"
        "secret_env: NO_SUCH_SECRET\n"
    )
    line = ["doctor", "--services", "--conf-dir", str(tmp_path / "conf"), "--lake", str(tmp_path)]
    assert run_cli(line) == 1
    said = capsys.readouterr()
    (finding,) = [one for one in said.out.splitlines() if " triggers " in one]
    assert finding.startswith("missing")
    assert "NO_SUCH_SECRET" in finding
    assert "crm.example" in finding


def test_looking_makes_no_folder(settings, tmp_path):
    list(examine(settings))
    assert list(tmp_path.iterdir()) == []


def test_missing_java(found, monkeypatch):
    monkeypatch.setattr("sparkperso.platform.java._candidates", list)
    finding = found("Java")
    assert finding.status == "missing"
    assert "openjdk-17-jre-headless" in finding.text


def test_jars_that_the_first_session_will_fetch(found, monkeypatch, tmp_path):
    monkeypatch.setenv("SPARKPERSO_JARS", str(tmp_path))
    finding = found("Spark's jars")
    assert finding.status == "note"
    assert "io.delta:delta-spark_4.2_2.13:4.4.0" in finding.text


def test_jars_that_there_is_no_place_for(found, monkeypatch, tmp_path):
    monkeypatch.setenv("SPARKPERSO_JARS", str(tmp_path / "jars"))
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: path != tmp_path)
    finding = found("Spark's jars")
    assert finding.status == "missing"
    assert "Set SPARKPERSO_JARS to another" in finding.text


def test_a_user_without_a_home_is_told(found, monkeypatch):
    for name in ("SPARKPERSO_JARS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pathlib.Path.home", _no_home)
    finding = found("Spark's jars")
    assert finding.status == "missing"
    assert "Set HOME, or SPARKPERSO_JARS" in finding.text


def _no_home():
    raise RuntimeError("Could not determine home directory.")


def test_jars_are_not_looked_for_where_spark_submit_brings_them(found, monkeypatch, tmp_path):
    monkeypatch.setenv("SPARKPERSO_JARS", str(tmp_path))
    assert found("Spark's jars", load_settings("cluster")).status == "ok"


def test_a_missing_package(found, monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("pyspark", "no-such-package"))
    finding = found("packages")
    assert finding.status == "missing"
    assert "no-such-package" in finding.text


def test_an_old_python(found, monkeypatch):
    monkeypatch.setattr(doctor.sys, "version_info", (3, 9, 2))
    assert found("Python").status == "missing"


def test_a_lake_below_a_file(found, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    lake = str(tmp_path / "file" / "lake")
    finding = found("lake", load_settings(lake=lake))
    assert finding.status == "missing"
    assert "--lake" in finding.text
    assert run_cli(["doctor", "--lake", lake]) == 1
    assert "Missing: lake" in capsys.readouterr().err


def test_a_lake_that_a_cluster_would_refuse(found):
    finding = found("lake", load_settings("cluster", lake="lake"))
    assert finding.status == "missing"
    assert "relative to the working folder" in finding.text


def test_a_taken_port_is_only_a_note(found, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(doctor, "UI_PORT", server.getsockname()[1])
        finding = found("port of the UI")
    assert finding.status == "note"
    assert "--port" in finding.text


def test_a_file_that_is_no_database(found, tmp_path):
    place = tmp_path / "lake" / "_mlflow" / "mlflow.db"
    place.parent.mkdir(parents=True)
    place.write_text("this is not a database, and long enough to be looked at " * 20)
    assert found("MLflow").status == "missing"
    place.unlink()
    sqlite3.connect(place).execute("CREATE TABLE runs (run_uuid TEXT)").connection.close()
    assert found("MLflow").text.endswith("(0 runs)")


def test_catalogs_and_servers_are_not_looked_into(found):
    databricks = load_settings("databricks")
    assert found("lake", databricks).status == "ok"
    assert found("MLflow", databricks).status == "ok"


def test_a_little_memory_is_a_note(found, monkeypatch):
    monkeypatch.setattr(doctor.os, "sysconf", lambda name: 4096 if "SIZE" in name else 200_000)
    finding = found("memory")
    assert finding.status == "note"
    assert "spark.driver_memory" in finding.text


def test_a_full_disk_is_a_note(found, monkeypatch, tmp_path):
    full = type("Usage", (), {"free": 5e8})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: full)
    finding = found("disk")
    assert finding.status == "note"
    assert f"0.5 GB in {tmp_path}" in finding.text


def test_a_store_that_was_published_to_is_looked_into(found, settings):
    assert "will be made" in found("serving store").text
    store = open_store(settings)
    store.folder.mkdir(parents=True)
    assert found("serving store").status == "note"
    name = release(store, {"popular": {"global": stored_list(["a", "b"])}})
    assert found("serving store").text.endswith(f"version {name} is whole, 1 records")
    records = store.folder / "versions" / name / "records.mdb"
    os.truncate(records, records.stat().st_size - 1)
    finding = found("serving store")
    assert finding.status == "missing"
    assert "publish --rollback" in finding.text


def test_a_folder_where_services_cannot_write(found, tmp_path):
    (tmp_path / "file").write_text("")
    sets = [f"store.folder={tmp_path}/file/store", f"collect.spool.path={tmp_path}/file/spool"]
    wrong = load_settings("local", None, sets, str(tmp_path / "lake"))
    for what, setting in (("serving store", "store.folder"), ("decisions", "collect.spool.path")):
        finding = found(what, wrong)
        assert finding.status == "missing"
        assert setting in finding.text


def test_a_nearly_full_disk_keeps_no_decisions(found, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(serving.shutil, "disk_usage", lambda place: type("Usage", (), {"free": 1}))
    assert found("decisions").status == "missing"
    quiet = load_settings("local", None, ["api.log_decisions=false"], str(tmp_path))
    assert found("decisions", quiet).status == "ok"


def test_brokers_are_called(found, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        sets = ["collect.sink=kafka", f"collect.kafka.bootstrap=127.0.0.1:{port}"]
        kafka = load_settings("local", None, sets, str(tmp_path))
        assert found("decisions", kafka).status == "ok"
    finding = found("decisions", kafka)
    assert finding.status == "missing"
    assert "collect.kafka.bootstrap" in finding.text


class Told:
    """A Redis that says what it is told to say."""

    def __init__(self, version="7.0.15", policy="noeviction"):
        self.version, self.policy = version, policy

    def info(self, section):
        return {"redis_version": self.version, "maxmemory_policy": self.policy}


@pytest.mark.parametrize(
    ("told", "word"),
    [(Told("6.0.16"), "6.2 or newer"), (Told(policy="allkeys-lru"), "noeviction")],
    ids=["old", "forgetful"],
)
def test_a_redis_that_will_not_do(found, tmp_path, monkeypatch, told, word):
    from sparkperso.services.stores.redis_place import RedisPlace

    monkeypatch.setattr(RedisPlace, "connect", lambda self: told)
    finding = found(
        "serving store", load_settings("local", None, ["store.kind=redis"], str(tmp_path))
    )
    assert finding.status == "missing"
    assert word in finding.text


def test_a_redis_that_does_not_answer(found, tmp_path):
    sets = ["store.kind=redis", "store.redis.url=redis://127.0.0.1:9/0"]
    finding = found("serving store", load_settings("local", None, sets, str(tmp_path)))
    assert finding.status == "missing"
    assert "store.redis.url" in finding.text


def test_secrets_of_another_environment(found, tmp_path, monkeypatch):
    cluster = load_settings("cluster", lake=str(tmp_path))
    monkeypatch.delenv("SPARKPERSO_PSEUDONYM_K1", raising=False)
    assert found("secrets", cluster).status == "missing"
    file = tmp_path / "pseudonyms"
    file.write_text("0" * 64)
    file.chmod(0o644)
    monkeypatch.setenv("SPARKPERSO_PSEUDONYM_K1_FILE", str(file))
    monkeypatch.setenv("SPARKPERSO_LINKS_KEY", "short")
    finding = found("secrets", cluster)
    assert finding.status == "note"
    assert f"chmod 600 {file}" in finding.text
    assert "SPARKPERSO_LINKS_KEY has 5 characters" in finding.text
    assert "sparkperso keys new shop" in finding.text
    assert "0" * 64 not in finding.text
    file.chmod(0o600)
    monkeypatch.setenv("SPARKPERSO_LINKS_KEY", "1" * 32)
    assert "chmod" not in found("secrets", cluster).text


def test_services_that_are_not_installed_are_a_note(found, monkeypatch):
    def missing(settings):
        raise ModuleNotFoundError("No module named 'lmdb'")

    monkeypatch.setitem(CHECKS, "serving store", serving._of_services(missing))
    finding = found("serving store")
    assert finding.status == "note"
    assert "pip install" in finding.text


def test_where_services_run_no_spark_is_asked_for(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("pyspark", "no-such-package"))
    monkeypatch.setattr("sparkperso.platform.java._candidates", list)
    assert run_cli(["doctor", "--services", "--lake", str(tmp_path)]) == 0
    assert "serving store" in capsys.readouterr().out
