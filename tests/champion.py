"""A small shop whose champion is registered as training registers it, without Spark."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
from deltalake import write_deltalake

from sparkperso.config import load_settings
from sparkperso.config.recommend.models import AlsParams, HybridParams, PopularityParams
from sparkperso.platform.tracking import Loadable, open_tracking
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.model_arrays import to_rows
from sparkperso.recommend.registered import pyfunc
from sparkperso.recommend.registered.model_files import write_arrays, write_items
from sparkperso.recommend.registered.recommender import arrays_of
from sparkperso.testing.models import coloured_catalogue, random_users

USERS = random_users()
CATALOGUE = coloured_catalogue(USERS.n_items)
POPULARITY = PopularityParams(scope="country")
PARAMS = HybridParams(
    parts=(AlsParams(rank=4, max_iter=3, values="strength"), POPULARITY),
    weights=dict.fromkeys(("0", "1-4", "5-19", "20+"), (1.0, 0.5)),
)
DOCUMENT = {
    "strategy": "hybrid",
    "params": PARAMS.model_dump(mode="json"),
    "popularity": POPULARITY.model_dump(mode="json"),
    "as_of": "2026-03-01T12:00:00",
    "model_version": "abc123",
    "config": {"lists": {"n_items": 5}},
    "test": {"challenger": "hybrid", "metrics": {"hybrid": {"ndcg_at_10": 0.25}}},
}


def rows_of(model, fallback):
    return list(to_rows(arrays_of(model, fallback)))


def write_lake(root):
    """Writes the users' histories and profiles as jobs do."""
    pairs = USERS.pairs.tocoo()
    table = {
        "user_id": USERS.ids[pairs.row].tolist(),
        "item_id": CATALOGUE.ids[pairs.col].tolist(),
        "strength": pairs.data.astype(float).tolist(),
    }
    # What came after the training has no place in the model.
    late = {"user_id": ["u000"], "item_id": ["brand new"], "strength": [1.0]}
    rows = pa.table({name: [*late[name], *column[::-1]] for name, column in table.items()})
    write_deltalake(str(root / "gold/interactions"), rows)
    profiles = pa.table(
        {
            "user_id": USERS.ids.tolist(),
            "birth_year": pa.nulls(len(USERS), pa.int32()),
            "country": [own[0].removeprefix("country=") for own in USERS.attributes],
            "attributes": pa.array([[] for _ in USERS.ids], pa.map_(pa.string(), pa.string())),
        }
    )
    write_deltalake(str(root / "gold/profiles"), profiles)


def register_champion(root, model, fallback, model_schema=None):
    """Registers a model in a lake's own MLflow, or another that the settings name, as champion."""
    tracking = open_tracking(load_settings(lake=str(root)))
    tracking = replace(tracking, model_schema=model_schema)

    def write(folder):
        write_items(folder, CATALOGUE)
        write_arrays(folder, rows_of(model, fallback))

    example = {"user_id": ["somebody"], "items": [CATALOGUE.ids[:2].tolist()]}
    columns = (pyfunc.INPUTS, pyfunc.OUTPUTS)
    params = {"n": 5, "exclude_seen": True}
    loadable = Loadable(pyfunc.LOADER, write, *columns, params, example)
    with tracking.run("train", "one") as run:
        version = tracking.register("recommender", run.run_id, DOCUMENT, loadable)
    tracking.set_alias("recommender", "champion", version)
    return tracking


def fitted():
    """Returns the model and the popularity that fills its lists."""
    return tuple(fit_model(params, USERS, CATALOGUE) for params in (PARAMS, POPULARITY))
