"""The section `segments`, and the model of conf/segments/<name>.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sparkperso.config.stream import TOPIC, TopicConfig
from sparkperso.core.section import Section

# Names stand in segment ids and in conditions on tables, so they hold no quotes or blanks.
NAME = r"^[a-z][a-z0-9_-]*$"


class StabilityConfig(Section):
    """What keeps segments the same from run to run; shares and likeness lie in 0 to 1."""

    max_moved_share: float = Field(default=0.5, ge=0, le=1)
    """A run that would give more of the users another segment is refused (exit 3) unless forced."""
    min_likeness: float = Field(default=0.3, ge=0, le=1)
    """A new segment takes the id of an old one that is at least this like it: the mean of the
    overlap of their members and the nearness of their centres, 0 to 1."""


class ChangesTopic(TopicConfig):
    """The Kafka topic that every change of gold/segment_history is sent to."""

    topic: str = Field(default="sparkperso.segment-changes", pattern=TOPIC)
    """Its records: key user_id, value the row as JSON."""


class LiveConfig(Section):
    """How `stream-segments` follows events."""

    clock: Literal["events", "wall"] = "events"
    """What windows end at: the latest event, as in a batch, or the time of day (UTC)."""
    late_hours: float = Field(default=24, gt=0)
    """Events that are behind the latest by more are left to the next build-segments."""
    trigger_seconds: float = Field(default=1, ge=0)
    """Least time between the starts of two micro-batches."""
    max_files: int = Field(default=200, ge=1)
    """Most files of silver/events in a micro-batch."""
    sweep_seconds: float = Field(default=60, ge=0)
    """Everybody is looked at so often: time alone ends windows. Then gold/segments is written."""
    compact_sweeps: int = Field(default=20, ge=1)
    """After so many sweeps the counters are written anew, shorter."""
    changes: ChangesTopic | None = None
    """Where changes are sent to; None: gold/segment_history alone has them."""
    overlay: bool | Literal["if_published"] = False
    """Whether whoever's segments change is served the new ones at once (`store`); `if_published`:
    where something is published when the stream begins."""
    keep_days: float = Field(default=30, gt=0)
    """How long that is kept; longer than it takes until a version is published that has it."""


class SegmentsConfig(Section):
    """How segmentations are built."""

    seed: int = Field(default=42, ge=0)
    """Seed that random starts, samples and references are drawn by."""
    segmentations: tuple[str, ...] = Field(default=("behaviour",), min_length=1)
    """Files of conf/segments/ that build-segments carries out, without `.yaml`."""
    num_seeds: int = Field(default=10, ge=1, le=50)
    """Random starts for each k, of which the one of the least cost stays."""
    min_members: int = Field(default=5, ge=1)
    """Segments of fewer people are neither written nor served: their members could be known."""
    stability: StabilityConfig = Field(default_factory=StabilityConfig)
    """How segments of one run follow those of the run before."""
    live: LiveConfig = Field(default_factory=LiveConfig)
    """How `stream-segments` follows events."""
    min_users: int = Field(default=20, ge=3)
    """With fewer users the job stops at a quality gate (exit 3)."""
    driver_users: int = Field(default=100_000, ge=100)
    """Up to so many users come to the driver's memory, where segments are found and described.
    Beyond, Spark describes them; k-means and the leaves of a tree are searched on about so many
    users, chosen by a hash, and the best k-means is then improved on all."""
    parallelism: int = Field(default=2, ge=1, le=32)
    """Numbers of segments that are tried at the same time."""
    users_per_partition: int = Field(default=100_000, ge=100)
    """Users in one Spark partition while clustering: fixes the order of sums on any cluster."""
    picture_points: int = Field(default=5_000, ge=10, le=5_000)
    """Users drawn in the scatter picture; the bound of what reaches the driver."""


class Word(Section):
    """One word of a segment's name, and where it stands: adjectives noun phrase.

    >>> Word(adjective="frequent").place, Word(adjective="frequent").text
    ('adjective', 'frequent')
    """

    adjective: str | None = Field(default=None, min_length=1)
    """Stands before the noun: `frequent`."""
    noun: str | None = Field(default=None, min_length=1)
    """Stands for the people themselves: `big spenders`."""
    phrase: str | None = Field(default=None, min_length=1)
    """Stands after the noun: `at weekends`."""

    @model_validator(mode="after")
    def _one_place(self) -> Word:
        if len(self.model_fields_set) != 1:
            raise ValueError("a word is exactly one of adjective, noun and phrase")
        return self

    @property
    def place(self) -> str:
        """Returns `adjective`, `noun` or `phrase`."""
        return next(iter(self.model_fields_set))

    @property
    def text(self) -> str:
        """Returns the word itself."""
        return str(getattr(self, self.place))


class FeatureWords(Section):
    """How one feature is put into words."""

    unit: str = ""
    """Follows the value in sentences: `orders`; without it the feature's name does."""
    times: float = Field(default=1, gt=0)
    """Factor of the printed value, 100 for shares in percent."""
    decimals: int = Field(default=0, ge=0, le=6)
    """Digits after the point in sentences and pictures."""
    short: str | None = None
    """Heading in pictures; the feature's name if not given."""
    high: Word | None = None
    """Said of a segment far above the average."""
    low: Word | None = None
    """Said of a segment far below the average."""


