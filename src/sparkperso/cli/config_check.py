"""`sparkperso config check`: everything of a configuration that can be held against something."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkperso.config import Settings, load_named
from sparkperso.config.layers import conf_files, own_files
from sparkperso.config.load import read_flat, settings_from
from sparkperso.config.metrics import METRICS, Metric
from sparkperso.config.own_features import KIND, OwnFeature
from sparkperso.config.recommend.models import PopularityParams
from sparkperso.config.segmentation import RuleSegmentation, Segmentation, load_segmentation
from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.config.triggers import TRIGGERS
from sparkperso.core.columns import NUMERIC_FEATURES
from sparkperso.core.errors import ConfigError
from sparkperso.core.suggest import did_you_mean
from sparkperso.core.times import now
from sparkperso.rules.attributes import invalid_references
from sparkperso.rules.spelling import speller

if TYPE_CHECKING:
    from sparkperso.decisions.assets import Assets

Faults = dict[str, None]
"""What was found, each once, in the order of looking."""


class Check:
    """Looks at all parts of a configuration; a part with a fault does not keep it from the next."""

    def __init__(self, env: str, conf_dir: Path | None, assignments: Sequence[str]) -> None:
        self.env, self.conf_dir, self.assignments = env, conf_dir, assignments
        self.faults: Faults = {}
        self.notes: Faults = {}
        """What may be meant."""
        self.counts: dict[str, int] = {}

    def run(self) -> None:
        """Fills `faults`, `notes` and `counts`; opens nothing but files of conf/."""
        flat = self._attempt(read_flat, self.env, self.conf_dir, self.assignments)
        settings = flat and self._attempt(settings_from, flat, self.env)
        plans = self._named("tracking_plans", TrackingPlan)
        self._named("sources", SourceConfig)
        own = self._named(KIND, OwnFeature)
        metrics = self._named(METRICS, Metric)
        segments = {
            n: self._attempt(load_segmentation, n, self.conf_dir, list(own))
            for n in self._files("segments")
        }
        if settings is None:
            return
        self._search(settings)
        carried_out = {n: segments.get(n) for n in settings.segments.segmentations}
        self._shown(settings, carried_out, tuple(own))
        self._triggers(settings, carried_out)
        self._require("segments.segmentations", settings.segments.segmentations, segments)
        self._require("ingest.tracking_plan", (settings.ingest.tracking_plan,), plans)
        plan = plans.get(settings.ingest.tracking_plan)
        if plan is not None:
            self._metric_faults(metrics, plan)
        features = [*NUMERIC_FEATURES, *own]
        for name, segmentation in segments.items():
            for feature in segmentation.profiled if segmentation else ():
                if feature not in features:
                    near = did_you_mean(feature, features, f"Choose of {', '.join(features)}")
                    self._note(f"conf/segments/{name}.yaml: no feature '{feature}'. {near}")
            if plan is not None and isinstance(segmentation, RuleSegmentation):
                for fault in _rule_faults(segmentation, settings, plan, list(own)):
                    self._note(f"conf/segments/{name}.yaml, {fault}")

    def _shown(
        self,
        settings: Settings,
        segmentations: dict[str, Segmentation | None],
        own: tuple[str, ...],
    ) -> None:
        # Here: the sanitiser, which nothing else of the command line needs.
        from sparkperso.cli.content.shown import shown_assets

        if settings.cms.sources:
            from sparkperso.services.content.sources import check_sources

            self._attempt(check_sources, settings)
            self.counts["content sources"] = len(settings.cms.sources)
        assets = self._attempt(shown_assets, settings, self.conf_dir, segmentations, own)
        if assets is None:
            return
        self.counts |= {
            "slots": len(assets.slots),
            "contents": len(assets.contents),
            "rules": len(assets.rules),
        }
        self.faults |= assets.faults
        self.notes |= assets.notes
        self.notes |= dict.fromkeys(
            f"{text}; it waits for a CMS" for text in assets.waiting.values()
        )
        self.notes |= dict.fromkeys(f"{n} is left out: {why}" for n, why in assets.left_out.items())
        if not assets.faults:
            self._mails(settings, assets)
            self._experiments(settings, assets)

    def _experiments(self, settings: Settings, assets: Assets) -> None:
        from sparkperso.decisions.assets import read_files
        from sparkperso.experiments.assignment.load import read_experiments

        files = read_files(settings, self.conf_dir)
        found = read_experiments(settings, files, assets, now(), self.conf_dir)
        self.counts["experiments"] = len(found.experiments)
        for texts, into in ((found.faults, self.faults), (found.notes, self.notes)):
            into |= {text: None for each in texts.values() for text in each}

    def _triggers(self, settings: Settings, segmentations: dict[str, Segmentation | None]) -> None:
        if not self._attempt(own_files, TRIGGERS, self.conf_dir):
            return
        try:
            # Here: the client of HTTP, which comes with an extra.
            from sparkperso.services.triggers.definitions import read_triggers
        except ModuleNotFoundError as missing:
            note = (
                f"conf/triggers: not looked at, for the extra 'serve' is not installed: {missing}"
            )
            self.notes[note] = None
            return
        triggers = read_triggers(settings, os.environ, self.conf_dir, segmentations)
        self.counts["triggers"] = len(triggers.configs)
        self.faults |= dict.fromkeys(triggers.faults)

    def _mails(self, settings: Settings, assets: Assets) -> None:
        try:
            # Here: MJML and Jinja, which come with an extra.
            from sparkperso.mail.check import checked_templates
        except ModuleNotFoundError as missing:
            note = f"conf/mails: not looked at, for the extra 'serve' is not installed: {missing}"
            self.notes[note] = None
            return
        from sparkperso.decisions.rulebook import Rulebook

        language = settings.serving.default_language
        book = Rulebook(assets.slots, assets.contents, assets.rules, language)
        templates = checked_templates(settings, book, self.conf_dir)
        self.counts["mails"] = len(templates.mails)
        self.faults |= templates.faults
        self.notes |= templates.notes

    def _files(self, kind: str) -> list[str]:
        names = list(self._attempt(conf_files, kind, self.conf_dir) or ())
        self.counts[kind.replace("_", " ")] = len(names)
        return names

    def _named(self, kind: str, model: type[Any]) -> dict[str, Any]:
        names = self._files(kind)
        return {name: self._attempt(load_named, kind, name, model, self.conf_dir) for name in names}

    def _search(self, settings: Settings) -> None:
        """Entry by entry: each with a fault is named."""
        # Here: numpy, which nothing else of the command line's look at files needs.
        from sparkperso.recommend.tune.search_space import draw, entries_for

        search = settings.recommend.search
        drawn: list[Any] = []
        for entry in search.space:
            plain = self._attempt(entries_for, [entry]) or ()
            drawn += self._attempt(draw, search, plain, 0) or ()
        # Plain popularity is always tried.
        n_grid = len({PopularityParams(), *drawn})
        self.counts["candidates"] = n_grid if search.method == "grid" else search.n_candidates

    def _metric_faults(self, metrics: dict[str, Metric | None], plan: TrackingPlan) -> None:
        """Notes event types that no event has: such a metric is zero for everybody."""
        for name, metric in metrics.items():
            filters = metric.filters if metric else ()
            for event_type in dict.fromkeys(t for one in filters for t in one.event_type or ()):
                if event_type not in plan.event_types:
                    near = did_you_mean(event_type, plan.event_types, "Name one of the plan")
                    self._note(
                        f"conf/metrics/{name}.yaml: no event type '{event_type}' in the tracking "
                        f"plan '{plan.name}'. {near}"
                    )

    def _require(self, key: str, names: Sequence[str], known: dict[str, Any]) -> None:
        for name in names:
            if name not in known:
                self._note(f"{key} names '{name}', which is none of {', '.join(known) or 'none'}")

    def _attempt(self, look: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return look(*arguments)
        except ConfigError as error:
            self._note(f"{error.expected}: {error.found}" if error.found else error.expected)
            return None

    def _note(self, fault: str) -> None:
        self.faults[fault] = None


def _rule_faults(
    segmentation: RuleSegmentation, settings: Settings, plan: TrackingPlan, own: list[str]
) -> Iterator[str]:
    """Yields what no event or person can fit: event types of no plan, values that cannot occur."""
    for key, rule in segmentation.segments.items():
        spelling = speller(settings.ingest.country_aliases)
        when = spelling.condition(rule.when)
        for fault in (*spelling.faults, *invalid_references(when, plan.event_types, own)):
            yield f"{key}: {fault}"
