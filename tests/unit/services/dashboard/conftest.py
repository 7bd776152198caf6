from __future__ import annotations

import pytest
from tests.dashboards import client_of, lake_of, view_of
from tests.small_lake import write_lake


@pytest.fixture(scope="session")
def small_lake(tmp_path_factory):
    root = tmp_path_factory.mktemp("lake")
    write_lake(root)
    return root


@pytest.fixture(scope="session")
def lake(small_lake):
    return lake_of(small_lake)


@pytest.fixture
def empty_lake(tmp_path):
    return lake_of(tmp_path)


@pytest.fixture
def view(lake):
    return view_of(lake)


@pytest.fixture(scope="module")
def client(small_lake, tmp_path_factory):
    spool = tmp_path_factory.mktemp("audit")
    with client_of(small_lake, f"security.audit.folder={spool}") as client:
        client.spool = spool
        yield client
