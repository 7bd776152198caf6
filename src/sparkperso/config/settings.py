"""The whole configuration: one section per part of the suite."""

from __future__ import annotations

import os

from pydantic import Field

from sparkperso.config.api import ApiConfig
from sparkperso.config.collect import CollectConfig
from sparkperso.config.consent import ConsentConfig
from sparkperso.config.content.cms import CmsConfig
from sparkperso.config.content.section import ServingConfig
from sparkperso.config.dashboard import DashboardConfig
from sparkperso.config.experiments.section import ExperimentsConfig
from sparkperso.config.experiments.simulation import SimulationConfig
from sparkperso.config.features import FeaturesConfig
from sparkperso.config.ingest import IngestConfig
from sparkperso.config.links import LinksConfig
from sparkperso.config.mail.section import MailConfig
from sparkperso.config.monitoring.section import MonitoringConfig
from sparkperso.config.outbound import OutboundConfig
from sparkperso.config.platform import LakeConfig, LoggingConfig, SparkConfig, TrackingConfig
from sparkperso.config.privacy import PrivacyConfig
from sparkperso.config.recommend.section import RecommendConfig
from sparkperso.config.refresh.section import RefreshConfig
from sparkperso.config.security import SecurityConfig
from sparkperso.config.segments import SegmentsConfig
from sparkperso.config.serving import PublishConfig, StoreConfig
from sparkperso.config.stream import StreamConfig
from sparkperso.config.triggers import TriggersConfig
from sparkperso.core.errors import ConfigError, UsageError
from sparkperso.core.places import local_path
from sparkperso.core.section import Section

UNITY_CATALOGS = ("databricks-uc",)
"""Registries whose models have names of three levels."""


class Settings(Section):
    """Everything that conf/ says, validated; see `sparkperso config show`."""

    env: str = "local"
    lake: LakeConfig = Field(default_factory=LakeConfig)
    spark: SparkConfig = Field(default_factory=SparkConfig)
    tracking: TrackingConfig = Field(default_factory=TrackingConfig)
    logging: LoggingConfig = Field(default_factory=LoggingConfig)
    collect: CollectConfig = Field(default_factory=CollectConfig)
    consent: ConsentConfig = Field(default_factory=ConsentConfig)
    privacy: PrivacyConfig = Field(default_factory=PrivacyConfig)
    links: LinksConfig = Field(default_factory=LinksConfig)
    mail: MailConfig = Field(default_factory=MailConfig)
    ingest: IngestConfig = Field(default_factory=IngestConfig)
    stream: StreamConfig = Field(default_factory=StreamConfig)
    features: FeaturesConfig = Field(default_factory=FeaturesConfig)
    segments: SegmentsConfig = Field(default_factory=SegmentsConfig)
    recommend: RecommendConfig = Field(default_factory=RecommendConfig)
    store: StoreConfig = Field(default_factory=StoreConfig)
    serving: ServingConfig = Field(default_factory=ServingConfig)
    publish: PublishConfig = Field(default_factory=PublishConfig)
    security: SecurityConfig = Field(default_factory=SecurityConfig)
    api: ApiConfig = Field(default_factory=ApiConfig)
    dashboard: DashboardConfig = Field(default_factory=DashboardConfig)
    outbound: OutboundConfig = Field(default_factory=OutboundConfig)
    cms: CmsConfig = Field(default_factory=CmsConfig)
    triggers: TriggersConfig = Field(default_factory=TriggersConfig)
    experiments: ExperimentsConfig = Field(default_factory=ExperimentsConfig)
    simulation: SimulationConfig = Field(default_factory=SimulationConfig)
    monitoring: MonitoringConfig = Field(default_factory=MonitoringConfig)
    refresh: RefreshConfig = Field(default_factory=RefreshConfig)

    @property
    def tracking_uri(self) -> str:
        """Returns the MLflow tracking URI, the lake's own SQLite file when none is configured.

        Raises ConfigError when none is, and the lake is in no folder that could hold that file.
        """
        if self.tracking.uri:
            return self.tracking.uri
        return f"sqlite:///{self._own_folder}/_mlflow/mlflow.db"

    @property
    def artifact_root(self) -> str | None:
        """Returns where MLflow keeps artifacts; None leaves that to the tracking server."""
        # Only beside our own SQLite file: a server has a place of its own.
        if self.tracking.artifact_root or not self.tracking_uri.startswith("sqlite:///"):
            return self.tracking.artifact_root
        return f"{self._own_folder}/_mlflow/artifacts"

    def require_shared_lake(self) -> None:
        """Raises UsageError for a relative lake where the master is a cluster's.

        Its machines and schedulers have working folders of their own.
        """
        root = None if self.lake.catalog else local_path(self.lake.root)
        if root is None or self.spark.master is not None or os.path.isabs(root):
            return
        raise UsageError(
            "On a cluster the lake is an absolute folder that every machine sees, or a URI",
            f"Found '{root}', relative to the working folder {os.getcwd()}",
            "Name it, such as --lake hdfs:///shop/lake or --lake /mnt/shop/lake; a session of this "
            "machine alone is --env local",
        )

    @property
    def log_folder(self) -> str | None:
        """Returns the folder of this machine for log files; None when there are to be none."""
        return self.logging.folder or self.beside_tables("_logs")

    def beside_tables(self, name: str) -> str | None:
        """Returns a folder beside the lake's tables; None where those are on no disk of ours."""
        root = None if self.lake.catalog else local_path(self.lake.root)
        return root and f"{root}/{name}"

    @property
    def model_schema(self) -> str | None:
        """Returns the catalog and schema of registered models; None outside of Unity Catalog.

        Raises ConfigError when the registry is Unity Catalog and the tables are in no catalog.
        """
        if self.tracking.registry_uri not in UNITY_CATALOGS:
            return None
        if not self.lake.catalog:
            raise ConfigError(
                "lake.catalog should name the catalog of the models",
                f"It is not set, and tracking.registry_uri is '{self.tracking.registry_uri}'",
                "Set it, or another tracking.registry_uri",
            )
        return f"{self.lake.catalog}.{self.lake.schema_of('gold')}"

    @property
    def _own_folder(self) -> str:
        root = local_path(self.lake.root)
        if root is None:
            raise ConfigError(
                "tracking.uri should name an MLflow server when the lake is not a local folder",
                f"It is not set, and lake.root is '{self.lake.root}'",
                "Set SPARKPERSO__TRACKING__URI, or --set tracking.uri=ADDRESS",
            )
        return root
