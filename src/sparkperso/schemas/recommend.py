"""Tables of recommending: interactions, indexes, factors and lists."""

from __future__ import annotations

from sparkperso.schemas.spec import TableSpec, required

INTERACTIONS = TableSpec(
    name="gold/interactions",
    grain="one (user_id, item_id)",
    key=("user_id", "item_id"),
    writer="build-features",
    columns=(
        required("user_id", "string", "identified user"),
        required("item_id", "string", "item"),
        required(
            "strength",
            "double",
            "sum of weight × 0.5^(age ÷ half-life) over the events; 0 where refunds outweigh the "
            "rest: known to the user, but no preference",
        ),
        required("n_events", "bigint", "events that count", "events"),
        required("first_at", "timestamp", "first of them", "UTC"),
        required("last_at", "timestamp", "last of them", "UTC"),
    ),
)

USER_INDEX = TableSpec(
    name="gold/user_index",
    grain="one user",
    key=("user_id",),
    writer="train-recommender",
    columns=(
        required("user_id", "string", "identified user"),
        required("user_index", "int", "dense number from 0; never changes, new users are appended"),
    ),
)

ITEM_INDEX = TableSpec(
    name="gold/item_index",
    grain="one item",
    key=("item_id",),
    writer="train-recommender",
    columns=(
        required("item_id", "string", "item"),
        required("item_index", "int", "dense number from 0; never changes, new items are appended"),
    ),
)

ALS_USER_FACTORS = TableSpec(
    name="gold/als_user_factors",
    grain="one user of one model version",
    key=("model_version", "user_id"),
    writer="train-recommender",
    columns=(
        required("model_version", "string", "hash that names the fitted model"),
        required("user_id", "string", "identified user"),
        required("factors", "array<float>", "coordinates"),
    ),
)

ALS_ITEM_FACTORS = TableSpec(
    name="gold/als_item_factors",
    grain="one item of one model version",
    key=("model_version", "item_id"),
    writer="train-recommender",
    columns=(
        required("model_version", "string", "hash that names the fitted model"),
        required("item_id", "string", "item"),
        required("factors", "array<float>", "coordinates"),
    ),
)

MODEL_ARRAYS = TableSpec(
    name="gold/model_arrays",
    grain="one block of one array of one model version",
    key=("model_version", "name", "block"),
    writer="train-recommender",
    columns=(
        required("model_version", "string", "hash that names the fitted model"),
        required("name", "string", "array; `<part>.<array>` in a blend"),
        required("block", "int", "place of the block along the array's first axis, from 0"),
        required("data", "binary", "the block in NumPy's .npy format, without pickle"),
    ),
)

RECOMMENDATIONS = TableSpec(
    name="gold/recommendations",
    grain="one place in one of a user's lists",
    key=("user_id", "kind", "rank"),
    writer="build-recommendations",
    columns=(
        required("user_id", "string", "identified user"),
        required(
            "kind",
            "string",
            "list: new (never an item that the user has), again (what the user is likely to buy "
            "again), mixed (both)",
        ),
        required("rank", "int", "place in the list, from 1"),
        required("item_id", "string", "item recommended"),
        required("score", "double", "the model's score, comparable within one list only"),
        required(
            "strategy",
            "string",
            "name of the model: hybrid, ease, als_implicit, …, popularity where it had no say, or "
            "again for what the user has bought",
        ),
        required(
            "reason",
            "string",
            "because:<item the user has>:<percent of the score it adds>; where none adds to it, "
            "popular:<scope>, profile (users with the same attributes), again or model",
        ),
        required(
            "model_version",
            "string",
            "model that gave the score; 'popularity' where a list was filled up, 'again' where the "
            "user has bought the item",
        ),
        required("generated_at", "timestamp", "when the lists were made", "UTC"),
    ),
)

CANDIDATE_RECOMMENDATIONS = TableSpec(
    name="gold/candidate_recommendations",
    grain="one place in one of a user's lists by a model that experiments compare",
    key=RECOMMENDATIONS.key,
    writer="build-recommendations",
    columns=RECOMMENDATIONS.columns,
)

POPULAR_ITEMS = TableSpec(
    name="gold/popular_items",
    grain="one place in one scope's list",
    key=("scope", "rank"),
    writer="build-recommendations",
    columns=(
        required("scope", "string", "global, country:<ISO 3166-1 alpha-2> or segment:<segment_id>"),
        required("rank", "int", "place in the list, from 1"),
        required("item_id", "string", "item"),
        required("score", "double", "weighted events, anonymous ones too"),
        required("window", "string", "what was counted: 'all', or window and half-life in days"),
    ),
)

SIMILAR_ITEMS = TableSpec(
    name="gold/similar_items",
    grain="one place in one item's list",
    key=("item_id", "rank"),
    writer="build-recommendations",
    columns=(
        required("item_id", "string", "item looked at"),
        required("rank", "int", "place in the list, from 1"),
        required("other_item_id", "string", "similar item"),
        required("score", "double", "cosine of the two items' factors, -1 to 1"),
    ),
)

SESSION_INDEX = TableSpec(
    name="gold/session_index",
    grain="one session of two items or more",
    key=("session_id",),
    writer="build-recommendations",
    columns=(
        required(
            "session_id",
            "string",
            "hash of who (anonymous_id, else user_id), the session as sent, and where none was its "
            "begin; names nobody",
        ),
        required(
            "items",
            "array<string>",
            "items of its events, in order of time and item, each as often as it came",
        ),
        required(
            "n_events",
            "bigint",
            "events with an item that count; above recommend.sessions.max_events `items` has the "
            "latest alone",
            "events",
        ),
        required("began_at", "timestamp", "first of them", "UTC"),
        required("ended_at", "timestamp", "last of them", "UTC"),
    ),
)
