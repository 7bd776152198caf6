"""What MLflow loads: `mlflow.pyfunc.load_model("models:/sparkperso-recommender@champion")`.

The module's name stands in every registered model (`loader_module`), so it stays what it is. It
needs neither Spark nor a pickle.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from sparkperso.config import load_settings
from sparkperso.config.platform import LakeConfig
from sparkperso.core.columns import ITEM_ID, RANK, SCORE, USER_ID
from sparkperso.core.errors import UsageError
from sparkperso.platform.artifacts import lake_around
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.recommend.models.base import Arrays
from sparkperso.recommend.models.model_arrays import from_rows
from sparkperso.recommend.promote.model_document import Document
from sparkperso.recommend.registered.known_users import INTERACTIONS, KnownUsers
from sparkperso.recommend.registered.model_files import (
    read_arrays,
    read_document,
    read_items,
)
from sparkperso.recommend.registered.recommender import Recommender

if TYPE_CHECKING:
    from deltalake import DeltaTable

LOADER = __name__
"""What MLflow is told to load a model with."""
INPUTS = {USER_ID: "string", "items": "array<string>?"}
"""Columns that `predict` takes → their type in Spark SQL; with `?`, they may be left out."""
OUTPUTS = {USER_ID: "string", RANK: "int", ITEM_ID: "string", SCORE: "double"}
MODEL_ARRAYS = "gold/model_arrays"
ROOT_VARIABLE = "SPARKPERSO__LAKE__ROOT"


class RecommenderModel:
    """A recommender as MLflow's models are: a DataFrame in, a DataFrame out."""

    def __init__(self, recommender: Recommender) -> None:
        self.recommender = recommender

    def predict(
        self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Returns user_id, rank, item_id, score: one row per place of each user's list.

        `model_input` has user_id and may have items (lists of item_ids: a history instead of the
        lake's). `params` may hold `n`, the length of a list, and `exclude_seen`.
        """
        options = dict(params or {})
        user_ids = model_input[USER_ID].tolist()
        items = model_input["items"] if "items" in model_input else [None] * len(user_ids)
        # Of rows without a list pandas gives NaN or None.
        given = [None if own is None or not hasattr(own, "__len__") else list(own) for own in items]
        users = self.recommender.histories(user_ids, given)
        n, exclude_seen = options.get("n"), options.get("exclude_seen", True)
        table = self.recommender.lists(users, n, exclude_seen)
        frame: pd.DataFrame = table.select(list(OUTPUTS)).to_pandas()
        return frame

    def get_raw_model(self) -> Recommender:
        """Returns what MLflow's `get_raw_model()` gives: lists and scores of single users."""
        return self.recommender


def _load_pyfunc(path: str) -> RecommenderModel:
    """Returns the model of a folder; by this name MLflow calls it."""
    return RecommenderModel(load_recommender(Path(path)))


def load_recommender(
    folder: Path, version: str | None = None, reader: LakeReader | None = None
) -> Recommender:
    """Returns the recommender of a folder of files.

    Users are looked up in the lake of `reader`, else in the one that SPARKPERSO__LAKE__ROOT names,
    else in the one that the folder lies in. Raises UsageError where the arrays are in the tables of
    a lake (they were larger than tracking.model_bytes) and there is none.
    """
    document, catalogue = read_document(folder), read_items(folder)
    reader = reader or reader_for(folder)
    arrays = read_arrays(folder)
    if arrays is None:
        arrays = arrays_in_lake(reader, document)
    users = KnownUsers(reader, catalogue.ids) if reader and reader.open(INTERACTIONS) else None
    return Recommender(document, arrays, catalogue, users, version)


def reader_for(folder: Path) -> LakeReader | None:
    """Returns the lake to look users up in; None where none is named and the folder is in none."""
    if os.environ.get(ROOT_VARIABLE):
        return LakeReader(load_settings().lake)
    root = lake_around(folder)
    return None if root is None else LakeReader(LakeConfig(root=str(root)))


def arrays_in_lake(reader: LakeReader | None, document: Document) -> Arrays:
    """Returns a model's arrays from gold/model_arrays; raises UsageError where they are not."""
    version, opened = document["model_version"], reader and reader.open(MODEL_ARRAYS)
    rows = _rows_of(opened, version) if opened else []
    if not rows:
        raise UsageError(
            f"A model above tracking.model_bytes is read from {MODEL_ARRAYS} of its lake",
            f"There are no rows of model {version}",
            f"Name the lake that it was trained on: set {ROOT_VARIABLE}",
        )
    return from_rows(rows)


def _rows_of(table: DeltaTable, version: str) -> list[tuple[str, int, bytes]]:
    wanted = [("model_version", "=", version)]
    names = ["name", "block", "data"]
    found = table.to_pyarrow_table(columns=names, filters=wanted).select(names)
    return list(zip(*found.to_pydict().values(), strict=True))
