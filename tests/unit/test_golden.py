"""What users and clusters rely on, word for word; `make golden` rewrites it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from sparkperso.cli.main import COMMANDS, cli
from sparkperso.config import load_settings
from sparkperso.platform.jars import coordinates, spark_submit_line
from sparkperso.schemas import TABLES
from sparkperso.schemas.dictionary import dictionary
from sparkperso.schemas.source_reference import with_generated
from sparkperso.services.collect.app import make_app as make_collector
from sparkperso.services.serve.app import make_app as make_api

ROOT = Path(__file__).parents[2]
SUBCOMMANDS = [
    *([name] for name in COMMANDS),
    *(["config", "show"], ["tables", "list"], ["tables", "describe"], ["tables", "show"]),
    *(["sources", "list"], ["sources", "check"], ["rules", "list"], ["rules", "test"]),
    *(["keys", "new"], ["tokens", "new"]),
    *(["triggers", name] for name in ("run", "list", "test", "dead-letters", "replay")),
    *(["content", "list"], ["content", "refresh"], ["content", "check"]),
]
WITHOUT_LAKE = {"benchmark"}
SUBMITTED = {
    "ingest-events": ["--source", "online_retail"],
    "build-features": [],
    "build-segments": [],
    "build-profiles": [],
    "train-recommender": [],
    "benchmark": ["--train", "hdfs:///train", "--test", "hdfs:///test"],
    "promote-model": [],
    "build-recommendations": [],
    "publish": ["--store", "redis"],
    "run": ["--source", "online_retail"],
}


@pytest.mark.parametrize("words", [[], *SUBCOMMANDS], ids="-".join)
def test_help(words, golden):
    answer = CliRunner().invoke(cli, [*words, "--help"], prog_name="sparkperso")
    assert answer.exit_code == 0
    golden(f"help/{'-'.join(['sparkperso', *words])}.txt", answer.output)


def test_schemas(golden):
    lines = [f"{name}: {spec.ddl()}\n" for name, spec in sorted(TABLES.items())]
    golden("schemas.txt", "".join(lines))


def test_spark_submit_lines(golden):
    place = {"master": "spark://master:7077", "packages": coordinates()[:1]}
    lines = []
    for name, arguments in SUBMITTED.items():
        script = Path("jobs") / f"{name.replace('-', '_')}.py"
        assert (ROOT / script).is_file()
        lake = [] if name in WITHOUT_LAKE else ["--lake", "hdfs:///lake"]
        line = [*lake, *arguments]
        lines.append(" ".join(spark_submit_line(script, line, **place)))
    golden("spark_submit.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize(("name", "make"), [("collector", make_collector), ("serve", make_api)])
def test_openapi(golden, tmp_path, name, make):
    app = make(load_settings("local", lake=str(tmp_path)), {})
    document = TestClient(app).get("/openapi.json").json()
    document["info"].pop("version")
    golden(f"{name}_openapi.json", json.dumps(document, indent=1, sort_keys=True) + "\n")


def test_the_reference_of_sources(golden):
    page = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    golden(
        "sources.md", with_generated(page, ROOT / "docs" / "examples" / "sources"), ROOT / "docs"
    )


def test_data_dictionary(golden):
    golden("data_dictionary.md", dictionary(TABLES.values()), ROOT / "docs")
