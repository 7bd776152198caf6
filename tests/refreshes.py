"""A small lake with champion, lists and store, and light steps that refresh it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from tests.unit.recommend.test_promotion import GOOD, WORSE

from sparkperso.jobs import promote_model
from sparkperso.jobs.build_recommendations.candidate import compared_version
from sparkperso.jobs.publish import STEP as PUBLISH
from sparkperso.jobs.refresh.job import NAMES
from sparkperso.jobs.refresh.served import LISTS
from sparkperso.pipeline.step import Step
from sparkperso.services.stores.factory import open_store
from sparkperso.testing.frames import events_frame, table_frame

AS_OF = datetime(2026, 3, 1)
AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
USERS = ("u1", "u2")


@dataclass
class SmallShop:
    """What refreshes: training registers a document, lists name the champion's version."""

    make_job: object
    passes: bool = True
    """Whether the next candidate is better than the champion."""
    conf_dir: Path | None = None

    def job(self, name="refresh", **options):
        lines = []
        found = self.make_job(name, **options)
        found.say, found.lines = lines.append, lines
        found.conf_dir = self.conf_dir
        return found

    def fill(self, with_steps=True):
        job = self.job()
        events = [{"user_id": "u1", "event_type": "page_view", "timestamp": AS_OF}]
        job.writer("silver/events").append(events_frame(job.spark, events))
        for step in self.steps() if with_steps else ():
            step.action(self.job(step.name))

    def train(self, job):
        champion = job.tracking.by_alias("recommender", "champion")
        document = copy.deepcopy(GOOD)
        document["test"]["champion_version"] = champion and champion.version
        if not self.passes:
            document["test"]["gains"]["popularity"] = WORSE.as_dict()
        with job.tracking.run("train-recommender", "light") as run:
            version = job.tracking.register("recommender", run.run_id, document)
        job.tracking.set_alias("recommender", "candidate", version)
        return {}

    def build(self, job):
        champion = job.tracking.by_alias("recommender", "champion")
        version = champion.version if champion else "popularity"
        place = {"rank": 1, "item_id": "i1", "score": 0.5, "strategy": "ease", "reason": "model"}
        rows = [
            {**place, "user_id": user, "kind": "new", "model_version": version, "generated_at": AT}
            for user in USERS
        ]
        self.replace_rows(job, "gold/recommendations", rows)
        popular = {"scope": "global", "rank": 1, "item_id": "i1", "score": 2.0, "window": version}
        self.replace_rows(job, "gold/popular_items", [popular])
        for name in LISTS[-2:]:
            self.replace_rows(job, name, [])
        compared = compared_version(job, champion)
        rows = [{**row, "model_version": compared.version} for row in rows] if compared else []
        self.replace_rows(job, "gold/candidate_recommendations", rows)
        return {}

    def replace_rows(self, job, table, rows):
        job.writer(table).overwrite(table_frame(job.spark, table, rows))

    def steps(self, **others):
        """Returns the steps of refresh, with other actions by name (`_` for `-`)."""
        light = {
            **{name: Step(name, lambda job: {}) for name in NAMES[:3]},
            "train-recommender": Step("train-recommender", self.train),
            "promote-model": promote_model.STEP,
            "build-recommendations": Step("build-recommendations", self.build),
            "publish": PUBLISH,
        }
        for name, action in others.items():
            key = name.replace("_", "-")
            light[key] = replace(light[key], action=action)
        return [light[name] for name in NAMES]

    def served(self):
        """Returns all that is served: aliases, rows of the lists, the store's chain."""
        job = self.job("look")
        found = {
            alias: (one := job.tracking.by_alias("recommender", alias)) and one.version
            for alias in ("champion", "previous_champion")
        }
        for name in LISTS:
            rows = job.lake.ref(name).read().collect()
            found[name] = sorted(str(row) for row in rows)
        return found | {"chain": self.chain(), "model": self.published_model()}

    def chain(self):
        store = open_store(self.job("look").settings)
        try:
            return store.chain()
        finally:
            store.close()

    def published_model(self):
        return self.manifest().model_version

    def manifest(self):
        store = open_store(self.job("look").settings)
        try:
            with store.open(store.current()) as version:
                return version.manifest
        finally:
            store.close()
