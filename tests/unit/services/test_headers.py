"""Headers: what comes twice, and what every answer says."""

from __future__ import annotations

import pytest

from sparkperso.services.http.headers import (
    JSON_HEADERS,
    NO_STORE,
    PROBLEM_HEADERS,
    REVALIDATED,
    SAFE,
    headers_of,
)


def test_one_that_comes_twice_is_joined_where_it_differs():
    pairs = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"cookie", b"x"), (b"cookie", b"y")]
    joined = headers_of({"headers": pairs})
    assert joined == {b"a": b"1, 3", b"b": b"2", b"cookie": b"x; y"}
    assert headers_of({"headers": [(b"a", b"1"), (b"a", b"1")]}) == {b"a": b"1"}


@pytest.mark.parametrize("headers", [JSON_HEADERS, PROBLEM_HEADERS])
def test_an_answer_of_data_is_read_by_its_script_and_kept_and_run_by_nobody(headers):
    said = dict(headers)
    assert len(said) == len(headers)
    assert said[b"x-content-type-options"] == b"nosniff"
    assert said[b"referrer-policy"] == b"no-referrer"
    policy = said[b"content-security-policy"].split(b"; ")
    assert {b"default-src 'none'", b"frame-ancestors 'none'"} <= {*policy}
    assert said[b"cache-control"] == b"no-store"
    assert said[b"content-type"].endswith(b"json")


def test_names_are_in_lower_case_and_no_value_breaks_its_line():
    for name, value in (*SAFE, *NO_STORE, *REVALIDATED, *JSON_HEADERS, *PROBLEM_HEADERS):
        assert name == name.lower()
        assert not {*b"\r\n"} & {*value}
    assert dict(REVALIDATED)[b"cache-control"].startswith(b"private")
