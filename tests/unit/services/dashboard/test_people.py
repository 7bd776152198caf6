"""Looking somebody up: what is shown, to whom, and that it is noted."""

from __future__ import annotations

import json

import pytest
from tests.dashboards import KEYS, bearer, client_of, lake_of, view_of
from tests.small_lake import AS_OF, HOSTILE, write_table

from sparkperso.config import load_settings
from sparkperso.privacy import Pseudonyms, load_keys
from sparkperso.services.dashboard.page import Query
from sparkperso.services.dashboard.pages import people


def rows_of(page, name):
    table = page.tables[name]
    return [dict(zip((c.name for c in table.columns), row, strict=True)) for row in table.rows]


def test_a_person_has_their_list_its_reasons_their_segments_and_why(view):
    page = people.page(view, Query({"user": "u00"}))
    first = rows_of(page, "list_new")[0]
    assert (first["rank"], first["item_id"], first["title"]) == (1, "i1", HOSTILE)
    assert first["why"] == "because of a cake stand (i9): 31 % of the score"
    assert rows_of(page, "list_again")[0]["why"].startswith("was bought before")
    found = {row["label"]: row for row in rows_of(page, "segments")}
    assert set(found) == {"regulars", "everybody", "near"}
    assert found["regulars"]["sentence"] == "24 customers"
    assert found["regulars"]["since"] is not None
    features = {row["feature"]: row for row in rows_of(page, "features")}
    assert features["frequency"]["value"] == 3.0
    assert features["frequency"]["behaviour-1"] == 1.0
    facts = {row["what"]: row["value"] for row in rows_of(page, "profile")}
    assert facts == {
        "plan": HOSTILE,
        "consent: personalisation": "given",
        "consent: marketing": "not given",
    }


def test_who_has_a_list_alone_has_that(view):
    page = people.page(view, Query({"user": "u25"}))
    assert rows_of(page, "list_new")[0]["why"] == "popular: global"
    assert "profile" not in page.tables


@pytest.mark.parametrize(
    "user",
    [
        *("nobody", HOSTILE, "' OR 1=1 --", "u00'--", "U00", "%", "\0u00", "u00\u200b", "u00\xa0"),
        "u00" + "0" * 600,
    ],
)
def test_somebody_who_is_not_there_is_nobody(view, client, user):
    page = people.page(view, Query({"user": user}))
    assert page.tables == {}
    assert page.sections[0].heading == "Nobody"
    answer = client.get("/people", params={"user": user}, headers=bearer("support"))
    assert answer.status_code == 200
    assert HOSTILE not in answer.text


def test_an_id_is_looked_up_to_the_letter(tmp_path):
    ids = ["a" * 256, "a" * 257, "\U0001f469\u200d\U0001f467", "caf\u00e9", "cafe\u0301", "a b"]
    rows = [{"user_id": user, "country": f"C{n}", "as_of": AS_OF} for n, user in enumerate(ids)]
    write_table(tmp_path, "gold/profiles", rows)
    view = view_of(lake_of(tmp_path))
    for number, user in enumerate(ids):
        figures = people.page(view, Query({"user": f" {user} "})).sections[0].figures
        assert [one.value for one in figures][:2] == [user, f"C{number}"]


def test_an_id_is_looked_up_by_the_name_that_the_lake_has(lake):
    view = view_of(lake)
    renamed = type(view)(view.lake, view.settings, view.caller, view.now, {"ann": "u00"}.get)
    assert "list_new" in people.page(renamed, Query({"user": "ann"})).tables


@pytest.fixture
def watched(small_lake, tmp_path):
    return client_of(small_lake, f"security.audit.folder={tmp_path}"), tmp_path


def lines_of(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    text = "".join(path.read_text() for path in files)
    return [json.loads(line) for line in text.splitlines()]


def test_every_look_is_noted_by_who_looked_and_at_whom(watched):
    client, folder = watched
    with client:
        for user in ("u00", "nobody"):
            client.get("/people", params={"user": user}, headers=bearer("support"))
        client.get("/people", headers=bearer("support"))
        client.get("/funnel", params={"user": "u01"}, headers=bearer("support"))
        client.get("/people", params={"user": "u02"}, headers=bearer("analyst"))
    settings = load_settings("local")
    pseudonyms = Pseudonyms(load_keys(settings.privacy, "local", {}))
    assert [(line["reader"], line["route"], line["person"]) for line in lines_of(folder)] == [
        ("key:support", "/people", pseudonyms.of("user_id", user)) for user in ("u00", "nobody")
    ]


def test_a_look_by_a_file_is_one_as_well(watched):
    client, folder = watched
    local = {"Authorization": "Bearer local-dev-token"}
    with client:
        query = {"user": "u00", "format": "csv", "table": "list_new"}
        assert client.get("/people", params=query, headers=local).status_code == 200
        assert client.get("/people", params=query, headers=bearer("support")).status_code == 403
    assert len(lines_of(folder)) == 1


def test_a_customer_of_the_shop_sees_nobody_not_even_themselves(client):
    for name in ("shop", "viewer", "analyst", "operator"):
        answer = client.get("/people", params={"user": "u00"}, headers=bearer(name))
        assert answer.status_code == 403, KEYS[name]
        assert "u00" not in answer.text
