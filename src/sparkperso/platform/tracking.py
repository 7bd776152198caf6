"""The only place that imports mlflow: runs, artifacts and the model registry.

It uses MLflow's client explicitly (no active run, no global URI), so runs may be recorded from
several threads at once.
"""

from __future__ import annotations

import getpass
import json
import logging
import math
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    RunStatus,
    RunTag,
)
from mlflow.entities.logged_model_output import LoggedModelOutput
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    ParamSchema,
    ParamSpec,
    Schema,
    TensorSpec,
)

import sparkperso
from sparkperso.config import Settings
from sparkperso.core.causes import cause_of
from sparkperso.core.errors import JobError, SparkpersoError, TrackingError
from sparkperso.core.hashing import short_hash
from sparkperso.core.places import uri_of
from sparkperso.core.processes import is_gone, this_process
from sparkperso.platform.artifacts import follow_lake, registered_name
from sparkperso.platform.run_recorder import Span

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# MLflow tells at length how it creates its database, and draws a bar for every small file.
for name in ("mlflow", "alembic", "huey", "sqlalchemy.engine"):
    # MLflow gives them a handler of its own; the log of a command has one for all.
    logging.getLogger(name).handlers.clear()
    logging.getLogger(name).propagate = True
    logging.getLogger(name).setLevel(logging.WARNING)
# Whether this machine has pip says nothing of a model.
logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# A lock file that lies where somebody runs a job says nothing of a model.
os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Makes MLflow open an experiment on its view of model training, not on that of agents."""
COLUMN_TYPES = {
    "string": "string",
    "int": "integer",
    "bigint": "long",
    "float": "float",
    "double": "double",
    "boolean": "boolean",
    "binary": "binary",
    "timestamp": "datetime",
    "date": "datetime",
}
"""Type in Spark SQL → MLflow's."""
OTHER_TYPE = AnyType()  # type: ignore[no-untyped-call]
MOST_METRICS = 800
"""Sent in one call, beside up to 100 parameters and 100 tags: MLflow takes 1,000 entries."""
MODEL, MODEL_FILE, SIGNED_FILE = "model", "model.json", "model/MLmodel"
PROCESS = "sparkperso.process"
"""Tag of the process that writes a run: by it a run is known to be abandoned."""
NOT_THERE = "RESOURCE_DOES_NOT_EXIST"
NO_SUCH_ALIAS = "INVALID_PARAMETER_VALUE"
"""What a registry says of an alias that a model does not have; also of a bad name."""


@contextmanager
def as_tracking_error() -> Iterator[None]:
    """Turns what MLflow's client raises into one paragraph; also to be put above a function."""
    try:
        yield
    except SparkpersoError:
        raise
    except Exception as error:
        # No common base: its own errors, the database driver's, those of files and sockets.
        raise TrackingError(
            "The tracking server (tracking.uri) should carry out requests",
            cause_of(error, with_contexts=True),
            "See that it runs and that this machine reaches it, then run the same command again",
        ) from error


@dataclass(frozen=True)
class TableInput:
    """A table that a run was made from."""

    name: str
    """`<layer>/<table>`."""
    version: int | None
    """Delta version that was read; None for a table that had no row yet."""
    place: str
    """Folder or URI when `by_path`, else the name in a catalog."""
    by_path: bool
    columns: Mapping[str, str]
    """Column → its type in Spark SQL."""
    n_rows: int | None = None

    def entry(self) -> DatasetInput:
        """Returns MLflow's form of it; the digest is that of place and version."""
        source: dict[str, Any] = {"path" if self.by_path else "delta_table_name": self.place}
        source["delta_table_version"] = self.version
        specs: list[ColSpec | TensorSpec] = [
            ColSpec(_type_of(kind), name) for name, kind in self.columns.items()
        ]
        profile = {} if self.n_rows is None else {"num_rows": self.n_rows}
        dataset = Dataset(
            self.name,
            short_hash(f"{self.place}@{self.version}"),
            "delta_table",
            json.dumps(source),
            json.dumps({"mlflow_colspec": Schema(specs).to_dict()}),
            json.dumps(profile),
        )
        return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


