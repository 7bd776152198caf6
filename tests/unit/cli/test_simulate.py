"""`sparkperso simulate`: what it refuses, and what it prepares."""

from datetime import datetime, timedelta, timezone

import pytest
from click.testing import CliRunner

from sparkperso.cli.main import cli
from sparkperso.cli.simulate import _first_day
from sparkperso.core.errors import UsageError


def simulate(*words):
    return CliRunner().invoke(cli, ["simulate", *map(str, words)])


def refusal(*words):
    result = simulate(*words)
    assert isinstance(result.exception, UsageError), result.output
    return str(result.exception)


def test_a_lake_that_holds_something_is_refused(tmp_path):
    (tmp_path / "gold").mkdir()
    assert "is not empty" in refusal("--lake", tmp_path)


def test_a_lake_elsewhere_is_refused():
    assert "folder of this machine" in refusal("--lake", "s3://shop/lake")


def test_services_come_both_or_none(tmp_path):
    assert "go together" in refusal("--lake", tmp_path, "--api", "http://127.0.0.1:1")


def test_services_of_ones_own_need_the_shops_conf(tmp_path):
    urls = ("--api", "http://127.0.0.1:1", "--collector", "http://127.0.0.1:2")
    assert "--prepare" in refusal("--lake", tmp_path / "lake", *urls)


def test_prepare_writes_the_shop_and_says_how_its_services_are_started(tmp_path):
    lake = tmp_path / "lake"
    result = simulate("--lake", lake, "--prepare", "--items", 5, "--users", 3, "--effect", 0)
    assert result.exit_code == 0, result.output
    folder = lake / "_simulation"
    assert len((folder / "items.jsonl").read_text().splitlines()) == 5
    assert f"serve --lake {lake} --conf-dir {folder / 'conf'}" in result.output
    assert "--set simulation.effects.hero=0.0" in result.output
    # Without an effect nothing is compared whose effect comes of tastes.
    names = {path.stem for path in (folder / "conf" / "experiments").glob("*.yaml")}
    assert names == {"hero-offers", "short-checkout"}


def test_days_that_are_not_over_are_refused():
    today = datetime.now(timezone.utc).date()
    with pytest.raises(UsageError, match="should be over"):
        _first_day(str(today), 1)
    with pytest.raises(UsageError, match="--start should be a date"):
        _first_day("soon", 1)


def test_days_end_today_or_are_those_that_are_named():
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    assert _first_day(None, 3) in (today - timedelta(days=3), today - timedelta(days=2))
    assert _first_day("2025-03-01", 3) == datetime(2025, 3, 1, tzinfo=timezone.utc)
