"""Country, year of birth and age of a person: one meaning for rules, models, lists and profiles.

**Country** (ISO 3166-1 alpha-2) and **year of birth** are, in this order, what is declared in a
table of users, what the last `identify` event with a usable value said, and, for the country, where
the last event came from that tells (`context.country`). Nothing after as-of counts. A name of a
country is read as ingest reads it; one that is none, and a year that nobody alive was born in, are
as good as not said.

**Traits** are keys of the metadata of `identify` events, and keys of an object `traits` in it; of
one event the former outweigh the latter. The two facts are known in any spelling, `birthYear` and
`countryCode` too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import TIMESTAMP, USER_ID
from sparkperso.core.spellings import country_codes
from sparkperso.platform.literals import instant
from sparkperso.users.facts import BIRTH_YEAR, COUNTRY, FACTS, FIRST_YEAR, SPELLINGS, year_of

STRINGS = "map<string,string>"


def age_at(birth_year: Column, as_of: datetime) -> Column:
    """Returns `facts.age_reached` of a column of years, in years; null where the year is."""
    age = F.lit(year_of(as_of)) - birth_year - F.lit(1)
    return F.when(age > 0, age).when(age.isNotNull(), F.lit(0))


@dataclass(frozen=True)
class Persons:
    """What facts about persons are taken from, and the facts as of any time."""

    events: DataFrame
    """silver/events."""
    declared: DataFrame | None = None
    """user_id, birth_year, country and attributes of declared profiles, one row per user."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Names of countries beside those of ISO 3166 (ingest.country_aliases)."""

    def facts(self, as_of: datetime, wanted: Collection[str] = FACTS) -> DataFrame:
        """Returns user_id and the facts of `wanted`, one row per user of whom any may be known.

        birth_year is an int, country a code of ISO 3166 (two letters); null where not known.
        """
        at_once = self.facts_at([as_of], wanted)
        return at_once.select(USER_ID, *(F.col(f"{name}_0").alias(name) for name in wanted))

    def facts_at(self, times: Sequence[datetime], wanted: Collection[str] = FACTS) -> DataFrame:
        """Returns `facts` as of several times beside each other, from one look at the events.

        One row per user of whom any may be known at the last: user_id, and for the time at place
        n `<fact>_<n>`.
        """
        sources = self._said(times)
        if COUNTRY in wanted:
            sources = sources.join(self._seen(times), USER_ID, how="full")
        if self.declared is not None:
            sources = sources.join(self._declared(times), USER_ID, how="full")
        names = [f"{name}_{n}" for n in range(len(times)) for name in wanted]
        return sources.select(USER_ID, *(_first_of(name, sources).alias(name) for name in names))

    def traits(self, wanted: Collection[str], as_of: datetime) -> DataFrame:
        """Returns user_id, traits (trait → value): of each the last value that was said.

        One row per user who said any of `wanted` at or before `as_of`; keys are those of the
        events, values are text.
        """
        values = self._entries(as_of).where(F.col("k").isin(*sorted(wanted)))
        latest = values.groupBy(USER_ID, "k").agg(F.max_by("v", _order()).alias("v"))
        entries = F.sort_array(F.collect_list(F.struct("k", "v")))
        return latest.groupBy(USER_ID).agg(F.map_from_entries(entries).alias("traits"))

    def _said(self, times: Sequence[datetime]) -> DataFrame:
        """(user_id, said_birth_year_<n>, said_country_<n>): the last usable value of each."""
        letters = F.regexp_replace(F.lower("k"), "[^a-z]", "")
        values = self._entries(max(times)).withColumn("letters", letters)
        values = _with_code(values.where(F.col("letters").isin(*SPELLINGS)), "v", self.aliases)
        latest = []
        for n, as_of in enumerate(times):
            year = F.when(_is(BIRTH_YEAR), _birth_year(F.col("v"), as_of))
            country = F.when(_is(COUNTRY), F.col("code"))
            for name, value in ((BIRTH_YEAR, year), (COUNTRY, country)):
                counted = value.isNotNull() & _is_past(as_of)
                latest.append(F.max_by(value, F.when(counted, _order())).alias(f"said_{name}_{n}"))
        return values.groupBy(USER_ID).agg(*latest)

    def _seen(self, times: Sequence[datetime]) -> DataFrame:
        """(user_id, seen_country_<n>): where the last event that tells came from."""
        known = self._known(max(times))
        seen = known.select(USER_ID, TIMESTAMP, F.col("context.country").alias("at"))
        # Two steps: the first, over all events, is added up by hash.
        last = [
            F.max(F.when(_is_past(when), F.col(TIMESTAMP))).alias(f"t_{n}")
            for n, when in enumerate(times)
        ]
        each = seen.where("at IS NOT NULL").groupBy(USER_ID, "at").agg(*last)
        return each.groupBy(USER_ID).agg(
            *(
                F.max_by("at", F.when(F.col(f"t_{n}").isNotNull(), F.struct(f"t_{n}", "at"))).alias(
                    f"seen_{COUNTRY}_{n}"
                )
                for n in range(len(times))
            )
        )

    def _declared(self, times: Sequence[datetime]) -> DataFrame:
        """(user_id, declared_birth_year_<n>, declared_country_<n>): what is usable of it."""
        assert self.declared is not None
        rows = self.declared.select(USER_ID, BIRTH_YEAR, COUNTRY)
        columns = []
        for n, as_of in enumerate(times):
            year = _birth_year(F.col(BIRTH_YEAR), as_of)
            columns += [year.alias(f"declared_{BIRTH_YEAR}_{n}")]
            columns += [F.col("code").alias(f"declared_{COUNTRY}_{n}")]
        return _with_code(rows, COUNTRY, self.aliases).select(USER_ID, *columns)

    def _entries(self, as_of: datetime) -> DataFrame:
        """(user_id, timestamp, event_id, rank, k, v) of what identify events said."""
        identified = self._known(as_of).where("event_type = 'identify'")
        nested = F.map_entries(F.from_json(F.col("metadata").getItem("traits"), STRINGS))
        nothing = F.from_json(F.lit("[]"), "array<struct<key:string,value:string>>")
        sources = (F.coalesce(nested, nothing), F.map_entries("metadata"))
        # Ranked: of one event, the metadata's own keys outweigh those of its `traits`.
        pairs = [_ranked(entries, rank) for rank, entries in enumerate(sources)]
        rows = identified.select(
            USER_ID, TIMESTAMP, "event_id", F.inline(F.concat(*pairs)).alias("rank", "k", "v")
        )
        return rows.where(F.col("v").isNotNull() & (F.trim("v") != ""))

    def _known(self, as_of: datetime) -> DataFrame:
        return self.events.where(F.col(USER_ID).isNotNull() & _is_past(as_of))