@dataclass
class Batch:
    """What a nested run logs, to be sent at its end: with a call for each, a search is hundreds."""

    params: list[Param] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    tags: list[RunTag] = field(default_factory=list)


@dataclass(frozen=True)
class MlflowRun:
    """A RunRecorder on one MLflow run; a nested one sends everything when it ends."""

    client: MlflowClient
    experiment_id: str
    run_id: str
    batch: Batch | None = None
    source_tags: Mapping[str, str] = field(default_factory=dict)
    """Who runs what, as MLflow's tags; nested runs carry them as well."""
    span: Span | None = None
    """When it began and ended, where it is recorded afterwards."""

    @as_tracking_error()
    def log_params(self, params: Mapping[str, Any]) -> None:
        """Keeps settings as MLflow parameters."""
        self._log(Batch(params=[Param(key, str(value)) for key, value in params.items()]))

    @as_tracking_error()
    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Keeps finite figures as MLflow metrics, at `step`; NaN and infinities are left out."""
        now = int(time.time() * 1000)
        finite = {key: float(value) for key, value in metrics.items() if math.isfinite(value)}
        self._log(Batch(metrics=[Metric(key, value, now, step) for key, value in finite.items()]))

    @as_tracking_error()
    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Keeps facts as MLflow tags."""
        self._log(Batch(tags=[RunTag(key, str(value)) for key, value in tags.items()]))

    @as_tracking_error()
    def log_figure(self, figure: Figure, name: str) -> None:
        """Keeps a figure as an artifact."""
        self.client.log_figure(self.run_id, figure, name)

    @as_tracking_error()
    def log_dict(self, content: Mapping[str, Any], name: str) -> None:
        """Keeps a JSON document as an artifact."""
        self.client.log_dict(self.run_id, dict(content), name)

    @as_tracking_error()
    def log_text(self, content: str, name: str) -> None:
        """Keeps a text, such as a page of HTML, as an artifact."""
        self.client.log_text(self.run_id, content, name)

    @as_tracking_error()
    def log_inputs(self, tables: Iterable[TableInput]) -> None:
        """Keeps the tables that the run was made from, as MLflow's datasets."""
        self.client.log_inputs(self.run_id, [table.entry() for table in tables])

    @contextmanager
    def child(self, name: str, span: Span | None = None) -> Iterator[MlflowRun]:
        """Opens a nested run, ended with the block; as failed when the block raises.

        With `span` it is recorded as having begun and ended then.
        """
        tags = {"mlflow.parentRunId": self.run_id}
        with _open_run(replace(self, batch=Batch(), span=span), name, tags) as run:
            yield run

    def _log(self, batch: Batch) -> None:
        if self.batch is None:
            self._send(batch)
        else:
            self.batch.params += batch.params
            self.batch.metrics += batch.metrics
            self.batch.tags += batch.tags

    def _send(self, batch: Batch) -> None:
        """Sends a batch in as few calls as MLflow's bound on one allows."""
        self.client.log_batch(self.run_id, batch.metrics[:MOST_METRICS], batch.params, batch.tags)
        for start in range(MOST_METRICS, len(batch.metrics), MOST_METRICS):
            self.client.log_batch(self.run_id, batch.metrics[start : start + MOST_METRICS])

    @as_tracking_error()
    def end(self, status: int) -> None:
        """Ends the run, after sending what MLflow does not know yet."""
        if self.batch is not None:
            self._send(self.batch)
        ended = None if self.span is None else round(self.span[1] * 1000)
        self.client.set_terminated(self.run_id, RunStatus.to_string(status), ended)


