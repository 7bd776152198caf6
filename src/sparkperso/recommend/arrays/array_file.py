"""Arrays as one file, in the form of safetensors: it is mapped, and nothing is copied.

Eight bytes tell the length of the header, a JSON object; the bytes of the arrays follow it, one
after the other. The header has name → dtype, shape, and where its bytes begin and end, and texts
under `__metadata__`. Wide numbers come first, so that all of them are aligned.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
METADATA: Final = "__metadata__"
DTYPES: Final = {"I64": "<i8", "I32": "<i4", "F32": "<f4", "U8": "|u1"}
NAMES: Final = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
LENGTH: Final = struct.Struct("<Q")


def pack_arrays(arrays: Mapping[str, Array], texts: Mapping[str, str]) -> Iterator[bytes]:
    """Yields a file of arrays (of `DTYPES`) and texts, block by block."""
    widest_first = sorted(arrays.items(), key=lambda one: -one[1].itemsize)
    header: dict[str, Any] = {METADATA: dict(texts)}
    end = 0
    for name, array in widest_first:
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    data = json.dumps(header).encode()
    data += b" " * (-len(data) % LENGTH.size)
    yield LENGTH.pack(len(data)) + data
    for _, array in widest_first:
        yield np.ascontiguousarray(array).tobytes()


def unpack_arrays(data: memoryview) -> tuple[dict[str, Array], dict[str, str]]:
    """Returns the arrays of a file, which are views of it, and its texts.

    Raises ValueError for what is no such file.
    """
    try:
        (length,) = LENGTH.unpack_from(data)
        header = json.loads(bytes(data[LENGTH.size : LENGTH.size + length]))
        texts = header.pop(METADATA)
        body = data[LENGTH.size + length :]
        return {name: _array_of(body, **entry) for name, entry in header.items()}, texts
    except (struct.error, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def _array_of(body: memoryview, dtype: str, shape: list[int], data_offsets: list[int]) -> Array:
    begin, _ = data_offsets
    found = np.frombuffer(body, DTYPES[dtype], math.prod(shape), begin)
    return found.reshape(shape)
