"""Addressees, ledger and folder of a mailing."""

from __future__ import annotations

import sqlite3

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from sparkperso.core.errors import JobError, UsageError
from sparkperso.services.mailing.addressees import Addressee, read_addressees
from sparkperso.services.mailing.folder import file_name
from sparkperso.services.mailing.ledger import Ledger

ROWS = {"user_id": ["u1", "7"], "address": ["a@b.example", None], "name": ["Änne", None]}


@pytest.fixture(params=["csv", "parquet", "folder", "delta"])
def people(request, tmp_path):
    table, place = pa.table(ROWS), tmp_path / f"people.{request.param}"
    if request.param == "csv":
        place.write_text("\ufeffuser_id,address,name\r\nu1, a@b.example,Änne\r\n7,,\r\n")
    elif request.param == "delta":
        write_deltalake(str(place), table)
    elif request.param == "folder":
        place.mkdir()
        pq.write_table(table, place / "part-1.parquet")
    else:
        pq.write_table(table, place)
    return str(place)


def test_rows_are_read_from_whatever_holds_them(people):
    assert list(read_addressees(people)) == [
        Addressee("u1", "a@b.example", "Änne"),
        Addressee("7", "", ""),
    ]


def test_numbers_are_text_and_data_comes_along(tmp_path):
    place = tmp_path / "people.parquet"
    pq.write_table(pa.table({"user_id": [17], "address": ["a@b.example"], "order": [5]}), place)
    (row,) = read_addressees(str(place), ["order"])
    assert (row.user_id, row.data) == ("17", {"order": "5"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("user,address\n1,a@b.example\n", "no user_id"),
        ("user_id,address\nu1\n", "Line 2"),
        ("user_id,address\nu1,a@b.example,x\n", "Line 2"),
        ('user_id,address\nu1,"a@b.example\n', "after line"),
        ("user_id,address\nu1,\xe4\n", "UTF-8"),
    ],
)
def test_a_file_that_does_not_fit_is_told_by_its_line(tmp_path, text, words):
    place = tmp_path / "people.csv"
    place.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=words):
        list(read_addressees(str(place)))


@pytest.mark.parametrize("name", ["nowhere.csv", "nowhere.parquet", "nowhere"])
def test_a_file_that_is_not_there_is_told(tmp_path, name):
    with pytest.raises(UsageError, match="--people should name"):
        list(read_addressees(str(tmp_path / name)))


def test_an_empty_file_has_nobody(tmp_path):
    (tmp_path / "p.csv").write_text("user_id,address\n")
    assert list(read_addressees(str(tmp_path / "p.csv"))) == []


def test_a_mail_is_claimed_once_whoever_asks(tmp_path):
    one, other = Ledger(tmp_path / "x" / "ledger.sqlite"), Ledger(tmp_path / "x" / "ledger.sqlite")
    assert one.claim("spring", "u1", {}) is None
    assert other.claim("spring", "u1", {}) == "sending"
    one.settle("spring", "u1", {}, "sent", 250)
    assert other.claim("spring", "u1", {}) == "sent"
    assert other.claim("summer", "u1", {}) is None
    assert other.claim("spring", "u2", {}) is None
    one.close()
    other.close()


def test_what_was_not_sent_can_be_claimed_again_and_two_orders_are_two_mails(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    assert ledger.claim("order", "u1", {"order": "1"}) is None
    assert ledger.claim("order", "u1", {"order": "2"}) is None
    ledger.release("order", "u1", {"order": "1"})
    assert ledger.claim("order", "u1", {"order": "1"}) is None
    assert ledger.claim("order", "u1", {"order": "2"}) == "sending"
    ledger.close()


def test_the_ledger_holds_no_data_and_is_its_owners_alone(tmp_path):
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    ledger.claim("order", "u1", {"order": "secret"})
    ledger.close()
    assert path.stat().st_mode & 0o077 == 0
    with sqlite3.connect(path) as file:
        assert "secret" not in str(file.execute("SELECT * FROM mails").fetchall())


def test_a_ledger_that_cannot_be_written_ends_the_mailing(tmp_path):
    (tmp_path / "file").write_text("no database, for sure")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(JobError, match="ledger"):
            Ledger(path).claim("a", "b", {})


NAUGHTY = ["..", ".", "../x", "a/b", "", ".hidden", "a\0b", "x" * 500, "%%", "ü"]


@pytest.mark.parametrize("user", NAUGHTY)
def test_a_file_name_is_a_name_of_its_folder_and_nobody_elses(user, tmp_path):
    name = file_name(user)
    path = tmp_path / f"{name}.eml"
    path.write_text("x")
    assert path.resolve().parent == tmp_path.resolve()
    others = ["%2E.", "%2e%2e", "a%2Fb", "x" * 499, "%%%", "u", "%25%25"]
    assert name not in {file_name(one) for one in others if one != user}
