"""Fitted models as rows: every array comes back as it was, and nothing is pickled."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest

from sparkperso.recommend.models import model_arrays
from sparkperso.recommend.models.model_arrays import from_rows, to_rows

ARRAYS = {
    "matrix": np.arange(35, dtype=np.float32).reshape(7, 5),
    "ints": np.arange(9, dtype=np.int64),
    "none": np.zeros((0, 4), dtype=np.float32),
    "special": np.array([np.nan, np.inf, -np.inf, -0.0]),
    "texts": np.array(["", "country=GB", "straße"], dtype=object),
    "no_texts": np.array([], dtype=object),
}


@pytest.mark.parametrize("block_bytes", [1, 50, 2**24])
def test_arrays_come_back_bit_by_bit_from_rows_in_any_order(monkeypatch, block_bytes):
    monkeypatch.setattr(model_arrays, "BLOCK_BYTES", block_bytes)
    rows = list(to_rows(ARRAYS))
    random.Random(1).shuffle(rows)
    found = from_rows(rows)
    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        same = found[name].tolist() == array.tolist()
        assert same or found[name].tobytes() == array.tobytes()


def test_large_arrays_are_cut_into_blocks(monkeypatch):
    monkeypatch.setattr(model_arrays, "BLOCK_BYTES", 3 * 5 * 4)
    rows = list(to_rows({"matrix": ARRAYS["matrix"]}))
    assert [(name, block) for name, block, _ in rows] == [("matrix", n) for n in range(3)]
    assert np.load(io.BytesIO(rows[1][2])).tolist() == ARRAYS["matrix"][3:6].tolist()


def test_more_blocks_than_ten_keep_their_order(monkeypatch):
    monkeypatch.setattr(model_arrays, "BLOCK_BYTES", 1)
    long = {"ints": np.arange(25)}
    assert from_rows(sorted(to_rows(long), key=lambda row: str(row[1])))["ints"].tolist() == list(
        range(25)
    )


def test_a_pickle_is_neither_written_nor_read():
    assert all(
        np.load(io.BytesIO(data), allow_pickle=False) is not None for _, _, data in to_rows(ARRAYS)
    )
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        from_rows([("evil", 0, buffer.getvalue())])