@dataclass(frozen=True)
class Loadable:
    """How `mlflow.pyfunc.load_model` loads a registered model, and what its `predict` takes."""

    loader_module: str
    """Module whose `_load_pyfunc` loads a folder that `write` has filled."""
    write: Callable[[Path], None]
    """Writes the model's files into a folder; its document is added as model.json."""
    inputs: Mapping[str, str]
    """Column → its type in Spark SQL; with `?` at its end, it may be left out."""
    outputs: Mapping[str, str]
    params: Mapping[str, Any]
    """Parameter of `predict` → its default."""
    example: Mapping[str, list[Any]]
    """Column → values: an input that works wherever the model is loaded."""
    packages: Sequence[str] = ()
    """What pip installs besides this package (`name==version`)."""

    def save(self, folder: Path, document: Mapping[str, Any], model_id: str, run_id: str) -> None:
        """Writes an MLmodel into a folder that is not there yet: no pickle, no code."""
        import pandas as pd
        from mlflow.pyfunc import save_model

        defaults = [ParamSpec(name, _kind_of(own), own) for name, own in self.params.items()]
        columns = (_schema(self.inputs), _schema(self.outputs))
        save_model(
            str(folder),
            loader_module=self.loader_module,
            mlflow_model=Model(run_id=run_id, model_id=model_id),
            signature=ModelSignature(*columns, ParamSchema(defaults)),
            input_example=pd.DataFrame(dict(self.example)),
            pip_requirements=[*requirements(), *self.packages],
        )
        self.write(folder)
        text = json.dumps(dict(document), indent=2)
        (folder / MODEL_FILE).write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class ModelVersion:
    """A registered model version and the document that describes it.

    The document is JSON: tables and their versions, parameters, figures.
    """

    name: str
    version: str
    run_id: str
    document: dict[str, Any]
    created_at: datetime | None = None
    """When it was registered."""


