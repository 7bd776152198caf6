"""Runs, data quality, freshness and the overview: each number is that of the table."""

from __future__ import annotations

from datetime import date
from html import escape

import pytest
from tests.dashboards import bearer, client_of, lake_of, view_of
from tests.small_lake import AS_OF, HOSTILE, event, run, write_runs, write_table

from sparkperso.services.dashboard.page import Query
from sparkperso.services.dashboard.pages import freshness, overview, quality, runs
from sparkperso.services.dashboard.queries.events import events_by_day, window_of
from sparkperso.services.dashboard.queries.lake import AbsentTable, LakeTables
from sparkperso.services.dashboard.registry import PAGES

OPERATOR = bearer("operator")


def rows_of(page, name):
    table = page.tables[name]
    return [dict(zip((c.name for c in table.columns), row, strict=True)) for row in table.rows]


def test_failures_have_their_messages_and_the_latest_stands_first(view):
    page = runs.page(view, Query())
    assert [row["run_id"] for row in rows_of(page, "failures")] == ["run-2", "run-4"]
    assert rows_of(page, "failures")[0]["error"] == f"broken by {HOSTILE}"
    found = rows_of(page, "runs")
    assert len(found) == 5
    assert found[-1]["run_id"] == "run-1"
    assert found[-1]["summary"] == "received: 100; valid: 90"


def test_jobs_are_counted_by_how_they_ended(view):
    found = {row["job"]: row for row in rows_of(runs.page(view, Query()), "jobs")}
    row = found["ingest-events"]
    assert (row["n"], row["done"], row["gate"], row["failed"]) == (2, 1, 0, 1)
    assert (row["median_seconds"], row["longest_seconds"]) == (6.5, 10.0)
    assert sum(row["n"] for row in found.values()) == 5


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"job": "ingest-events"}, ["run-2", "run-1"]),
        ({"status": "failed"}, ["run-2"]),
        ({"job": "ingest-events", "status": "done"}, ["run-1"]),
        ({"job": "build-features", "status": "failed"}, []),
        ({"job": HOSTILE, "status": "' OR 1=1"}, ["run-1", "run-2", "run-3", "run-4", "run-5"]),
    ],
)
def test_runs_are_chosen_by_job_and_end(view, query, ids):
    found = rows_of(runs.page(view, Query(query)), "runs")
    assert sorted(row["run_id"] for row in found) == sorted(ids)


def test_the_overview_has_the_last_run_of_each_job(view):
    found = {row["job"]: row for row in rows_of(overview.page(view, Query()), "runs")}
    assert set(found) == {
        *("ingest-events", "build-features", "promote-model", "train-recommender")
    }
    assert found["ingest-events"]["status"] == "failed"


def test_events_by_day_are_those_of_the_table_and_a_day_without_is_zero(view):
    page = overview.page(view, Query())
    found = {row["day"]: row["events"] for row in rows_of(page, "events")}
    assert len(found) == 28
    assert found[date(2026, 3, 28)] == 24
    assert found[date(2026, 3, 15)] == 0
    assert page.sections[0].figures[0].value == 48 == sum(n for _, n in events_by_day(view.lake))


def test_alerts_that_are_open_stand_first_the_critical_ones_above(view):
    page = overview.page(view, Query())
    found = [(row["check"], row["status"]) for row in rows_of(page, "alerts")]
    assert found == [("kpi", "open"), ("volume", "open"), ("staleness", "resolved")]
    assert rows_of(page, "alerts")[0]["to_do"] == "Look at the shop."
    assert page.sections[1].text == "2 open."


def test_received_is_what_became_of_records(view):
    (row,) = rows_of(quality.page(view, Query()), "sources")
    assert row["received"] == 100
    assert (row["valid"], row["balance"], row["valid_share"]) == (90, "ok", 0.9)


def test_records_that_were_lost_are_seen(tmp_path):
    write_runs(tmp_path)
    more = {"run_id": "run-9", "source": "shop", "rule": "received", "n_records": 5}
    write_table(tmp_path, "ops/data_quality", [{**more, "received_at": AS_OF}])
    view = view_of(lake_of(tmp_path))
    (row,) = rows_of(quality.page(view, Query()), "sources")
    assert row["balance"] == "broken"


def test_a_record_in_quarantine_counts_once_for_a_reason_and_is_not_shown(view, client):
    (row,) = rows_of(quality.page(view, Query()), "quarantine")
    assert (row["n"], row["recoverable"], row["replayed"]) == (6, 4, 1)
    text = client.get("/quality", headers=OPERATOR).text
    assert "somebody@shop.example" not in text
    assert "price of" not in text


def test_lineage_is_of_the_last_run_of_each_job(view):
    found = rows_of(quality.page(view, Query()), "lineage")
    assert [(row["job"], row["direction"], row["table_name"]) for row in found] == [
        ("build-features", "input", "silver/events"),
        ("build-features", "output", "gold/user_features"),
    ]


