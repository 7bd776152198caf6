"""A lake in Python: lists, similar items, segments and tables, without Spark."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from time import sleep

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from tests.champion import fitted, register_champion, write_lake

import sparkperso
from sparkperso import Membership, NextItem, Recommendation, SimilarItem, open_lake
from sparkperso.config import load_settings
from sparkperso.core.errors import UsageError
from sparkperso.lake_view import GroupedTable, LockedProperty
from sparkperso.platform.artifacts import follow_lake


def write(root, name, **columns):
    write_deltalake(str(root / name), pa.table(columns), mode="overwrite")


@pytest.fixture
def root(tmp_path):
    """A lake of three users, of whom one has no list."""
    write(
        tmp_path,
        "gold/recommendations",
        user_id=["u2", "u1", "u1", "u1"],
        kind=["new"] * 4,
        rank=pa.array([1, 3, 1, 2], pa.int32()),
        item_id=["b", "c", "a", "b"],
        score=[0.5, 1.0, 3.0, 2.0],
        strategy=["hybrid"] * 4,
        reason=["{}"] * 4,
        model_version=["1"] * 4,
    )
    write(
        tmp_path,
        "gold/popular_items",
        scope=["global", "country:AT", "global"],
        rank=pa.array([2, 1, 1], pa.int32()),
        item_id=["b", "b", "c"],
        score=[1.0, 9.0, 2.0],
        window=["last 7 days"] * 3,
    )
    write(
        tmp_path,
        "gold/similar_items",
        item_id=["a", "a"],
        rank=pa.array([2, 1], pa.int32()),
        other_item_id=["c", "b"],
        score=[0.1, 0.9],
    )
    write(
        tmp_path,
        "gold/segments",
        user_id=["u1", "u1"],
        segment_id=["behaviour-2", "audiences-new"],
        segmentation=["behaviour", "audiences"],
        label=["weekend shoppers", None],
    )
    write(
        tmp_path,
        "gold/session_index",
        session_id=["s2", "s3", "s1"],
        items=[["a", "b", "c"], ["a", "c"], ["c", "a", "b"]],
        ended_at=[datetime(2026, 1, day, tzinfo=timezone.utc) for day in (2, 3, 1)],
    )
    write(tmp_path, "silver/items", item_id=["a", "b"], title=["Apple", None])
    return tmp_path


@pytest.fixture
def lake(root):
    return open_lake(str(root))


def test_a_list_comes_in_its_order_with_titles(lake):
    assert lake.recommend("u1", n=2) == [
        Recommendation(1, "a", "Apple", 3.0, "hybrid", "{}"),
        Recommendation(2, "b", None, 2.0, "hybrid", "{}"),
    ]
    assert [place.item_id for place in lake.recommend("u1")] == ["a", "b", "c"]


@pytest.mark.parametrize("user", ["u0", "u3", "", "\U0001f600"])
def test_who_has_no_list_gets_what_is_popular(lake, user):
    found = lake.recommend(user, n=5)
    assert [(place.item_id, place.strategy) for place in found] == [
        ("c", "popularity"),
        ("b", "popularity"),
    ]


def test_similar_items_and_segments(lake):
    assert lake.similar("a", n=1) == [SimilarItem(1, "b", None, 0.9)]
    assert lake.similar("nothing like it") == []
    assert lake.segments("u1") == [
        Membership("audiences-new", "audiences", None),
        Membership("behaviour-2", "behaviour", "weekend shoppers"),
    ]
    assert lake.segments("u2") == []


def test_a_table_comes_in_the_order_of_its_key(lake):
    found = lake.table("gold/recommendations", ["user_id", "rank"])
    assert found.to_pylist() == [
        {"user_id": "u1", "rank": 1},
        {"user_id": "u1", "rank": 2},
        {"user_id": "u1", "rank": 3},
        {"user_id": "u2", "rank": 1},
    ]
    assert lake.pandas("silver/items")["title"].tolist() == ["Apple", None]


def test_a_view_goes_on_with_the_tables_that_it_read(lake, root):
    before = lake.similar("a")
    write(root, "gold/similar_items", item_id=["a"], rank=[1], other_item_id=["z"], score=[1.0])
    assert lake.similar("a") == before
    assert [place.item_id for place in open_lake(str(root)).similar("a")] == ["z"]


def test_what_comes_next_is_found_in_recent_sessions(lake):
    found = lake.next_items(["unheard of", "c", "a"], n=5)
    assert [(place.rank, place.item_id, place.title) for place in found] == [
        (1, "b", None),
        (2, "c", None),
    ]
    assert found[0].score > found[1].score > 0
    assert lake.next_items(["b"])[0].title is None
    assert lake.next_items(["c"])[0] == NextItem(1, "a", "Apple", lake.next_items(["c"])[0].score)
    assert lake.next_items(["a", "unheard of"]) != []
    assert lake.next_items([]) == lake.next_items(["unheard of"]) == []


def test_a_session_may_be_anything_that_gives_ids(lake):
    assert lake.next_items(item for item in ["c"]) == lake.next_items(["c"]) != []


@pytest.mark.parametrize("bad", ["a", [1], [None], None, 7])
def test_a_session_is_a_list_of_ids(lake, bad):
    with pytest.raises(UsageError, match="A session is a list of item_ids"):
        lake.next_items(bad)


@pytest.mark.parametrize("n", [0, -1])
def test_a_list_has_at_least_one_place(lake, n):
    for ask in (lake.recommend, lake.similar):
        with pytest.raises(UsageError, match=f"Found n = {n}"):
            ask("u1", n)


@pytest.mark.parametrize("bad", [None, 12393, 1.5])
def test_an_id_is_text(lake, bad):
    for ask in (lake.recommend, lake.similar, lake.segments, lake.title):
        with pytest.raises(UsageError, match=f"Found {bad!r}"):
            ask(bad)


@pytest.mark.parametrize("columns", ["rank", ["rank", "nothing"]])
def test_columns_are_a_list_of_those_that_there_are(lake, columns):
    with pytest.raises(UsageError, match="Columns of gold/recommendations are a list of user_id"):
        lake.table("gold/recommendations", columns)


def test_columns_without_the_key_come_in_its_order_all_the_same(lake):
    found = lake.table("gold/recommendations", ["item_id"])
    assert found.to_pylist() == [{"item_id": item} for item in ("a", "b", "c", "b")]


def test_a_lake_stays_where_it_was_opened(root, monkeypatch, tmp_path):
    monkeypatch.chdir(root.parent)
    lake = open_lake(Path(root.name))
    monkeypatch.chdir("/")
    assert lake.recommend("u1")[0].item_id == "a"
    with pytest.raises(UsageError, match="empty text"):
        open_lake("")


def test_what_is_not_written_yet_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"gold/recommendations should be in .*build-recommend"):
        open_lake(str(tmp_path)).recommend("u1")
    with pytest.raises(UsageError, match="Did you mean gold/segments"):
        open_lake(str(tmp_path)).table("gold/segment")


def test_groups_of_an_empty_table_are_empty():
    empty = pa.table({"k": pa.array([], pa.string()), "v": pa.array([], pa.int32())})
    assert GroupedTable(empty, "k").of("a") == []


def test_importing_the_package_loads_nothing_and_opening_a_lake_no_spark(root):
    code = (
        "import sys, sparkperso\n"
        "print(sorted({'click', 'pydantic', 'pyarrow'} & set(sys.modules)))\n"
        f"lake = sparkperso.open_lake({str(root)!r})\n"
        "lake.recommend('u1'), lake.similar('a'), lake.segments('u1')\n"
        "print(sorted({'pyspark', 'mlflow'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split("\n")[:2] == ["[]", "[]"]


@pytest.fixture(scope="module")
def champions_lake(tmp_path_factory, put_database):
    root = tmp_path_factory.mktemp("champion") / "lake"
    write_lake(root)
    put_database(load_settings(lake=str(root)))
    register_champion(root, *fitted())
    return root


def test_the_champion_gives_lists_and_scores_and_says_what_it_is(champions_lake):
    champion = open_lake(champions_lake).champion()
    assert (champion.version, champion.strategy) == ("1", "hybrid")
    assert champion.metrics == {"ndcg_at_10": 0.25}
    places = champion.recommend("u001", n=3)
    assert [place.rank for place in places] == [1, 2, 3]
    scores = champion.score("u001", [place.item_id for place in places])
    assert scores == pytest.approx([place.score for place in places], abs=1e-6)


def test_the_champion_of_a_lake_that_was_moved_is_found_and_nothing_is_written(
    champions_lake, tmp_path
):
    shutil.copytree(champions_lake, tmp_path / "a lake, 100% ours")
    place = tmp_path / "a lake, 100% ours"
    database = (place / "_mlflow" / "mlflow.db").read_bytes()
    before, found = (open_lake(root).champion() for root in (champions_lake, place))
    assert found.recommend("u002") == before.recommend("u002")
    assert (place / "_mlflow" / "mlflow.db").read_bytes() == database
    # The files are those of the copy.
    shutil.rmtree(place / "_mlflow" / "artifacts")
    with pytest.raises(UsageError, match="Version 1 has no files"):
        open_lake(place).champion()


def test_without_a_champion_it_is_said_what_makes_one(root, monkeypatch):
    with pytest.raises(UsageError, match=r"None is.*promote-model"):
        open_lake(root).champion()
    monkeypatch.setenv("SPARKPERSO__TRACKING__URI", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match="sparkperso-recommender@champion"):
        open_lake(root).champion()


def test_lists_are_of_the_kind_that_is_asked_for(root):
    kinds, items = ["new", "new", "again", "new"], ["a", "b", "c", "d"]
    write(
        root,
        "gold/recommendations",
        user_id=["u1", "u1", "u1", "u2"],
        kind=kinds,
        rank=pa.array([1, 2, 1, 1], pa.int32()),
        item_id=items,
        score=[2.0, 1.0, 0.2, 3.0],
        strategy=["ease", "ease", "again", "ease"],
        reason=["model"] * 4,
        model_version=["1"] * 4,
    )
    lake = open_lake(root)
    found = {kind: [p.item_id for p in lake.recommend("u1", kind=kind)] for kind in set(kinds)}
    assert found == {"new": ["a", "b"], "again": ["c"]}
    assert lake.recommend("u2", kind="again") == []
    with pytest.raises(UsageError, match=r"kinds again, new.*'mixed'.*recommend\.lists\.kinds"):
        lake.recommend("u1", kind="mixed")


def test_the_code_of_the_guide_runs(tmp_path, monkeypatch, capsys, champions_lake):
    import mlflow

    lake = tmp_path / "lake"
    shutil.copytree(champions_lake, lake)
    follow_lake(lake / "_mlflow" / "mlflow.db", (lake / "_mlflow" / "artifacts").as_uri())
    before = mlflow.get_tracking_uri()
    one = {"user_id": ["12393"], "item_id": ["22961"], "rank": [1], "score": [9.25]}
    why = {"strategy": ["hybrid"], "reason": ["because:22424:9"]}
    write(lake, "gold/recommendations", **one, **why, kind=["new"])
    write(
        lake, "gold/segments", user_id=["12393"], segment_id=["s1"], segmentation=["s"], label=["x"]
    )
    del one["user_id"]
    write(lake, "gold/similar_items", **one, other_item_id=["22960"])
    write(lake, "silver/items", item_id=["22961"], title=["JAM MAKING SET PRINTED"])
    ended_at = [datetime(2026, 1, 1, tzinfo=timezone.utc)]
    write(
        lake,
        "gold/session_index",
        session_id=["s"],
        items=[["22720", "22961"]],
        ended_at=ended_at,
    )
    text = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
    monkeypatch.chdir(tmp_path)
    exec("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), {})
    mlflow.set_tracking_uri(before)
    said = capsys.readouterr().out
    assert said.startswith(
        "1 22961 JAM MAKING SET PRINTED hybrid because:22424:9\n1 22960 None 9.25\ns s1 x\n1\n"
    )
    assert "\n1 hybrid 2026-03-01 12:00:00 {'ndcg_at_10': 0.25}\n" in said
    assert "['user_id', 'rank', 'item_id', 'score']\n" in said
    assert "\n1 22961 JAM MAKING SET PRINTED 3.0\n" in said
    assert "\nals_implicit 1.0 " in said
    assert said.endswith("2 0.8155 [0.6309, 1.0000] 1.0000 [1.0000, 1.0000]\n")


def test_the_package_has_no_other_names():
    with pytest.raises(AttributeError, match="no attribute 'recommend_me'"):
        _ = sparkperso.recommend_me


def test_threads_that_ask_at_once_load_a_table_once():
    loaded = []

    class Slow:
        @LockedProperty
        def table(self):
            loaded.append(sleep(0.05))
            return object()

    view = Slow()
    with ThreadPoolExecutor(8) as threads:
        tables = set(threads.map(lambda _: view.table, range(8)))
    assert len(tables) == len(loaded) == 1
