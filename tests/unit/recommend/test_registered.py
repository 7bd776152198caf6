"""A registered recommender outside of Spark: from files, for users of a lake or of an input."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from tests.champion import (
    CATALOGUE,
    DOCUMENT,
    POPULARITY,
    USERS,
    fitted,
    register_champion,
    rows_of,
    write_lake,
)

from sparkperso.config import load_settings
from sparkperso.core.errors import UsageError
from sparkperso.platform.artifacts import lake_around
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.registered import pyfunc
from sparkperso.recommend.registered.model_files import (
    read_arrays,
    read_items,
    write_arrays,
    write_items,
)
from sparkperso.recommend.registered.recommender import arrays_of
from sparkperso.recommend.scoring.lister import Lister, make_lists
from sparkperso.recommend.scoring.top_n import Selection

COLUMNS = ["user_id", "rank", "item_id", "score"]


@pytest.fixture(scope="module")
def model():
    return fitted()[0]


@pytest.fixture(scope="module")
def fallback():
    return fitted()[1]


@pytest.fixture(scope="module")
def expected(model, fallback):
    return lists_of(model, fallback)


def lists_of(model, fallback):
    """Returns the lists of all users, by the code of the jobs."""
    lister = Lister(model, "hybrid", CATALOGUE, Selection(5), fallback)
    return make_lists(lister, USERS).select(COLUMNS).to_pandas()


@pytest.fixture(scope="module")
def lake(tmp_path_factory, put_database, model, fallback):
    root = tmp_path_factory.mktemp("shop") / "lake"
    write_lake(root)
    put_database(load_settings(lake=str(root)))
    register_champion(root, model, fallback)
    return root


@pytest.fixture
def in_registry(lake, monkeypatch):
    """Returns the champion as a user of MLflow loads it."""
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{lake}/_mlflow/mlflow.db")
    yield mlflow.pyfunc.load_model("models:/sparkperso-recommender@champion")
    mlflow.set_tracking_uri(before)


def test_mlflow_gives_the_lists_of_the_jobs(in_registry, expected):
    found = in_registry.predict(pd.DataFrame({"user_id": USERS.ids}))
    pd.testing.assert_frame_equal(found, expected)


def test_a_user_may_be_asked_for_twice_in_any_order_and_with_a_length(in_registry, expected):
    users = ["u003", "u001", "u003"]
    found = in_registry.predict(pd.DataFrame({"user_id": users}), params={"n": 2})
    lists = [expected[expected.user_id == user].head(2) for user in users]
    pd.testing.assert_frame_equal(found, pd.concat(lists, ignore_index=True))


def test_items_that_are_given_stand_for_a_history_and_none_for_what_the_lake_knows(
    in_registry, expected
):
    row = USERS.liked(1)
    frame = pd.DataFrame({"user_id": ["new", "u001"], "items": [CATALOGUE.ids[row].tolist(), None]})
    found = in_registry.predict(frame)
    assert set(found[found.user_id == "new"].item_id).isdisjoint(CATALOGUE.ids[row])
    known = found[found.user_id == "u001"].reset_index(drop=True)
    own = expected[expected.user_id == "u001"].reset_index(drop=True)
    pd.testing.assert_frame_equal(known, own)


def test_seen_items_are_listed_where_that_is_asked_for(in_registry):
    frame = pd.DataFrame({"user_id": ["u001"]})
    n = USERS.n_items
    seen = set(CATALOGUE.ids[USERS.pairs[1].indices])
    without, both = (
        set(in_registry.predict(frame, params={"n": n, "exclude_seen": choice}).item_id)
        for choice in (True, False)
    )
    assert without.isdisjoint(seen)
    assert both & seen == both - without != set()


def test_nobody_known_gets_what_is_popular(in_registry):
    raw = in_registry.get_raw_model()
    listed = raw.recommend("nobody knows", n=3)
    assert [place.rank for place in listed] == [1, 2, 3]
    # A blend that has popularity as a part lists it by itself.
    assert (
        listed[0].item_id
        == CATALOGUE.ids[fit_model(POPULARITY, USERS, CATALOGUE).shares[0].argmax()]
    )


def test_the_model_says_what_it_is(in_registry):
    raw = in_registry.get_raw_model()
    assert (raw.strategy, raw.n_items, raw.metrics) == ("hybrid", 5, {"ndcg_at_10": 0.25})
    assert raw.trained_at.isoformat() == "2026-03-01T12:00:00"
    signature = in_registry.metadata.signature
    assert signature.inputs.input_names() == ["user_id", "items"]
    assert signature.inputs.required_input_names() == ["user_id"]
    assert signature.outputs.input_names() == COLUMNS
    assert {spec.name: spec.default for spec in signature.params.params} == {
        "n": 5,
        "exclude_seen": True,
    }
    assert in_registry.predict(in_registry.input_example)["rank"].tolist() == [1, 2, 3, 4, 5]


def test_scores_are_the_models(in_registry, model):
    raw = in_registry.get_raw_model()
    scores = model.scores(USERS.take(np.array([2])))[0]
    assert raw.score("u002", [*CATALOGUE.ids[:3], "brand new"]) == [*scores[:3], -np.inf]


def test_bad_requests_are_refused_in_a_paragraph(in_registry):
    raw = in_registry.get_raw_model()
    with pytest.raises(UsageError, match="at least one place"):
        raw.recommend("u001", n=0)
    for user in (1, None, float("nan"), ["u001"]):
        with pytest.raises(UsageError, match="user_id is text"):
            raw.recommend(user)
    for nobody in (None, float("nan")):
        with pytest.raises(UsageError, match="user_id is text"):
            in_registry.predict(pd.DataFrame({"user_id": ["u001", nobody]}))
    # The letters of a text are no items.
    with pytest.raises(UsageError, match=r"Give \['i1'\]"):
        raw.recommend("new", items="i1")
    with pytest.raises(UsageError, match="item_ids is a list"):
        raw.score("u001", "i1")


def test_no_list_is_longer_than_the_catalogue(in_registry):
    listed = in_registry.get_raw_model().recommend("u001", n=10**15, exclude_seen=False)
    assert len(listed) == len({place.item_id for place in listed}) <= len(CATALOGUE)


WITHOUT_SPARK = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pyspark", "delta", "py4j"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refused())
import cloudpickle, mlflow, pandas

def refuse(*_):
    raise AssertionError("a pickle is read")

cloudpickle.load = cloudpickle.loads = refuse
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/sparkperso-recommender@champion")
lists = model.predict(pandas.DataFrame({"user_id": sys.argv[2].split()}))
assert "pyspark" not in sys.modules
print(lists.to_json(orient="records"))
"""