@dataclass(frozen=True)
class Tracking:
    """Experiments and registered models of one tracking server."""

    client: MlflowClient
    artifact_root: str | None
    prefix: str
    model_schema: str | None = None
    """`<catalog>.<schema>` of the models in Unity Catalog; None: the registry has one level."""

    @contextmanager
    def run(self, experiment: str, name: str, description: str = "") -> Iterator[MlflowRun]:
        """Opens a run of `<prefix>/<experiment>`, ended with the block.

        It names its user, the command and the code, and shows `description` on its page. Runs of
        the experiment whose process of this machine is gone are ended first, as killed.
        """
        experiment_id = self._experiment_id(f"{self.prefix}/{experiment}")
        tags = {"mlflow.note.content": description} if description else {}
        self._close_abandoned(experiment_id)
        like = MlflowRun(self.client, experiment_id, "", source_tags=source_tags(experiment))
        with _open_run(like, name, tags) as run:
            yield run

    @as_tracking_error()
    def register(
        self,
        name: str,
        run_id: str,
        document: Mapping[str, Any],
        loadable: Loadable | None = None,
        description: str | None = None,
    ) -> str:
        """Registers a model version: its document (tables, their versions, configuration).

        With `loadable` MLflow loads it, too; its page shows `description`. Returns the version. No
        pickle is stored: loading a model must not run code that came with it. Raises TrackingError
        when the server does not do it.
        """
        if loadable is None:
            model_id, source = None, self._log_document(run_id, document)
        else:
            model_id, source = self._log_model(run_id, document, loadable)
        full = self.model_name(name)
        try:
            self.client.create_registered_model(full)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = self.client.create_model_version(
            full, source, run_id, description=description, model_id=model_id
        )
        return str(version.version)

    def _log_document(self, run_id: str, document: Mapping[str, Any]) -> str:
        """Keeps a document with its run; returns the address of its folder."""
        self.client.log_dict(run_id, dict(document), f"{MODEL}/{MODEL_FILE}")
        if self.model_schema:
            self.client.log_text(run_id, _signed(run_id), SIGNED_FILE)
        return f"{self.client.get_run(run_id).info.artifact_uri}/{MODEL}"

    def _log_model(
        self, run_id: str, document: Mapping[str, Any], loadable: Loadable
    ) -> tuple[str, str]:
        """Keeps a model as one of MLflow's, made by a run; returns its id and address."""
        experiment_id = self.client.get_run(run_id).info.experiment_id
        model = self.client.create_logged_model(experiment_id, MODEL, run_id)
        with TemporaryDirectory(prefix="sparkperso-model-") as place:
            folder = Path(place) / MODEL
            loadable.save(folder, document, model.model_id, run_id)
            self.client.log_model_artifacts(model.model_id, str(folder))
        self.client.finalize_logged_model(model.model_id, "READY")
        self.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
        return model.model_id, model.artifact_location

    @as_tracking_error()
    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Points an alias such as `champion` at a version."""
        self.client.set_registered_model_alias(self.model_name(name), alias, version)

    @as_tracking_error()
    def remove_alias(self, name: str, alias: str) -> None:
        """Takes an alias away; nothing where there is none."""
        self.client.delete_registered_model_alias(self.model_name(name), alias)

    @as_tracking_error()
    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        """Returns the version that an alias points at; None where the registry says there is none.

        Raises TrackingError when the registry does not answer, and for any other answer of it: "no
        champion" is never concluded from silence.
        """
        full = self.model_name(name)
        try:
            version = self.client.get_model_version_by_alias(full, alias)
        except MlflowException as error:
            if error.error_code == NOT_THERE or (
                error.error_code == NO_SUCH_ALIAS
                and alias not in self.client.get_registered_model(full).aliases
            ):
                return None
            raise
        return self._describe(name, version)

    @as_tracking_error()
    def by_version(self, name: str, version: str) -> ModelVersion | None:
        """Returns a version by its number; None where the registry says there is none.

        Raises TrackingError when the registry does not answer.
        """
        try:
            found = self.client.get_model_version(self.model_name(name), version)
        except MlflowException as error:
            if error.error_code == NOT_THERE:
                return None
            raise
        return self._describe(name, found)

    @as_tracking_error()
    def tag_version(self, name: str, version: str, tags: Mapping[str, Any]) -> None:
        """Keeps facts about a model version."""
        for key, value in tags.items():
            self.client.set_model_version_tag(self.model_name(name), version, key, str(value))

    def model_name(self, name: str) -> str:
        """Returns the registered name: `<last part of prefix>-<name>`.

        In Unity Catalog it is `<catalog>.<schema>.<last part of prefix>_<name>`.
        """
        plain = registered_name(self.prefix, name)
        return f"{self.model_schema}.{plain.replace('-', '_')}" if self.model_schema else plain

    @as_tracking_error()
    def _describe(self, name: str, version: Any) -> ModelVersion:
        with TemporaryDirectory(prefix="sparkperso-model-") as folder:
            # Not the version's own download address: Unity Catalog keeps a copy that needs a token.
            path = download_artifacts(
                f"{version.source}/{MODEL_FILE}",
                dst_path=folder,
                tracking_uri=self.client.tracking_uri,
            )
            document = json.loads(Path(path).read_text(encoding="utf-8"))
        created = datetime.fromtimestamp(version.creation_timestamp / 1000, timezone.utc)
        return ModelVersion(name, str(version.version), version.run_id, document, created)

    @as_tracking_error()
    def _close_abandoned(self, experiment_id: str) -> None:
        """Ends the runs, nested ones too, that a process that is gone has left as running."""
        running = self.client.search_runs([experiment_id], "attributes.status = 'RUNNING'")
        for run in running:
            if is_gone(run.data.tags.get(PROCESS)):
                self.client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))

    @as_tracking_error()
    def _experiment_id(self, name: str) -> str:
        experiment = self.client.get_experiment_by_name(name)
        if experiment is not None:
            return str(experiment.experiment_id)
        place = f"{self.artifact_root}/{name}" if self.artifact_root else None
        return str(self.client.create_experiment(name, place, KIND))


def source_tags(command: str) -> dict[str, str]:
    """Returns who runs which command of which code, as MLflow's tags."""
    tags = {
        "mlflow.user": user_name(),
        "mlflow.source.type": "JOB",
        "mlflow.source.name": f"sparkperso {command}",
        "sparkperso.version": sparkperso.__version__,
        PROCESS: this_process(),
    }
    commit = git_commit()
    return {**tags, "mlflow.source.git.commit": commit} if commit else tags


