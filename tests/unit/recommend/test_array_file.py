"""Arrays in a file come back as they were, as views of it; what is no such file is refused."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from sparkperso.recommend.arrays.array_file import pack_arrays, unpack_arrays

ARRAYS = {
    "bytes": np.arange(7, dtype=np.uint8),
    "places": np.arange(5, dtype=np.int32)[::-1],
    "starts": np.array([0, 1 << 40], dtype=np.int64),
    "scores": np.array([[0.5, -np.inf], [np.nan, 3]], dtype=np.float32),
    "none": np.zeros(0, dtype=np.int64),
}


def packed(arrays=ARRAYS, **texts):
    return memoryview(b"".join(pack_arrays(arrays, texts)))


def test_arrays_and_texts_come_back_without_a_copy():
    data = packed(format="1", params='{"é": "\n"}')
    arrays, texts = unpack_arrays(data)
    assert texts == {"format": "1", "params": '{"é": "\n"}'}
    assert arrays.keys() == ARRAYS.keys()
    for name, expected in ARRAYS.items():
        found = arrays[name]
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
        assert not found.flags.writeable
        assert found.flags.aligned
        assert not found.size or np.shares_memory(found, np.frombuffer(data, np.uint8))


def test_the_form_is_that_of_safetensors():
    data = packed()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(bytes(data[8 : 8 + length]))
    header.pop("__metadata__")
    spans = sorted(entry["data_offsets"] for entry in header.values())
    ends = [end for _, end in spans]
    assert [begin for begin, _ in spans] == [0, *ends[:-1]], "no holes"
    assert 8 + length + ends[-1] == len(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 7, b"\0" * 8, b"\xff" * 8, b"\2" + b"\0" * 7 + b"[]", bytes(packed())[:-40],
     bytes(packed())[:20], bytes(packed()).replace(b"I64", b"I65")],
    ids=range(8),
)  # fmt: skip
def test_what_is_no_such_file_is_refused(data):
    with pytest.raises(ValueError):  # noqa: PT011
        unpack_arrays(memoryview(data))
