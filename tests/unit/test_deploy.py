"""deploy/: each flag, setting, path, port and secret that its files name is the suite's own."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
import yaml

from sparkperso.cli.doctor.serving import variables
from sparkperso.cli.main import COMMANDS, cli
from sparkperso.config import load_settings
from sparkperso.services.serve.app import make_app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
NAME = "sparkperso-serve"


def parsed(words):
    """Returns what a command line means to our own command: its options by name."""
    command = cli.get_command(None, words[0])
    assert command is not None, words
    assert words[0] in COMMANDS
    parent = click.Context(cli, **cli.context_settings)
    return command.make_context(words[0], list(words[1:]), parent).params


def conf_of(tmp_path, text, name="services.yaml"):
    folder = tmp_path / "conf" / "cluster"
    folder.mkdir(parents=True)
    (folder / name).write_text(text)
    return folder.parent


@pytest.fixture(scope="module")
def objects():
    found = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "serve.yaml").read_text()))
    return {one["kind"]: one for one in found}


@pytest.fixture(scope="module")
def pod(objects):
    return objects["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod):
    (only,) = pod["containers"]
    return only


def test_arguments_of_the_pod_are_those_of_the_command(container, pod):
    options = parsed(container["args"])
    (port,) = container["ports"]
    assert options["port"] == port["containerPort"]
    assert options["host"] == "0.0.0.0"
    mounts = {one["mountPath"] for one in container["volumeMounts"]}
    assert f"{options['conf_dir']}/{options['env']}" in mounts
    # What is written is on a volume: everything else of the pod is read-only.
    assert {"/tmp", str(Path(options["lake"]).parent)} <= mounts
    volumes = {one["name"] for one in pod["volumes"]}
    assert volumes == {one["name"] for one in container["volumeMounts"]}


def test_settings_of_the_pod_are_settings(objects, container, pod, tmp_path):
    (text,) = objects["ConfigMap"]["data"].values()
    settings = load_settings("cluster", conf_of(tmp_path, text), (), str(tmp_path / "lake"))
    assert settings.store.kind == "redis"
    assert settings.collect.sink == "kafka"
    limits, drain = settings.api.limits, settings.api.drain_seconds
    assert pod["terminationGracePeriodSeconds"] > drain + limits.shutdown_seconds
    # The probe looks twice while it drains.
    assert container["readinessProbe"]["periodSeconds"] * 2 <= drain
    # Limits that are set replace none of the others.
    assert limits == load_settings("local").api.limits
    mounts = [one["mountPath"] for one in container["volumeMounts"]]
    assert settings.store.redis.cache_folder in mounts
    assert settings.security.audit.folder in mounts


def test_secrets_are_references_to_what_is_asked_for(container):
    asked = {name for name, _ in variables(load_settings("cluster").model_dump())}
    for one in container["env"]:
        assert one["name"] in asked
        assert one.keys() == {"name", "valueFrom"}
        assert one["valueFrom"]["secretKeyRef"]["key"]


def test_probes_ask_routes_that_need_no_token(container, tmp_path, objects):
    app = make_app(load_settings("local", lake=str(tmp_path)), {})
    routes = json.loads(describe(app))["paths"]
    probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")]
    assert [one["path"] for one in probes] == ["/healthz", "/healthz", "/readyz"]
    assert {one["port"] for one in probes} == {container["ports"][0]["name"]}
    meta = objects["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert meta["prometheus.io/port"] == str(container["ports"][0]["containerPort"])
    for path in (*(one["path"] for one in probes), meta["prometheus.io/path"]):
        assert "security" not in routes[path]["get"]


def describe(app):
    from starlette.testclient import TestClient

    # Not entered: nothing has to be started for its document.
    return TestClient(app).get("/openapi.json").content


def test_selectors_find_the_pods(objects):
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    service, budget = objects["Service"]["spec"], objects["PodDisruptionBudget"]["spec"]
    for selector in (
        objects["Deployment"]["spec"]["selector"]["matchLabels"],
        service["selector"],
        budget["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    assert budget["minAvailable"] < objects["Deployment"]["spec"]["replicas"]
    assert objects["PersistentVolumeClaim"]["metadata"]["name"] == "sparkperso-audit"


def test_the_pod_may_do_little(pod, container):
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    own = container["securityContext"]
    assert own["readOnlyRootFilesystem"] is True
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}


def unit(path):
    """Returns the sections of a unit: setting → its values, in order."""
    sections, name = {}, None
    for line in path.read_text().splitlines():
        if line.startswith("["):
            name = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            sections.setdefault(name, {}).setdefault(key, []).append(value)
    return sections


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_runs_a_command_of_ours(path):
    service = unit(path)["Service"]
    (line,) = service["ExecStart"]
    program, *words = shlex.split(line)
    assert program == "/opt/sparkperso/bin/sparkperso"
    assert words[0] == path.stem.removeprefix("sparkperso-")
    options = parsed(words)
    (state,) = service["StateDirectory"]
    assert str(options["lake"]).startswith(f"/var/lib/{state}/")
    (seconds,) = service["TimeoutStopSec"]
    settings = load_settings("cluster")
    limits = settings.api.limits
    assert int(seconds) > settings.api.drain_seconds + limits.shutdown_seconds
    (files,) = service["LimitNOFILE"]
    assert int(files) > limits.max_connections + 512
    # What is wrong with the configuration ends it with 2, and it is not tried again.
    assert service["RestartPreventExitStatus"] == ["2"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_secrets_of_a_unit_are_files_that_it_is_given(path):
    service = unit(path)["Service"]
    given = {one.partition(":")[0] for one in service["LoadCredential"]}
    asked = {name for name, _ in variables(load_settings("cluster").model_dump())}
    named = dict(one.split("=", 1) for one in service["Environment"])
    files = {name: value for name, value in named.items() if name.endswith("_FILE")}
    assert {value.removeprefix("%d/") for value in files.values()} == given
    # Sites, and so their keys, are the configuration's.
    assert {name.removesuffix("_FILE") for name in files} - {"SHOP_WRITE_KEY"} <= asked


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_takes_a_unit(path, tmp_path):
    if not shutil.which("systemd-analyze"):
        ConfigParser(strict=False, interpolation=None).read(path)
        pytest.skip("systemd-analyze is not here")
    text = path.read_text().replace("/opt/sparkperso/bin/sparkperso", sys.executable)
    copy = tmp_path / path.name
    copy.write_text(text)
    checked = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    (exposure,) = re.findall(r"exposure level for \S+: ([\d.]+)", judged.stdout)
    assert float(exposure) < 2.5


def instructions():
    text = (DEPLOY / "Dockerfile").read_text()
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [line.split(None, 1) for line in lines if line and not line.startswith("#")]


def test_the_image_is_made_of_what_its_context_has():
    let_in = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    copied = [value for name, value in instructions() if name == "COPY"]
    sources = [word for one in copied if "--from" not in one for word in one.split()[:-1]]
    assert {f"!{one}" for one in sources} == {word for word in let_in if word.startswith("!")}
    assert (ROOT / "deploy" / "requirements.lock").is_file()
    assert {value.split()[0] for name, value in instructions() if name == "FROM"} == {
        "python:3.11-slim"
    }


def test_the_image_runs_our_command_as_nobody():
    values = dict(instructions())
    assert values["USER"].split(":")[0] != "0"
    assert json.loads(values["ENTRYPOINT"]) == ["sparkperso"]
    assert entry_points(group="console_scripts", name="sparkperso")
    options = parsed(json.loads(values["CMD"]))
    assert str(options["port"]) in values["EXPOSE"].split()
    assert f":{options['port']}/healthz" in values["HEALTHCHECK"]
    assert options["lake"].startswith(json.loads(values["VOLUME"])[0])
    # The check is a program that compiles.
    check = json.loads(values["HEALTHCHECK"].partition("CMD ")[2])
    compile(check[2], "healthcheck", "exec")


def pins(path):
    return set(re.findall(r"^([\w.-]+==[\w.!+-]+)", path.read_text(), re.M))


def test_the_images_lock_is_of_what_the_tests_ran_with():
    mine, whole = pins(DEPLOY / "requirements.lock"), pins(ROOT / "requirements.lock")
    assert mine <= whole
    names = {one.split("==")[0].lower() for one in mine}
    assert {"lmdb", "redis", "uvicorn", "starlette", "opentelemetry-sdk"} <= names
    assert not names & {"pyspark", "delta-spark", "pytest", "mypy"}


def test_no_file_names_a_registry_or_holds_a_secret():
    for path in (one for one in DEPLOY.rglob("*") if one.is_file()):
        text = path.read_text()
        assert not re.search(r"https?://(?!127\.0\.0\.1)", text), path
        assert "--index-url" not in text
