"""What models and searches may tell about themselves, whoever keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from matplotlib.figure import Figure


Span = tuple[float, float]
"""When something began and ended, in seconds since 1970."""


class RunRecorder(Protocol):
    """One run of an experiment; `tracking` implements it with MLflow.

    So that what computes may record, and imports no MLflow.
    """

    @property
    def run_id(self) -> str:
        """Identifier of the run."""

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Keeps settings, one value per name."""

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Keeps figures; `step` counts folds, iterations or k. Leaves out what is not finite."""

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Keeps facts about the run, such as input versions."""

    def log_figure(self, figure: Figure, name: str) -> None:
        """Keeps a matplotlib figure under `name` (a relative path ending in .png)."""

    def log_dict(self, content: Mapping[str, Any], name: str) -> None:
        """Keeps a JSON document under `name`."""

    def child(self, name: str, span: Span | None = None) -> AbstractContextManager[RunRecorder]:
        """Opens a nested run, ended with the block (failed when the block raises).

        With `span` it is recorded as having begun and ended then.
        """


class NullRecorder:
    """Keeps nothing: for tests and for callers without tracking."""

    run_id = "none"

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Forgets the settings."""

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Forgets the figures."""

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Forgets the facts."""

    def log_figure(self, figure: Figure, name: str) -> None:
        """Forgets the figure."""

    def log_dict(self, content: Mapping[str, Any], name: str) -> None:
        """Forgets the document."""

    def child(self, name: str, span: Span | None = None) -> AbstractContextManager[RunRecorder]:
        """Returns itself."""
        return nullcontext(self)