def _ranked(entries: Column, rank: int) -> Column:
    return F.transform(entries, lambda e: F.struct(F.lit(rank), e["key"], e["value"]))


def _is_past(as_of: datetime) -> Column:
    return F.col(TIMESTAMP) <= instant(as_of)


def _order() -> Column:
    # Two identify events of one moment have no order but their ids.
    return F.struct(TIMESTAMP, "event_id", "rank", "k")


def _is(fact: str) -> Column:
    return F.col("letters").isin(*(name for name, known in SPELLINGS.items() if known == fact))


def _first_of(name: str, sources: DataFrame) -> Column:
    """The first of what is declared, said and seen, as far as there are such columns."""
    columns = [f"{source}_{name}" for source in ("declared", "said", "seen")]
    return F.coalesce(*(column for column in columns if column in sources.columns))


def _birth_year(sent: Column, as_of: datetime) -> Column:
    number = sent.try_cast("double")
    year = number.try_cast("int")
    is_usable = (year == number) & year.between(FIRST_YEAR, year_of(as_of))
    return F.when(is_usable, year)


def _with_code(rows: DataFrame, name: str, aliases: Mapping[str, str]) -> DataFrame:
    """Adds `code`: the country that the column names; null where it is none."""
    known = sorted(country_codes(aliases).items())
    codes = rows.sparkSession.createDataFrame(known, "spelling string, code string")
    is_same = F.upper(F.trim(rows[name])) == codes["spelling"]
    return rows.join(F.broadcast(codes), is_same, how="left").drop("spelling")
