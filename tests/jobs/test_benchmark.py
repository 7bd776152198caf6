"""benchmark on a small split of four tastes, by its command line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from tests.conftest import TEST_PROPERTIES

from sparkperso.cli.main import run_cli
from sparkperso.testing.plans import kept_frames

N_USERS, N_TASTES, TASTE_ITEMS, K = 200, 4, 15, 5
SPACE = (
    "recommend.search.space=[{model: popularity}, {model: ease, reg_param: 20},"
    " {model: als_implicit, rank: 4}, {model: content}]"
)
SETTINGS = [part for line in [*TEST_PROPERTIES, SPACE] for part in ("--set", line)]


def split():
    """Users take eight items of their taste and two others, at random times; the first of them
    start late."""
    rng = np.random.default_rng(5)
    rows = []
    for user in range(N_USERS):
        own = rng.choice(TASTE_ITEMS, 8, replace=False) * N_TASTES + user % N_TASTES
        others = rng.choice(N_TASTES * TASTE_ITEMS, 2, replace=False)
        start = 90 if user < 5 else 0
        days = rng.uniform(start, 100, 10)
        rows += [(user, int(item), day) for item, day in zip([*own, *others], days, strict=True)]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "day"])
    frame["timestamp"] = (frame.pop("day") * 86400).astype(int) + 1_600_000_000
    late = frame["timestamp"] > 1_600_000_000 + 80 * 86400
    train, test = frame[~late], frame[late]
    return pd.concat([train, train.head(3)]), test


def run(folder, *more, train="train.parquet", test="test.csv"):
    line = ["--train", str(folder / train), "--test", str(folder / test), "--k", str(K)]
    return run_cli(["benchmark", *line, *SETTINGS, *more])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("split")
    train, test = split()
    train.to_parquet(found / "train.parquet", index=False)
    test.to_csv(found / "test.csv", index=False)
    items = pd.DataFrame({"item_id": range(N_TASTES * TASTE_ITEMS + 1)})
    items["category"] = (items["item_id"] % N_TASTES).astype(str)
    items.to_parquet(found / "items.parquet", index=False)
    users = pd.DataFrame({"user_id": range(N_USERS)})
    users["taste"] = "t" + (users["user_id"] % N_TASTES).astype(str)
    users.to_csv(found / "users.csv", index=False)
    return found


@pytest.fixture(scope="module")
def document(spark, folder):
    out = folder / "new" / "out.json"
    more = ["--items", str(folder / "items.parquet"), "--users", str(folder / "users.csv")]
    before = kept_frames(spark)
    assert run(folder, *more, "--out", str(out), "--predictions-out", str(folder / "lists")) == 0
    assert kept_frames(spark) <= before
    return json.loads(out.read_text())


def lists_of(folder, name):
    path = folder / "lists" / f"{name}.parquet"
    assert path.is_file()
    return pd.read_parquet(path)


def ndcg(lists, train, test):
    """Returns the mean over users with a history, worked out row by row."""
    gains = 1 / np.log2(np.arange(2, K + 2))
    values = []
    for user, wanted in test.groupby("user_id")["item_id"]:
        known = set(train.loc[train["user_id"] == user, "item_id"])
        right = {str(item) for item in set(wanted) - known}
        if known and right:
            own = lists[lists["user_id"] == str(user)].sort_values("rank")["item_id"]
            hits = gains[: len(own)][own.isin(right).to_numpy()]
            values.append(hits.sum() / gains[: len(right)].sum())
    return float(np.mean(values)), len(values)


def test_the_figures_are_those_of_the_lists(document, folder):
    train, test = split()
    names = {one["model"] for one in document["models"]}
    assert names == {"popularity", "ease", "als_implicit", "content", "hybrid"}
    for one in document["models"]:
        mean, n_users = ndcg(lists_of(folder, one["model"]), train, test)
        assert one["metrics"][f"ndcg_at_{K}"] == pytest.approx(mean, abs=1e-5)
        assert one["metrics"]["n_judged"] == n_users == document["split"]["n_judged_users"]
        assert min(one[name] for name in ("fit_seconds", "score_seconds", "peak_rss_mb")) > 0


def test_every_user_of_the_test_has_a_list_of_new_items(document, folder):
    train, test = split()
    seen = {(str(u), str(i)) for u, i in zip(train["user_id"], train["item_id"], strict=True)}
    for one in document["models"]:
        lists = lists_of(folder, one["model"])
        assert list(lists.columns) == ["user_id", "item_id", "rank", "score"]
        assert set(lists["user_id"]) == {str(user) for user in test["user_id"]}
        assert not seen & set(zip(lists["user_id"], lists["item_id"], strict=True))
        for _, own in lists.groupby("user_id"):
            assert own["rank"].tolist() == list(range(1, K + 1))
            assert own["score"].is_monotonic_decreasing


def test_the_chosen_one_did_best_in_the_validation_and_knows_the_tastes(document):
    first = document["models"][0]
    assert document["chosen"] == first["model"] != "popularity"
    figures = {one["model"]: one["metrics"][f"ndcg_at_{K}"] for one in document["models"]}
    assert figures[document["chosen"]] > 2 * figures["popularity"]
    assert first["metrics"]["by_history"]["0"]["n"] == 5


def test_the_counts_add_up(document):
    train, test = split()
    found = document["split"]
    assert found["train"]["n_rows"] == len(train)
    assert found["train"]["n_duplicates"] >= 3
    assert found["n_test_users"] == test["user_id"].nunique()
    assert found["n_cold_users"] == 5
    assert found["validation"]["kind"] == "rolling origins"
    assert len(found["validation"]["cuts"]) == 2
    assert found["n_catalogue"] == N_TASTES * TASTE_ITEMS + 1


def test_rows_in_which_no_pair_repeats_are_named(folder, document, capsys):
    # Three rows stand twice in the training part.
    assert document["split"]["warnings"] == []


def test_it_leaves_no_lake_behind(document, folder):
    assert {path.name for path in folder.iterdir()} == {
        "train.parquet", "test.csv", "items.parquet", "users.csv", "new", "lists",
    }  # fmt: skip
    assert {path.suffix for path in (folder / "lists").iterdir()} == {".parquet"}


def written(folder, name, frame):
    frame.to_csv(folder / name, index=False)
    return name


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"train": "none.parquet"}, (2, "There is no")),
        ({"train": "broken.parquet"}, (1, "is not a Parquet file")),
        ({"train": "columns.csv"}, (1, "no item_id")),
        ({"test": "empty.csv"}, (1, "It is empty")),
        ({"test": "early.csv"}, (2, "--allow-time-overlap")),
        ({"train": "single.csv"}, (1, "something new")),
    ],
)
def test_bad_input_is_one_paragraph(spark, tmp_path, capsys, change, expected):
    status, message = expected
    good = pd.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"], "timestamp": [1, 2]})
    written(tmp_path, "train.csv", good)
    written(tmp_path, "test.csv", good.assign(timestamp=3))
    written(tmp_path, "early.csv", good.assign(timestamp=0))
    written(tmp_path, "empty.csv", good.head(0))
    written(tmp_path, "columns.csv", good.rename(columns={"item_id": "thing"}))
    written(tmp_path, "single.csv", good.head(1))
    (tmp_path / "broken.parquet").write_text("this is no Parquet")
    assert run(tmp_path, **{"train": "train.csv", "test": "test.csv"} | change) == status
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1


def test_ratings_alike_in_time_are_held_out_and_als_explicit_is_judged(spark, tmp_path):
    rng = np.random.default_rng(2)
    users, items = np.divmod(rng.permutation(30 * 20), 20)
    ratings = 1 + (users % 2 + items % 2 + rng.integers(0, 3, len(users))) % 5
    frame = pd.DataFrame({"user_id": users, "item_id": items, "rating": ratings})
    written(tmp_path, "train.csv", frame.head(300))
    written(tmp_path, "test.csv", frame.tail(100))
    more = ["--models", "popularity,als_explicit", "--k", "30", "--out", str(tmp_path / "o.json")]
    assert run(tmp_path, *more, train="train.csv") == 0
    found = json.loads((tmp_path / "o.json").read_text())
    assert found["split"]["validation"]["kind"] == "hold-out"
    explicit = found["models"][-1]
    assert explicit["model"] == "als_explicit"
    assert set(explicit["metrics"]) == {"rmse", "mae", "dropped_share"}
    assert 0.3 < explicit["metrics"]["rmse"] < 3
    assert found["chosen"] == "popularity"
