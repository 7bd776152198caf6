"""benchmark --sessions on made sessions of a few walks, by its command line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from tests.conftest import TEST_PROPERTIES, overridden

from sparkperso.cli.main import run_cli

K, N_ITEMS, N_WALKS = 5, 40, 8
SPACE = (
    "recommend.sessions.space=[{model: session_knn, n_neighbours: 20, transitions: 2},"
    " {model: session_knn, transitions: 0}, {model: item_to_item}, {model: popularity}]"
)

BEGIN = 1_600_000_000


def sessions(n=1000, seed=4):
    """Each session goes along one of a few walks through the items; now and then it strays."""
    rng = np.random.default_rng(seed)
    walks = [rng.permutation(N_ITEMS) for _ in range(N_WALKS)]
    rows = []
    for session in range(n):
        walk, start = walks[rng.integers(N_WALKS)], rng.integers(N_ITEMS)
        for step in range(rng.integers(1, 8)):
            item = int(walk[(start + step) % N_ITEMS])
            item = int(rng.integers(N_ITEMS)) if rng.random() < 0.1 else item
            rows.append((f"s{session}", f"i{item}", BEGIN + 1000 * session + 10 * step))
    return pd.DataFrame(rows, columns=["session_id", "item_id", "timestamp"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("sessions")
    rows = sessions()
    late = rows["timestamp"] >= BEGIN + 1000 * 850
    bad = pd.DataFrame(
        {"session_id": [None, "s1"], "item_id": ["i1", "i2"], "timestamp": ["1", "?"]}
    )
    pd.concat([rows[~late].astype({"timestamp": str}), bad]).sample(frac=1, random_state=1).to_csv(
        found / "train.csv", index=False
    )
    items = ["i1", "no such", "nor this", "i1", "i1"]
    new = pd.DataFrame({"session_id": "new", "item_id": items})
    new["timestamp"] = BEGIN + 2_000_000 + np.arange(len(items))
    pd.concat([rows[late], new]).to_parquet(found / "test.parquet", index=False)
    return found


def run(folder, *more, train="train.csv", test="test.parquet", settings=()):
    given = [*overridden(TEST_PROPERTIES, settings), SPACE]
    settings = [part for one in given for part in ("--set", one)]
    line = ["--train", str(folder / train), "--test", str(folder / test), "--k", str(K)]
    return run_cli(["benchmark", "--sessions", *line, *settings, *more])


@pytest.fixture(scope="module")
def document(spark, folder):
    more = ["--out", str(folder / "out.json"), "--predictions-out", str(folder / "lists")]
    assert run(folder, *more) == 0
    return json.loads((folder / "out.json").read_text())


def test_the_metrics_are_those_of_the_lists(document, folder):
    test = pd.read_parquet(folder / "test.parquet").sort_values(["timestamp", "item_id"])
    test["position"] = test.groupby("session_id").cumcount() + 1
    test["following"] = test.groupby("session_id")["item_id"].shift(-1)
    asked = test[test["following"].notna()]
    assert document["split"]["n_questions"] == len(asked)
    for one in document["models"]:
        lists = pd.read_parquet(folder / "lists" / f"{one['model']}.parquet")
        assert lists["rank"].max() == K
        joined = asked.merge(lists, on=["session_id", "position"], suffixes=("_last", ""))
        assert (joined["item_id"] != joined["item_id_last"]).all()
        ranks = joined[joined["item_id"] == joined["following"]]["rank"]
        expected = {
            "hit_rate": len(ranks) / len(asked),
            "mrr": (1 / ranks).sum() / len(asked),
            "ndcg": (1 / np.log2(ranks + 1)).sum() / len(asked),
        }
        metrics = {f"{name}_at_{K}": value for name, value in expected.items()}
        assert one["metrics"] == pytest.approx(metrics, abs=1e-6)
        assert one["predict_us"]["p50"] <= one["predict_us"]["p90"] <= one["predict_us"]["p99"]


def test_the_order_of_a_session_is_worth_knowing(document):
    by_model = {one["model"]: one["metrics"][f"mrr_at_{K}"] for one in document["models"]}
    assert document["chosen"] == "session_knn" == next(iter(by_model))
    assert by_model["session_knn"] > by_model["item_to_item"] > by_model["popularity"]


def test_every_row_is_counted(document, folder):
    split = document["split"]
    assert split["train"]["invalid"] == {
        "session_id is missing": 1,
        "timestamp cannot be read": 1,
    }
    assert split["train"]["n_rows"] == split["train"]["n_events"] + 2
    assert (split["train"]["n_sessions"], split["test"]["n_sessions"]) == (850, 151)
    assert split["n_cold_answers"] == 2
    test = pd.read_parquet(folder / "test.parquet").sort_values(["timestamp", "item_id"])
    before = test.groupby("session_id")["item_id"].shift(1)
    assert split["n_repeats"] == (test["item_id"] == before).sum() > 0


def test_the_partitions_do_not_show(document, folder, spark):
    more = ["--out", str(folder / "again.json")]
    assert run(folder, *more, settings=["spark.shuffle_partitions=5"]) == 0
    again = json.loads((folder / "again.json").read_text())
    assert [one["metrics"] for one in again["models"]] == [
        one["metrics"] for one in document["models"]
    ]


@pytest.mark.parametrize(
    ("rows", "more", "expected"),
    [
        ([("s", "a", 1)], [], (1, "two events")),
        ([("s", "a", 1), ("s", "b", 2)], [], (1, "none is left to learn from")),
        ([("s", "a", 5), ("s", "b", 6)], [], (2, "--allow-time-overlap")),
        ([("s", "a", 1)], ["--models", "popularity, ease"], (2, "Found ease.")),
        ([("s", "a", 1)], ["--models", ","], (2, "Found none.")),
        ([], [], (1, "It is empty")),
        ([("s", "a", 1)], ["--models", "ease"], (2, "models of sessions")),
        ([("s", "a", 1)], ["--items", "x"], (2, "--train and --test alone")),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.usefixtures("spark")
def test_bad_input_is_one_paragraph(tmp_path, capsys, rows, more, expected):
    columns = ["session_id", "item_id", "timestamp"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "train.csv", index=False)
    later = [("t", "a", 3), ("t", "b", 4)]
    pd.DataFrame(later, columns=columns).to_csv(tmp_path / "test.csv", index=False)
    status, message = expected
    assert run(tmp_path, *more, train="train.csv", test="test.csv") == status
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1
