"""`sparkperso rules`: what one person would see, from a lake without Spark."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timezone

import pyarrow as pa
import pytest
from click.testing import CliRunner
from deltalake import write_deltalake

from sparkperso.cli.main import cli

NOW = datetime(2010, 12, 9, tzinfo=timezone.utc)
VIP = "audiences-high-value-buyers"
TEXTS = pa.map_(pa.string(), pa.string())


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Three people: one spends much, one stays away, one said no."""
    root = tmp_path_factory.mktemp("rules") / "lake"

    def write(name, **columns):
        write_deltalake(str(root / name), pa.table(columns))

    users = ["rich", "away", "no"]
    flags = pa.map_(pa.string(), pa.bool_())
    write(
        "gold/profiles",
        user_id=users,
        birth_year=pa.array([1980, None, None], pa.int32()),
        country=["GB", "DE", None],
        attributes=pa.array([[], [], []], TEXTS),
        consents=pa.array([[], [("personalisation", True)], [("personalisation", False)]], flags),
        segments=pa.array([[], [], []], pa.map_(pa.string(), pa.list_(pa.string()))),
        as_of=[NOW] * 3,
    )
    write(
        "gold/user_features",
        user_id=["rich", "rich", "away", "no"],
        as_of=[datetime(2010, 1, 1, tzinfo=timezone.utc), NOW, NOW, NOW],
        frequency=[1, 9, 6, 9],
        top_category=["toys", "kitchen", "toys", "kitchen"],
        share_mobile=[0.0, 0.7, 0.0, 0.0],
        share_desktop=[0.0, 0.3, 0.0, 1.0],
        share_tablet=[0.0] * 4,
    )
    write(
        "gold/segments",
        user_id=["rich", "away", "no", "no"],
        segment_id=[VIP, "audiences-lapsing", VIP, "behaviour-1"],
        segmentation=["audiences", "audiences", "audiences", "behaviour"],
        label=["high-value buyers", "regulars who stay away", "high-value buyers", None],
    )
    items = [f"i{n}" for n in range(6)]
    write(
        "silver/items",
        item_id=items,
        title=[f"Title {n}" for n in range(6)],
        category=["toys"] * 5 + ["bags"],
        tags=pa.array([[]] * 6, pa.list_(pa.string())),
        price=[1.0] * 6,
    )
    write(
        "gold/recommendations",
        user_id=["rich"] * 6,
        kind=["new"] * 6,
        rank=pa.array(range(1, 7), pa.int32()),
        item_id=items,
    )
    write(
        "gold/popular_items",
        scope=["global"] * 2,
        rank=pa.array([1, 2], pa.int32()),
        item_id=["i5", "i4"],
    )
    write("gold/similar_items", item_id=["i0"], rank=[1], other_item_id=["i3"], score=[0.5])
    return root


def call(*words):
    answer = CliRunner().invoke(cli, ["rules", *words])
    return answer.output, answer.exception


@pytest.fixture
def seen(lake):
    """Returns call(user, *words), what a person sees, as JSON."""

    def see(user, *words):
        whom = ["--user", user] if user else []
        output, error = call("test", *whom, "--lake", str(lake), "--json", *words)
        assert error is None, error
        return json.loads(output)

    return see


def test_two_people_see_different_modules_and_lists(seen):
    rich, away = seen("rich")["slots"], seen("away")["slots"]
    assert rich["hero"]["content_id"] == "exclusive-offers"
    assert rich["hero"]["rule"] == "high-value-hero"
    assert away["hero"]["content_id"] == "we-miss-you"
    assert (away["hero"]["rule"], away["hero"]["reason"]) == (None, "tags")
    assert [item["item_id"] for item in rich["picks"]["items"]] == ["i0", "i1", "i2", "i5"]
    # Who has no list of their own gets what is popular.
    assert [item["item_id"] for item in away["picks"]["items"]] == ["i5", "i4"]


def test_who_said_no_sees_what_everybody_does(seen):
    refused, unknown = seen("no"), seen(None)
    assert refused["strategy"] == "no_consent"
    assert refused["slots"] == unknown["slots"]
    assert refused["slots"]["hero"]["content_id"] == "welcome"


def test_without_a_basis_nobody_is_personalised_who_did_not_agree(seen):
    required = ("--set", "serving.consent=required")
    assert seen("rich", *required)["strategy"] == "no_consent"
    assert seen("away", *required)["strategy"] == "rules"
    # In a region of opt-out nobody need ask.
    region = ("--set", "consent.opt_out_regions=[GB]", "--set", "consent.opt_in_regions=[]")
    assert seen("rich", *required, *region)["strategy"] == "rules"


def test_the_context_decides_too(seen):
    viewed = seen("rich", "--context", "in_view=i0", "--slot", "picks")["slots"]
    assert list(viewed) == ["picks"]
    assert viewed["picks"]["content_id"] == "goes-with-it"
    assert [item["item_id"] for item in viewed["picks"]["items"]] == ["i3"]
    german = seen("rich", "--context", "language=de-AT")["slots"]["hero"]
    assert german["language"] == "de"
    mail = seen("rich", "--context", "channel=email")["slots"]
    assert mail["hero"]["content_id"] == "exclusive-offers"


