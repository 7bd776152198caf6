"""Mails over HTTP; what they look like is tested with `mail`."""

import pytest
from tests.openapi import DescribedClient as TestClient
from tests.unit.services.serve.conftest import TOKEN, Api

URL = "/v1/email/render"
CONSENT = ("mail.consent='assumed: test'",)


@pytest.fixture(scope="module")
def mails(tmp_path_factory):
    api = Api(tmp_path_factory.mktemp("mails"), more=CONSENT)
    with TestClient(api.app, headers=TOKEN) as client:
        yield client


def test_a_mail_shows_its_persons_list_and_a_way_out(mails):
    answer = mails.post(URL, json={"template": "picks", "user_id": "anna"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["subject"]
    assert "Item i1" in body["html"]
    assert "Item i1" in body["text"]
    assert body["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    other = mails.post(URL, json={"template": "picks", "user_id": "ben"}).json()
    assert "Item i30" in other["html"]


def test_without_consent_to_marketing_there_is_no_mail(tmp_path):
    api = Api(tmp_path, more=("mail.consent=required",))
    with TestClient(api.app, headers=TOKEN) as client:
        assert client.post(URL, json={"template": "picks", "user_id": "anna"}).status_code == 200
        answer = client.post(URL, json={"template": "picks", "user_id": "ben"})
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("no_consent")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"template": "pick", "user_id": "anna"}, "picks"),
        ({"template": "picks"}, "user_id"),
        ({"template": "picks", "user_id": "anna", "data": {"a": 1}}, "texts"),
        ({"template": "picks", "user_id": "anna", "name": 1}, "name"),
        ({"template": "picks", "user_id": "anna", "to": "a@b.example"}, "'to' is none"),
    ],
)
def test_odd_bodies_are_told_what_is_expected(mails, body, says):
    answer = mails.post(URL, json=body)
    assert answer.status_code == 422
    assert says in answer.json()["detail"]
