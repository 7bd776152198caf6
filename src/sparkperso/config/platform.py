"""Where things are and how Spark runs: the sections `lake`, `spark`, `logging` and `tracking`."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from sparkperso.core.places import SCHEME
from sparkperso.core.section import Section

Layer = Literal["bronze", "silver", "gold", "ops"]


class LakeConfig(Section):
    """Maps logical table names (`silver/events`) to places."""

    root: str = Field(default="lake", min_length=1)
    """Folder or URI that holds `<layer>/<table>`; relative to the working folder."""
    catalog: str | None = None
    """When set, tables are `<catalog>.<schema>.<table>` instead (Unity Catalog, Hive)."""
    schemas: dict[Layer, str] = Field(default_factory=dict)
    """Layer → schema of the catalog; one that is not named is called as its layer."""
    staging: Literal["executors", "lake"] = "executors"
    """Where records lie while a batch is taken in: on the executors' disks, or in the lake, for
    executors that may be lost (spot nodes), which takes longer. Not with a catalog."""

    @model_validator(mode="after")
    def _stages_where_there_is_a_folder(self) -> LakeConfig:
        if self.catalog and self.staging == "lake":
            raise ValueError("lake.staging: lake needs a folder, which a catalog has not")
        return self

    @model_validator(mode="after")
    def _is_read_where_it_is_written(self) -> LakeConfig:
        if not SCHEME.match(self.root) and (escape := re.search(r"%[0-9A-Fa-f]{2}", self.root)):
            raise ValueError(
                f"lake.root: the folder '{self.root}' cannot be read without Spark, since delta-rs "
                f"takes '{escape[0]}' for another character; rename it"
            )
        return self

    def schema_of(self, layer: str) -> str:
        """Returns the schema of the catalog that holds a layer's tables."""
        return {str(name): schema for name, schema in self.schemas.items()}.get(layer, layer)


class SparkConfig(Section):
    """How a SparkSession is built when none is running yet."""

    app_name: str = "sparkperso"
    master: str | None = None
    """None leaves the master to spark-submit."""
    driver_memory: str | None = None
    """JVM heap of the driver; only when this process starts the JVM."""
    shuffle_partitions: int | None = Field(default=None, ge=1)
    """None leaves it to Spark and its adaptive execution."""
    manage_jars: bool = True
    """Start with the cached Delta and Kafka jars; off where the platform has its own."""
    conf: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Any other Spark property."""


class LoggingConfig(Section):
    """Log lines of commands and services."""

    format: Literal["text", "json"] | None = None
    """`text` for people, or `json`, one object per line, in log files and on standard error. None:
    text from commands, JSON from services."""
    folder: str | None = None
    """Folder of this machine for the log files of commands. None means `<lake.root>/_logs` where
    the lake is a local folder, and no files where it is elsewhere."""


class TrackingConfig(Section):
    """MLflow: where runs and registered models are kept."""

    uri: str | None = None
    """Tracking URI; None means `sqlite:///<lake.root>/_mlflow/mlflow.db`."""
    registry_uri: str | None = None
    """Registry of models; None means that of `uri`. `databricks-uc` is Unity Catalog, where models
    are `<lake.catalog>.<schema of gold>.<name>`."""
    artifact_root: str | None = None
    """Folder or URI of artifacts; None means `<lake.root>/_mlflow/artifacts`, or a server's own."""
    model_bytes: int = Field(default=2 * 2**30, ge=0)
    """Largest model, in bytes of its arrays, that is registered with them; of a larger one the
    registry has all but the arrays, and who loads it needs the lake's gold/model_arrays."""
    experiment_prefix: str = "sparkperso"
    """Experiments are named `<prefix>/<job>`, models `<last part of prefix>-<name>`."""
