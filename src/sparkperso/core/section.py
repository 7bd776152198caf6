"""The base of every configuration model: frozen; unknown keys, infinity and NaN are refused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen group of settings; a field's docstring is its help text."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
        # A weight of .nan would make every figure that it touches one, without a word.
        allow_inf_nan=False,
    )
