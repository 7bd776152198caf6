"""One error tree: three parts become one paragraph, and each kind has its exit status."""

from __future__ import annotations

import pytest

from sparkperso.core import errors

STATUS = {
    "SparkpersoError": 1,
    "JobError": 1,
    "WriteConflictError": 1,
    "TrackingError": 1,
    "UsageError": 2,
    "ConfigError": 2,
}


def test_every_error_has_the_promised_exit_status():
    kinds = {k: v for k, v in vars(errors).items() if isinstance(v, type)}
    found = {name: kind.exit_status for name, kind in kinds.items()}
    assert found == {**STATUS, "QualityGateError": 3}
    assert all(issubclass(kind, errors.SparkpersoError) for kind in kinds.values())


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("Expected a",), "Expected a."),
        (("Expected a", "found b"), "Expected a. found b."),
        (("Expected a.", "found b!", "do c?"), "Expected a. found b! do c?"),
        (("Expected a", "", "do c"), "Expected a. do c."),
    ],
)
def test_the_parts_become_one_paragraph(parts, text):
    error = errors.SparkpersoError(*parts)
    assert str(error) == text
    assert error.expected == parts[0]