def test_it_loads_where_there_is_no_spark(lake, expected):
    uri = f"sqlite:///{lake}/_mlflow/mlflow.db"
    command = [sys.executable, "-c", WITHOUT_SPARK, uri, "u001 u002"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    own = expected[expected.user_id.isin(["u001", "u002"])]
    assert json.loads(answer.stdout) == json.loads(own.to_json(orient="records"))


def test_its_files_hold_no_pickle_and_name_no_place(lake):
    (folder,) = (lake / "_mlflow" / "artifacts").rglob("MLmodel")
    files = [path for path in folder.parent.rglob("*") if path.is_file()]
    assert not [path.name for path in files if path.suffix in {".pkl", ".pickle"}]
    for path in files:
        assert str(lake.parent).encode() not in path.read_bytes(), path.name
    pinned = (folder.parent / "requirements.txt").read_text().split()
    assert sorted(line.partition("==")[0] for line in pinned) == ["mlflow", "sparkperso"]
    assert "@" not in "".join(pinned)


def test_items_and_arrays_come_back_from_files(tmp_path, model, fallback):
    write_items(tmp_path, CATALOGUE)
    found = read_items(tmp_path)
    assert found.ids.tolist() == CATALOGUE.ids.tolist()
    assert found.attributes == ({},) * len(CATALOGUE)
    assert np.array_equal(found.prices, CATALOGUE.prices)
    assert read_arrays(tmp_path) is None
    write_arrays(tmp_path, rows_of(model, fallback))
    for name, array in arrays_of(model, fallback).items():
        assert np.array_equal(read_arrays(tmp_path)[name], array), name


@pytest.fixture
def small(tmp_path):
    """A folder of a model that was registered without its arrays."""
    write_items(tmp_path, CATALOGUE)
    (tmp_path / "model.json").write_text(json.dumps(DOCUMENT))
    return tmp_path


def test_arrays_above_the_bound_are_read_from_the_lake(small, monkeypatch, model, fallback):
    root = small / "lake"
    with pytest.raises(UsageError, match="gold/model_arrays of its lake"):
        pyfunc.load_recommender(small)
    monkeypatch.setenv("SPARKPERSO__LAKE__ROOT", str(root))
    with pytest.raises(UsageError, match="no rows of model abc123"):
        pyfunc.load_recommender(small)
    rows = rows_of(model, fallback)
    columns = dict(zip(("name", "block", "data"), zip(*rows, strict=True), strict=True))
    columns["model_version"] = ["abc123"] * len(rows)
    write_deltalake(str(root / "gold/model_arrays"), pa.table(columns))
    # A lake of no interactions yet: whose list is asked for, their items are to be given.
    found = pyfunc.load_recommender(small)
    with pytest.raises(UsageError, match=r"Nothing is known of 'u001'.*SPARKPERSO__LAKE__ROOT"):
        found.recommend("u001")
    write_lake(root)
    listed = pyfunc.load_recommender(small).recommend("u001")
    own = lists_of(model, fallback)
    assert [place.item_id for place in listed] == own[own.user_id == "u001"].item_id.tolist()


def test_a_folder_outside_of_a_lake_is_in_none(tmp_path):
    assert lake_around(tmp_path / "artifacts" / "model") is None
