"""The whole pipeline on a small real sample, carried out once for all tests that look at it."""

from __future__ import annotations

import pytest

from tests.conftest import TEST_PROPERTIES

# A search that a test can wait for; what is searched is no part of what these tests look at.
SMALL_SEARCH = [
    "segments.min_users=50",
]


@pytest.fixture(scope="session")
def sample_file(tmp_path_factory):
    from sparkperso.testing.sample import write_sample

    return write_sample(tmp_path_factory.mktemp("sample") / "order_lines.parquet")