def test_what_is_in_the_cart_is_not_listed(seen):
    picks = seen("rich", "--context", "cart=i0,i1", "--context", "n=2")["slots"]["picks"]
    assert [item["item_id"] for item in picks["items"]] == ["i2", "i3"]


def test_an_explanation_names_every_rule_and_what_was_left_out(seen):
    picks = seen("rich", "--explain", "--at", "2026-12-01T12:00:00Z")["slots"]["picks"]
    outcomes = {trace["name"]: trace["outcome"] for trace in picks["looked_at"]}
    assert outcomes == {
        "picks-beside-item": "failed",
        "picks-for-you": "won",
        "candles-in-the-evening": "failed",
        "picks-of-the-visit": "failed",
        "not-too-much-alike": "applied",
    }
    assert [one["item_id"] for one in picks["left_out"]] == ["i3", "i4"]
    evening = seen("rich", "--explain", "--at", "2026-12-01T17:30:00Z")["slots"]["picks"]
    outcomes = {trace["name"]: trace["outcome"] for trace in evening["looked_at"]}
    assert outcomes["candles-in-the-evening"] == "applied"


def test_lines_say_who_it_is_what_is_shown_and_why(lake):
    output, error = call("test", "--user", "rich", "--explain", "--lake", str(lake))
    assert error is None
    for text in (
        "User rich: high-value buyers (audiences-high-value-buyers). Personalised: assumed:",
        "slot hero: exclusive-offers (by rule high-value-hero, variant ",
        "  ✓    50 /1  high-value-hero  won: in segment audiences-high-value-buyers",
        "  ✗    20 /1  we-miss-you      failed: in segment audiences-lapsing: not in it",
        "  ·    10 /1  for-the-kitchen  outranked: top_category one of kitchen; high-value-hero",
        "     1  i0  Title 0",
        "  left out: i3 (not-too-much-alike: enough of category toys)",
    ):
        assert text in output, (text, output)
    output, _ = call("test", "--user", "no", "--lake", str(lake))
    assert "Not personalised: said no to it" in output


def test_rules_are_listed_in_their_order():
    output, error = call("list")
    assert error is None
    order = ["slot hero", "high-value-hero", "we-miss-you", "for-the-kitchen", "slot picks"]
    order += ["picks-beside-item", "picks-for-you", "items", "not-too-much-alike"]
    places = [output.index(name) for name in order]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--user", "nobody"], "gold/profiles has no 'nobody'"),
        (["--user", "x' OR 'a'='a"], "has no"),
        (["--user", "rich", "--slot", "heroo"], "Did you mean 'hero'"),
        (["--context", "devise_type=x"], "Did you mean 'device_type'"),
        (["--context", "n"], "KEY=VALUE"),
        (["--context", "n=0"], "n is a whole number from 1 to 500"),
        (["--context", "n=-1"], "n is a whole number"),
        (["--context", "page=a", "--context", "page=b"], "each key once"),
        (["--context", "channel=fax"], "channel is one of"),
        (["--at", "soon"], "--at takes a time"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_a_sentence(lake, words, says):
    _, error = call("test", "--lake", str(lake), *words)
    assert error.exit_status == 2
    assert says in str(error)


def test_a_lake_without_profiles_says_what_to_run(tmp_path):
    _, error = call("test", "--user", "a", "--lake", str(tmp_path))
    assert "sparkperso build-profiles" in str(error)


def test_a_slot_without_rules_and_default_leaves_the_page_as_it_is(lake, tmp_path):
    conf = tmp_path / "slots"
    conf.mkdir()
    (conf / "hero.yaml").write_text("{}")
    output, error = call("test", "--conf-dir", str(tmp_path), "--lake", str(lake))
    assert error is None
    assert "no rule holds, and the slot has no default" in output


def test_a_conf_of_ones_own_shows_nothing_of_the_demo_shop(tmp_path):
    (tmp_path / "base").mkdir()
    output, error = call("list", "--conf-dir", str(tmp_path))
    assert (output, error) == ("There are no slots in conf/slots\n", None)


def test_a_decision_needs_no_spark_and_no_arrays():
    code = (
        "import sys\nfrom sparkperso.config import load_settings\n"
        "from sparkperso.decisions import Facts, decide, load_rulebook\n"
        "from datetime import datetime, timezone\n"
        "book = load_rulebook(load_settings())\n"
        "facts = Facts(datetime(2026, 1, 1, tzinfo=timezone.utc))\n"
        "assert decide(book, facts, ['hero']).slots['hero'].content_id == 'welcome'\n"
        "print({'pyspark', 'numpy', 'pandas', 'pyarrow', 'mlflow'} & set(sys.modules) or '')"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == ""
