"""One cluster for all tests of this folder: a master and two workers, processes of their own."""

from __future__ import annotations

import pytest

from sparkperso.testing.cluster import standalone_cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    with standalone_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running
