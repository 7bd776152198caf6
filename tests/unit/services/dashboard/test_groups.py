"""KPIs, experiments, segments and recommendations: each number is that of the lake's rows."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from tests.dashboards import bearer, lake_of, view_of
from tests.small_lake import (
    AS_OF,
    HOSTILE,
    run,
    write_experiments,
    write_recommendations,
    write_table,
)

from sparkperso.services.dashboard.page import FEW, Query
from sparkperso.services.dashboard.pages import experiments, kpis, recommendations, segments
from sparkperso.services.dashboard.queries.recommendations import trainings
from sparkperso.services.dashboard.queries.segments import NOWHERE, merges


def rows_of(page, name):
    table = page.tables[name]
    return [dict(zip((c.name for c in table.columns), row, strict=True)) for row in table.rows]


def figures_of(page):
    return {figure.label: figure.value for section in page.sections for figure in section.figures}


# KPIs


def test_the_latest_day_stands_beside_the_week_before(view):
    (row,) = rows_of(kpis.page(view, Query()), "latest")
    assert row["value"] == 0.2
    assert row["before"] == pytest.approx(0.1)
    assert row["change"] == pytest.approx(1.0)


def test_everybody_is_counted_without_parts(view):
    rows = rows_of(kpis.page(view, Query()), "days")
    assert len(rows) == 10
    assert {row["series"] for row in rows} == {"everybody"}
    assert rows[0]["day"] == AS_OF.date()
    assert rows[0]["numerator"] == 20.0


@pytest.mark.parametrize(
    ("by", "series"),
    [
        ("channel", {"web", "mobile"}),
        ("strategy", {"hybrid 1"}),
        ("segment:behaviour", {"behaviour-1"}),
        ("variant:hero", {"a", HOSTILE}),
        ("segment:nowhere", {"everybody"}),
        ("' OR 1=1", {"everybody"}),
    ],
)
def test_a_kpi_is_told_apart_by_one_thing_at_a_time(view, by, series):
    rows = rows_of(kpis.page(view, Query({"by": by})), "days")
    assert {row["series"] for row in rows} == series


def test_a_kpi_of_few_people_is_not_told(view):
    rows = rows_of(kpis.page(view, Query({"by": "channel"})), "days")
    mobile = [row for row in rows if row["series"] == "mobile"]
    assert mobile
    for row in mobile:
        assert (row["numerator"], row["denominator"], row["value"]) == (FEW, FEW, FEW)


@pytest.mark.parametrize(("people", "is_told"), [(3, False), (30, True), (None, True)])
def test_a_ratio_of_what_few_people_did_is_not_told(tmp_path, people, is_told):
    """Its denominator is what they did; rows that are older than their number have that alone."""
    row = {"kpi": "click_through", "numerator": 4.0, "denominator": 50.0, "value": 0.08}
    days = [{**row, "day": AS_OF.date() - timedelta(days=n), "n_users": people} for n in (0, 1)]
    write_table(tmp_path, "gold/kpis_daily", days)
    page = kpis.page(view_of(lake_of(tmp_path)), Query())
    told = (4.0, 50.0, 0.08) if is_told else (FEW, FEW, FEW)
    for one in rows_of(page, "days"):
        assert (one["numerator"], one["denominator"], one["value"]) == told
    (latest,) = rows_of(page, "latest")
    assert (latest["value"], latest["denominator"]) == (told[2], told[1])
    assert latest["before"] == (pytest.approx(0.08) if is_told else FEW)


def test_a_table_of_kpis_that_is_older_than_their_people_is_told_by_its_denominators(tmp_path):
    row = {"day": [AS_OF.date()] * 2, "kpi": ["a", "b"], "value": [0.5, 0.5]}
    row |= {"numerator": [2.0, 20.0], "denominator": [4.0, 40.0]}
    write_deltalake(f"{tmp_path}/gold/kpis_daily", pa.table(row))
    page = kpis.page(view_of(lake_of(tmp_path)), Query())
    assert [one["value"] for one in rows_of(page, "latest")] == [FEW, 0.5]


def test_days_are_the_latest_of_the_kpi(view):
    assert len(rows_of(kpis.page(view, Query({"days": "7"})), "days")) == 7


# Experiments


def test_the_latest_verdict_counts(view):
    rows = rows_of(experiments.page(view, Query()), "experiments")
    assert [(row["experiment"], row["verdict"]) for row in rows] == [
        ("hero", "ship"),
        ("nobody", "broken"),
    ]
    assert rows[0]["units"] == 2004


def test_a_verdict_is_told_with_all_its_sentences(client):
    text = client.get("/experiments", headers=bearer("analyst")).text
    assert "The goal moved, no guardrail did." in text
    assert "conversion rose by 20 %" in text
    assert "the shares of units are as planned" in text
    assert HOSTILE not in text


@pytest.mark.parametrize(("least", "n_told"), [(10, 3), (4, 4)])
def test_a_sentence_on_a_variant_of_few_people_is_not_told(tmp_path, least, n_told):
    sentences = [
        "conversion: c 25 %, a 10 %, +150.0 %, p = 0.2: better.",
        "conversion: b.c 12 %, a 10 %, +20.0 %, p = 0.01: better.",
        "conversion: b 12 %, a 10 %, +20.0 %, p = 0.01: better.",
    ]
    verdict = {"experiment": "hero", "verdict": "ship", "why": "It helps.", "phase": "running"}
    verdict |= {"sentences": sentences, "n_several": 0, "as_of": AS_OF}
    verdict |= {"n_units": {"a": 100, "b": 100, "b.c": 100, "c": 4}, "warnings": ["as planned"]}
    write_table(tmp_path, "gold/experiment_verdicts", [verdict])
    view = view_of(lake_of(tmp_path), f"dashboard.min_group_size={least}")
    notes = [text for one in experiments.page(view, Query()).sections for text in one.notes]
    told = [text for text in notes if text in sentences or text.startswith("Warning")]
    assert len(told) == n_told
    assert (sentences[0] in notes) is (least == 4)
    assert any("left out" in text for text in notes) is (least == 10)


def test_metrics_are_those_of_everybody_as_of_the_latest_time(view):
    rows = rows_of(experiments.page(view, Query()), "metrics")
    assert len(rows) == 8
    assert rows[0]["role"] == "goal"
    assert rows[-1]["role"] == "guardrail"
    assert {row["n"] for row in rows if row["variant"] == "b"} == {1000}


def test_a_variant_of_few_people_is_not_told_of(view):
    page = experiments.page(view, Query())
    for name in ("metrics", "over_time", "segments"):
        few = [row for row in rows_of(page, name) if row["variant"] == "c"]
        assert few
        for row in few:
            assert row["lift"] is FEW
            assert row["n"] is FEW
    assert figures_of(page)["c"] is FEW


def test_intervals_over_time_are_rows_of_each_time(view):
    query = Query({"metric": "conversion", "method": "sequential"})
    rows = [r for r in rows_of(experiments.page(view, query), "over_time") if r["variant"] == "b"]
    assert [row["as_of"] for row in rows] == [AS_OF, AS_OF - timedelta(days=1)]
    widths = [row["lift_high"] - row["lift_low"] for row in rows]
    assert widths[0] < widths[1]


def test_segments_are_told_apart_from_everybody(view):
    rows = rows_of(experiments.page(view, Query()), "segments")
    assert {(row["segment"], row["variant"]) for row in rows} == {
        ("behaviour-1", "b"),
        ("behaviour-1", "c"),
    }
    assert next(row["lift"] for row in rows if row["variant"] == "b") == 0.3


def test_who_was_in_no_segment_has_a_row_with_words(tmp_path):
    write_experiments(tmp_path)
    path = tmp_path / "gold/experiment_results"
    rows = [row for row in DeltaTable(path).to_pyarrow_table().to_pylist() if row["segmentation"]]
    rows = [{**rows[0], "segment": ""}]
    write_table(tmp_path, "gold/experiment_results", rows, mode="overwrite")
    view = view_of(lake_of(tmp_path), "dashboard.min_group_size=1")
    (row,) = rows_of(experiments.page(view, Query()), "segments")
    assert row["segment"] == NOWHERE


def test_units_are_counted_by_their_variant(view):
    rows = {row["variant"]: row for row in rows_of(experiments.page(view, Query()), "exposures")}
    assert (rows["a"]["units"], rows["a"]["several"]) == (30, 0)
    assert (rows["b"]["units"], rows["b"]["several"]) == (28, 12)
    assert (rows["c"]["units"], rows["c"]["share"]) == (FEW, FEW)
    # The first of a few is one person's time.
    assert (rows["c"]["first_at"], rows["c"]["last_at"]) == (FEW, FEW)
    assert rows["a"]["first_at"] == AS_OF - timedelta(days=1)
    assert rows["a"]["share"] == 30 / 62


def test_an_experiment_that_nobody_saw_has_a_verdict_and_no_result(view):
    page = experiments.page(view, Query({"experiment": "nobody"}))
    assert "metrics" not in page.tables
    assert page.sections[1].text == "Nobody was exposed to it."


def test_results_without_numbers_are_dashes(tmp_path):
    write_experiments(tmp_path)
    nothing = {"experiment": "hero", "metric": "odd", "role": "goal", "method": "plain"}
    more = {"variant": "b", "baseline": "a", "n": 0, "n_baseline": 50, "status": "no units"}
    odd = {**nothing, **more, "lift": float("nan"), "effect": float("inf"), "as_of": AS_OF}
    write_table(tmp_path, "gold/experiment_results", [odd])
    view = view_of(lake_of(tmp_path), "dashboard.min_group_size=1")
    page = experiments.page(view, Query({"metric": "odd"}))
    (row,) = rows_of(page, "over_time")
    assert row["status"] == "no units"


# Segments


def test_sizes_are_those_of_the_profiles_and_few_are_not_told(view):
    rows = {row["segment_id"]: row for row in rows_of(segments.page(view, Query()), "sizes")}
    assert rows["behaviour-1"]["size"] == 24
    few = rows["behaviour-3"]
    assert (few["size"], few["share"], few["value"]) == (FEW, FEW, FEW)
    words = {row["label"]: row for row in rows_of(segments.page(view, Query()), "profiles")}
    assert words[HOSTILE]["sentence"] is FEW
    assert {r["label"] for r in rows_of(segments.page(view, Query()), "features")} == {
        *("regulars", "newcomers")
    }


def test_who_moved_is_counted_by_where_from_and_where_to(view):
    rows = rows_of(segments.page(view, Query({"segmentation": "behaviour"})), "changes")
    assert {(row["before"], row["now"]): row["n"] for row in rows} == {
        ("newcomers", "regulars"): 12,
        (NOWHERE, HOSTILE): FEW,
    }


def test_overlaps_are_of_the_finest_level(view):
    query = Query({"segmentation": "behaviour", "with": "levels"})
    rows = rows_of(segments.page(view, query), "overlap")
    assert {(row["before"], row["now"]): row["n"] for row in rows} == {
        ("regulars", "near"): 24,
        ("newcomers", "near"): FEW,
        ("newcomers", "far"): FEW,
        (HOSTILE, "far"): FEW,
    }


def test_a_hierarchy_is_a_tree_of_its_parents(view):
    page = segments.page(view, Query({"segmentation": "levels"}))
    assert {row["label"]: row["parent"] for row in rows_of(page, "tree")} == {
        "everybody": None,
        "near": "everybody",
        "far": "everybody",
    }
    plot = next(s.plot for s in page.sections if s.heading == "Dendrogram")
    assert "(everybody (near, far))" in plot


def test_centres_that_are_alike_join_first():
    points = [{"x": 0.0}, {"x": 10.0}, {"x": 1.0}]
    first = merges([{"centre_scaled": point} for point in points])[0]
    assert {first[0], first[1]} == {0, 2}
    assert merges([{"centre_scaled": {"x": 1.0}}]) == []
    assert merges([{"centre_scaled": None}, {"centre_scaled": None}]) == []


def test_a_centre_that_is_no_number_is_the_mean_of_all():
    points = [{"x": float("nan")}, {"x": 10.0}, {"x": 0.5}, {"x": float("inf")}]
    first = merges([{"centre_scaled": point} for point in points])[0]
    assert {first[0], first[1]} == {0, 3}


@pytest.mark.parametrize("kind", ["chain", "centres"])
def test_of_very_many_segments_the_largest_are_drawn(tmp_path, kind):
    """A chain of parents, and centres of which each joins those before it: a tree as deep."""
    rows = [
        {
            **{"segmentation": "many", "segment_id": f"s{n}", "label": f"s{n}", "as_of": AS_OF},
            **{"kind": "kmeans", "size": 5000 - n, "share": 0.001, "sentence": "x", "value": 1.0},
            "parent_id": f"s{n - 1}" if kind == "chain" and n else None,
            "centre_scaled": {"x": 1.5 ** min(n, 1500)},
        }
        for n in range(1200)
    ]
    write_table(tmp_path, "gold/segment_profiles", rows)
    page = segments.page(view_of(lake_of(tmp_path)), Query({"segmentation": "many"}))
    assert [row["label"] for row in rows_of(page, "tree")] == [f"s{n}" for n in range(200)]
    (section,) = [one for one in page.sections if one.heading == "Dendrogram"]
    assert section.notes == ["The 200 largest; 1000 more are not drawn."]
    assert len(rows_of(page, "sizes")) == 1200


def test_no_page_of_groups_names_a_person(client):
    for path in ("/segments", "/recommendations", "/funnel", "/kpis", "/experiments", "/"):
        text = client.get(path, headers=bearer("analyst")).text
        assert "u00" not in text, path


# Recommendations


def test_reach_and_coverage_are_counted(view):
    found = figures_of(recommendations.page(view, Query()))
    assert found["People with a list"] == 30
    assert found["Items listed"] == 3
    assert found["Coverage"] == 0.3
    assert found["Places of a list"] == 3


def test_lists_by_history(view):
    rows = rows_of(recommendations.page(view, Query()), "history")
    assert [(row["history"], row["users"], row["fallback_share"]) for row in rows] == [
        ("none", 10, 1.0),
        ("1 to 2", 10, 0.0),
        ("3 to 5", 10, 0.0),
    ]
    assert {row["length"] for row in rows} == {3.0}


def test_lists_of_few_people_are_not_told_of(view):
    page = recommendations.page(view, Query({"kind": "again"}))
    assert figures_of(page)["People with a list"] is FEW
    assert rows_of(page, "items")[0]["users"] is FEW
    assert rows_of(page, "strategies")[0]["places"] is FEW
    assert rows_of(page, "history")[0]["length"] is FEW


def test_the_leaderboard_is_what_the_training_said(view):
    rows = rows_of(recommendations.page(view, Query()), "leaderboard")
    assert [(row["model"], row["value"], row["chosen"]) for row in rows] == [
        ("hybrid", 0.1586, "yes"),
        ("popularity", 0.0415, "no"),
    ]
    assert (rows[0]["low"], rows[0]["high"]) == (0.1489, 0.1686)
    assert [row["off_policy"] for row in rows] == ["1.2300 [1.1000, 1.3600] ok", None]


def test_a_training_without_decisions_has_no_column_of_them(tmp_path):
    write_recommendations(tmp_path)
    said = {"test nDCG@10 ease": "0.2", "winner": "ease", "version": "2"}
    write_table(
        tmp_path,
        "ops/runs",
        [run(1, "train-recommender", at=AS_OF + timedelta(hours=1), summary=said)],
    )
    (row,) = rows_of(recommendations.page(view_of(lake_of(tmp_path)), Query()), "leaderboard")
    assert row.keys() == {"model", "value", "low", "high", "chosen"}


def test_a_training_that_says_something_else_is_no_error(tmp_path):
    odd = {"test nDCG@10 a": "none", "test nDCG@10 b": "0.1", "test": "x", "winner": "b"}
    write_table(
        tmp_path,
        "ops/runs",
        [run(1, "train-recommender", summary=odd), run(2, "train-recommender", "failed")],
    )
    (training,) = trainings(lake_of(tmp_path))
    assert [(s.model, s.value, s.low, s.is_winner) for s in training.scores] == [
        ("b", 0.1, None, True)
    ]


def test_titles_are_those_of_the_items(view):
    rows = {row["item_id"]: row for row in rows_of(recommendations.page(view, Query()), "items")}
    assert rows["i1"]["title"] == HOSTILE
    assert rows["i2"]["title"] == "item i2"
    assert rows["i1"]["users"] == 30
