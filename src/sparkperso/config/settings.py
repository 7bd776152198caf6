"""The whole configuration: one section per part of the suite."""

from __future__ import annotations

from pydantic import Field

from sparkperso.config.features import FeaturesConfig
from sparkperso.config.ingest import IngestConfig
from sparkperso.config.platform import LakeConfig, SparkConfig, TrackingConfig
from sparkperso.config.recommend import RecommendConfig
from sparkperso.config.section import Section
from sparkperso.config.segments import SegmentsConfig


class Settings(Section):
    """Everything that conf/ says, validated; see `sparkperso config show`."""

    env: str = "local"
    lake: LakeConfig = Field(default_factory=LakeConfig)
    spark: SparkConfig = Field(default_factory=SparkConfig)
    tracking: TrackingConfig = Field(default_factory=TrackingConfig)
    ingest: IngestConfig = Field(default_factory=IngestConfig)
    features: FeaturesConfig = Field(default_factory=FeaturesConfig)
    segments: SegmentsConfig = Field(default_factory=SegmentsConfig)
    recommend: RecommendConfig = Field(default_factory=RecommendConfig)

    @property
    def tracking_uri(self) -> str:
        """Returns the MLflow tracking URI, the lake's own SQLite file when none is configured."""
        return self.tracking.uri or f"sqlite:///{self.lake.root}/_mlflow/mlflow.db"

    @property
    def artifact_root(self) -> str:
        """Returns where MLflow keeps artifacts."""
        return self.tracking.artifact_root or f"{self.lake.root}/_mlflow/artifacts"