class Naming(Section):
    """How segments get their names."""

    noun: str = Field(default="customers", min_length=1)
    """Stands where no feature offers a noun."""
    plain: str = Field(default="typical", min_length=1)
    """Adjective of a segment that nothing distinguishes."""
    min_difference: float = Field(default=0.35, ge=0)
    """Features closer to the average give no word (in standard deviations of all users)."""
    max_words: int = Field(default=3, ge=1, le=6)
    """Features named in one label; more only where two labels would be equal."""
    max_facts: int = Field(default=3, ge=1, le=10)
    """Features told in the sentence about a segment."""
    features: dict[str, FeatureWords] = Field(default_factory=dict)
    """Words and units by feature."""


class FeatureSegmentation(Section):
    """What all segmentations by the distances of users have."""

    description: str = ""
    """What the segmentation is for."""
    features: tuple[str, ...] = Field(min_length=1)
    """Scaled features that distances are measured in."""
    described_by: tuple[str, ...] = ()
    """Features that only name and profile the segments."""
    naming: Naming = Field(default_factory=Naming)
    """Words for the segments' names."""

    @model_validator(mode="after")
    def _each_once(self) -> FeatureSegmentation:
        if len(set(self.profiled)) != len(self.profiled):
            raise ValueError("features and described_by must name each feature once")
        return self

    @property
    def profiled(self) -> tuple[str, ...]:
        """Returns all features of the profiles: those of the distance first."""
        return self.features + self.described_by


class KMeansSegmentation(FeatureSegmentation):
    """A segmentation by k-means: every user belongs to the nearest of k centres."""

    name: str = Field(pattern=NAME, max_length=60)
    """The file's name; segments are called `<name>-1`, `<name>-2`, …"""
    kind: Literal["kmeans"] = "kmeans"
    """How segments are found."""
    k_min: int = Field(default=3, ge=2, le=100)
    """Smallest number of segments tried."""
    k_max: int = Field(default=8, ge=2, le=100)
    """Largest number of segments tried."""
    outliers: Literal["keep", "clip", "exclude"] = "keep"
    """What is done with features beyond `outliers_beyond`: nothing; they are moved to that bound;
    or their users take no part in finding the centres, and are assigned to the nearest one."""
    outliers_beyond: float = Field(default=4.0, gt=0)
    """Distance from the mean, in standard deviations (units of the scaled feature)."""
    gap_references: int = Field(default=10, ge=0, le=100)
    """Data sets without clusters that the gap statistic compares with; 0 leaves it out."""
    gap_users: int = Field(default=1_000, ge=50, le=5_000)
    """Users, chosen by a hash, that the gap statistic looks at."""
    max_iter: int = Field(default=300, ge=1)
    """Iterations of one start, at most."""
    tol: float = Field(default=1e-4, gt=0)
    """A start ends when its centres hardly move any more (scikit-learn's `tol`)."""
    min_segment_share: float = Field(default=0.01, ge=0, lt=0.5)
    """A candidate with a segment smaller than this share of the users cannot win."""

    @model_validator(mode="after")
    def _consistent(self) -> KMeansSegmentation:
        if self.k_max < self.k_min:
            raise ValueError("k_max must not be below k_min")
        return self

    @property
    def exclusive(self) -> bool:
        """Returns whether a user has one segment of this segmentation at most."""
        return True
