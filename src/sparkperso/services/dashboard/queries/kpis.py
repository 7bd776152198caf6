"""KPIs by day: rows of gold/kpis_daily, of everybody or by one of its columns."""

from __future__ import annotations

from dataclasses import dataclass

from sparkperso.services.dashboard.queries.lake import LakeTables, Row, literal

KPIS = "gold/kpis_daily"
DIMENSIONS = (
    *("segmentation", "segment", "experiment", "variant"),
    *("channel", "strategy", "model_version"),
)


@dataclass(frozen=True)
class Breakdown:
    """By what a KPI is told apart: a column, and what it is within (a segmentation, say)."""

    column: str = ""
    within: str = ""
    """`segmentation=NAME` or `experiment=NAME` as (column, name); empty for the others."""

    @property
    def name(self) -> str:
        """Returns it as a parameter of the page."""
        return f"{self.column}:{self.within}" if self.within else self.column

    @property
    def parent(self) -> str:
        """Returns the column that `within` is a value of."""
        return {"segment": "segmentation", "variant": "experiment"}.get(self.column, "")


def kpi_names(lake: LakeTables) -> list[str]:
    """Returns the KPIs that there are; raises AbsentTable."""
    return [row["kpi"] for row in lake.rows("SELECT DISTINCT kpi FROM k ORDER BY kpi", k=KPIS)]


def breakdowns(lake: LakeTables) -> list[Breakdown]:
    """Returns by what KPIs can be told apart, everybody first; raises AbsentTable."""
    known = lake.columns(KPIS)
    found = [Breakdown()]
    for column in ("channel", "strategy"):
        if column in known and _has(lake, column):
            found.append(Breakdown(column))
    for column, parent in (("segment", "segmentation"), ("variant", "experiment")):
        if {column, parent} <= known:
            text = f"SELECT DISTINCT {parent} AS v FROM k WHERE {parent} IS NOT NULL ORDER BY v"
            found += [Breakdown(column, row["v"]) for row in lake.rows(text, k=KPIS)]
    return found


def _has(lake: LakeTables, column: str) -> bool:
    text = f"SELECT count({column}) AS n FROM k"
    return bool(lake.rows(text, k=KPIS)[0]["n"])


def kpi_days(lake: LakeTables, kpi: str, by: Breakdown, days: int) -> list[Row]:
    """Returns the latest `days` days of a KPI: day, series, numerator, denominator, value, people.

    One row per day and value of the breakdown; `series` is `everybody` without one. Raises
    AbsentTable.
    """
    known = lake.columns(KPIS)
    own = {by.column, by.parent}
    if by.column == "strategy":
        # A list's strategy and the model that made it are told together.
        own.add("model_version")
    alone = [f"{name} IS NULL" for name in DIMENSIONS if name in known and name not in own]
    series = "'everybody'" if not by.column else by.column
    if by.column == "strategy" and "model_version" in known:
        series = "CASE WHEN model_version IS NULL THEN strategy ELSE "
        series += "strategy || ' ' || model_version END"
    conditions = [f"kpi = {literal(kpi)}", *alone]
    if by.column:
        conditions.append(f"{by.column} IS NOT NULL")
    if by.within:
        conditions.append(f"{by.parent} = {literal(by.within)}")
    where = " AND ".join(conditions)
    latest = f"(SELECT max(day) FROM k WHERE kpi = {literal(kpi)})"
    text = (
        f"SELECT day, {series} AS series, numerator, denominator, value, "
        f"{_people(known)} AS people FROM k WHERE {where} "
        f"AND day > {latest} - {int(days)} ORDER BY day, series"
    )
    return lake.rows(text, k=KPIS)


def _people(known: set[str]) -> str:
    """How many a row tells of, as SQL: of a ratio the denominator is what they did, not they.

    Rows that are older than their number have the denominator alone.
    """
    return "coalesce(n_users, denominator)" if "n_users" in known else "denominator"


def kpi_latest(lake: LakeTables) -> list[Row]:
    """Returns of each KPI its latest day, of everybody, and the mean of the seven days before.

    Raises AbsentTable.
    """
    known = lake.columns(KPIS)
    alone = " AND ".join(f"{name} IS NULL" for name in DIMENSIONS if name in known) or "true"
    text = (
        f"WITH d AS (SELECT kpi, day, denominator, value, {_people(known)} AS people "
        f"FROM k WHERE {alone}), "
        "m AS (SELECT kpi, max(day) AS last FROM d GROUP BY kpi) "
        "SELECT d.kpi, m.last AS day, max(value) FILTER (WHERE day = m.last) AS value, "
        "max(denominator) FILTER (WHERE day = m.last) AS denominator, "
        "avg(value) FILTER (WHERE day < m.last) AS before, "
        "max(people) FILTER (WHERE day = m.last) AS people, "
        "avg(people) FILTER (WHERE day < m.last) AS people_before "
        "FROM d JOIN m ON d.kpi = m.kpi "
        "WHERE day >= m.last - 7 GROUP BY d.kpi, m.last ORDER BY d.kpi"
    )
    return lake.rows(text, k=KPIS)
