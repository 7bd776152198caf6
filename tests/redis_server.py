"""A real Redis server for the tests that need one, started once."""

from __future__ import annotations

import pytest

from sparkperso.core.errors import UsageError


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """Gives a running server; a test that stops it starts it again."""
    from sparkperso.testing.redis import redis_server

    try:
        with redis_server(tmp_path_factory.mktemp("redis")) as running:
            yield running
    except UsageError as missing:
        pytest.fail(str(missing))