def test_a_table_is_as_old_as_its_last_commit_and_one_that_is_not_has_no_age(view):
    found = {row["table"]: row for row in rows_of(freshness.page(view, Query()), "tables")}
    assert found["ops/runs"]["n_rows"] == 5
    assert found["ops/runs"]["version"] == 1
    assert found["ops/runs"]["n_bytes"] > 0
    assert found["gold/similar_items"]["written_at"] is None
    moment = found["ops/runs"]["written_at"]
    assert found["ops/runs"]["age_seconds"] == (view.now - moment).total_seconds()


def test_what_somebody_sent_is_text(client):
    for path in ("/runs", "/", "/quality"):
        text = client.get(path, params={"job": HOSTILE, "x": HOSTILE}, headers=OPERATOR).text
        assert HOSTILE not in text
        assert "<script" not in text
    assert (
        escape(HOSTILE, quote=True).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
        in client.get("/runs", headers=OPERATOR).text
    )


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.name)
def test_every_page_of_an_empty_lake_says_how_its_tables_are_made(tmp_path, entry):
    with client_of(tmp_path, f"security.audit.folder={tmp_path / 'audit'}") as client:
        answer = client.get(entry.path, headers={"Authorization": "Bearer local-dev-token"})
    assert answer.status_code == 200
    assert 'class="absent"' in answer.text or entry.name == "people"


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.name)
def test_every_page_of_empty_tables_is_there(tmp_path, entry):
    for name in ("ops/runs", "ops/lineage", "ops/data_quality", "silver/quarantine"):
        write_table(tmp_path, name, [])
    write_table(tmp_path, "silver/events", [])
    with client_of(tmp_path, f"security.audit.folder={tmp_path / 'audit'}") as client:
        answer = client.get(entry.path, headers={"Authorization": "Bearer local-dev-token"})
    assert answer.status_code == 200


def test_a_lake_that_cannot_be_read_is_a_problem_that_names_no_file(tmp_path):
    write_table(tmp_path, "ops/runs", [run(1, "a")])
    for file in (tmp_path / "ops" / "runs").glob("*.parquet"):
        file.unlink()
    with client_of(tmp_path, f"security.audit.folder={tmp_path / 'audit'}") as client:
        answer = client.get("/runs", headers={"Authorization": "Bearer local-dev-token"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert str(tmp_path) not in answer.text


@pytest.mark.parametrize("path", ["/recommendations", "/funnel", "/kpis", "/segments", "/runs"])
def test_a_table_that_goes_while_a_page_is_made_is_a_problem_that_passes(
    small_lake, tmp_path, monkeypatch, path
):
    def gone(*_, **__):
        raise AbsentTable("gold/segments")

    monkeypatch.setattr(LakeTables, "rows", gone)
    with client_of(small_lake, f"security.audit.folder={tmp_path}") as client:
        answer = client.get(path, headers={"Authorization": "Bearer local-dev-token"})
    assert answer.status_code in (200, 503)
    if answer.status_code == 503:
        assert answer.headers["retry-after"] == "5"


ODD = [
    *(
        "job=" + "x" * 5000,
        "status=%00",
        "job=%ff%fe",
        "table=1&format=csv%00",
        "status=done&status=x",
    ),
    *("job[]=1", "%5Cjob=1", "days=-1", "days=1e9", "days=%E2%80%AE"),
]


@pytest.mark.parametrize("query", ODD)
@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.name)
def test_odd_parameters_are_no_error_of_ours(client, entry, query):
    headers = {"Authorization": "Bearer local-dev-token", "Accept": "text/html"}
    answer = client.get(f"{entry.path}?{query}", headers=headers)
    assert answer.status_code in (200, 422)


def test_a_window_holds_whole_days_up_to_so_many_events(tmp_path):
    rows = [event(n, "u", "page_view", day) for n, day in enumerate([1, 5, 5, 6, 6, 6, 9])]
    write_table(tmp_path, "silver/events", rows)
    lake = lake_of(tmp_path)

    def window(days, most=100):
        found = window_of(lake, days, most)
        return found.first.day, found.last.day, found.n_events, found.is_cut

    assert window(1) == (9, 9, 1, False)
    assert window(4) == (6, 9, 4, False)
    assert window(5) == (5, 9, 6, False)
    assert window(400)[2:] == (7, False)
    assert window(400, most=6) == (2, 9, 6, True)
    assert window(400, most=5) == (6, 9, 4, True)
    assert window(2, most=0) == (8, 9, 1, False), "a day at least"
    assert window_of(lake, 5, 100).condition == (
        "event_date BETWEEN date '2026-03-05' AND date '2026-03-09'"
    )
