"""The session index of a version: the session model's arrays as one file beside its records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydantic import ValidationError

from sparkperso.config.recommend.sessions import SessionKnnParams
from sparkperso.recommend.arrays.array_file import pack_arrays, unpack_arrays
from sparkperso.recommend.registered.session_model import SessionModel, load_session_model
from sparkperso.services.stores.manifest import BrokenVersionError

FORMAT: Final = "1"
"""Changes with the arrays and what they mean; a reader opens files of its own alone."""


def pack_session_model(model: SessionModel) -> Iterator[bytes]:
    """Yields the file of a model, block by block."""
    texts = {"format": FORMAT, "params": model.model.params.model_dump_json()}
    return pack_arrays(model.arrays(), texts)


def unpack_session_model(data: memoryview, version: str) -> SessionModel:
    """Returns the model of a file, whose arrays are views of it, with the settings it was made by.

    Raises BrokenVersionError for a file of another format.
    """
    try:
        arrays, texts = unpack_arrays(data)
        if texts.get("format") != FORMAT:
            raise ValueError(f"It is of format {texts.get('format')}")
        params = SessionKnnParams.model_validate_json(texts["params"])
        return load_session_model(params, arrays)
    except (ValueError, KeyError, ValidationError) as error:
        raise BrokenVersionError(
            f"Version {version} of the serving store should have a session index of format "
            f"{FORMAT}",
            str(error),
            "Publish anew, or go back with 'sparkperso publish --rollback'",
        ) from None
