"""A real Kafka broker for the tests that need one, started once."""

from __future__ import annotations

from uuid import uuid4

import pytest

from sparkperso.core.errors import UsageError


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """Gives a running broker; a test that stops it starts it again."""
    from sparkperso.testing.kafka import kafka_broker

    try:
        with kafka_broker(tmp_path_factory.mktemp("kafka")) as running:
            yield running
    except UsageError as missing:
        pytest.fail(str(missing))


@pytest.fixture
def topic(broker):
    """Gives the name of an empty topic with two partitions."""
    name = f"events-{uuid4().hex[:8]}"
    broker.create_topic(name)
    return name