def user_name() -> str:
    """Returns the name of the user of this process, `unknown` where the system knows none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number alone
        return "unknown"


@cache
def git_commit() -> str | None:
    """Returns the commit of the checkout that the package runs from, None outside of one."""
    root = Path(sparkperso.__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


@as_tracking_error()
def open_tracking(settings: Settings) -> Tracking:
    """Returns the tracking that the settings name; makes the folder of a SQLite file.

    Artifacts of the lake's own database are looked for where the lake is now. Raises JobError for a
    `tracking.uri` of another kind than sqlite:///FILE, a server's address or databricks,
    ConfigError where settings contradict each other, and TrackingError.
    """
    uri = settings.tracking_uri
    root = settings.artifact_root
    if root:
        root = uri_of(root)
    if uri.startswith("sqlite:///"):
        path = Path(uri.removeprefix("sqlite:///")).resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        if root:
            follow_lake(path, root)
        uri = f"sqlite:///{path}"
    elif "://" not in uri and uri != "databricks":
        raise JobError(
            "tracking.uri should be sqlite:///FILE, a server's address or 'databricks'",
            f"Found '{uri}'",
        )
    client = MlflowClient(uri, settings.tracking.registry_uri or uri)
    return Tracking(client, root, settings.tracking.experiment_prefix, settings.model_schema)


def _signed(run_id: str) -> str:
    """MLflow's own description of a model: Unity Catalog takes none without a signature."""
    user, result = Schema([ColSpec("string", "user_id")]), Schema([ColSpec("string", "result")])
    signature = ModelSignature(inputs=user, outputs=result)
    text: str = Model(artifact_path="model", run_id=run_id, signature=signature).to_yaml()
    return text


def requirements() -> list[str]:
    """Returns what pip installs to load a model: MLflow and this package, in their versions."""
    return [f"mlflow=={mlflow.__version__}", f"sparkperso=={sparkperso.__version__}"]


def _schema(columns: Mapping[str, str]) -> Schema:
    specs: list[ColSpec | TensorSpec] = [
        ColSpec(_type_of(kind.rstrip("?")), name, required=not kind.endswith("?"))
        for name, kind in columns.items()
    ]
    return Schema(specs)


def _type_of(kind: str) -> DataType | Array | AnyType:
    """Returns MLflow's type of one in Spark SQL, also of an array of strings."""
    if kind == "array<string>":
        return Array(DataType.string)
    return DataType[COLUMN_TYPES[kind]] if kind in COLUMN_TYPES else OTHER_TYPE


def _kind_of(value: Any) -> DataType:
    """Returns MLflow's type of a parameter."""
    return DataType.boolean if isinstance(value, bool) else DataType.long


@contextmanager
def _open_run(like: MlflowRun, name: str, tags: Mapping[str, str]) -> Iterator[MlflowRun]:
    """Opens a run where `like` is, of the same source, and ends it with the block."""
    with as_tracking_error():
        all_tags = {**like.source_tags, **tags}
        began = None if like.span is None else round(like.span[0] * 1000)
        run = like.client.create_run(like.experiment_id, began, all_tags, name)
    recorder = replace(like, run_id=run.info.run_id)
    try:
        yield recorder
    except BaseException:
        # What went wrong first is what the user is to see.
        with suppress(TrackingError):
            recorder.end(RunStatus.FAILED)
        raise
    recorder.end(RunStatus.FINISHED)
