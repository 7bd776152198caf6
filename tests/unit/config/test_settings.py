"""Configuration: a later layer wins, nothing unknown passes, every message names the culprit."""

from __future__ import annotations

import pytest
import yaml

from sparkperso.cli.config import render
from sparkperso.config import config_hash, default_conf_dir, load_named, load_settings
from sparkperso.config.layers import (
    Value,
    conf_files,
    environments,
    flatten,
    over,
    read_layers,
    unflatten,
)
from sparkperso.config.recommend.criterion import METRICS, Criterion
from sparkperso.config.secret import MASK
from sparkperso.core.errors import ConfigError
from sparkperso.core.section import Section


@pytest.fixture
def conf(tmp_path):
    """Returns write(path, text), which makes one file of a conf/ folder, and the folder."""

    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        return tmp_path

    write("base/lake.yaml", "lake: {root: from-base, catalog: cat}\n")
    write("local/lake.yaml", "lake: {root: from-local}\n")
    return write


def message(*arguments, **named):
    with pytest.raises(ConfigError) as error:
        load_settings(*arguments, **named)
    assert error.value.exit_status == 2
    return str(error.value)


@pytest.mark.parametrize("env", ["local", "cluster", "databricks"])
def test_every_environment_of_the_package_is_valid(env):
    assert environments(default_conf_dir()) == ["cluster", "databricks", "local"]
    assert load_settings(env).env == env


def test_the_metric_that_decides_is_known_and_its_length_is_said_once():
    for metric in METRICS:
        search = load_settings(assignments=[f"recommend.search.metric={metric}"]).recommend.search
        assert search.criterion == Criterion(10, metric)
    assert "say recall, and k: 20" in message(assignments=["recommend.search.metric=recall_at_20"])
    assert "'hit_rate' or 'mrr'" in message(assignments=["recommend.search.metric=coverage"])


def test_a_setting_that_is_given_twice_is_refused():
    with pytest.raises(ConfigError, match=r"'lake\.root' is set twice"):
        load_settings(assignments=["lake.root=a", " lake.root=b"])


def test_a_later_layer_wins_and_leaves_its_neighbours_alone(conf, monkeypatch):
    folder = conf("base/other.yaml", "tracking: {experiment_prefix: p}\n")

    def root(*assignments, lake=None):
        return load_settings("local", folder, assignments, lake).lake.root

    assert root() == "from-local"
    monkeypatch.setenv("SPARKPERSO__LAKE__ROOT", "from-environment")
    assert root() == "from-environment"
    assert root("lake.root=from-set") == "from-set"
    assert root("lake.root=from-set", lake="from-option") == "from-option"
    assert load_settings("local", folder).lake.catalog == "cat"
    assert load_settings("local", folder).tracking.experiment_prefix == "p"


def test_an_unknown_key_is_refused_with_its_layer_and_the_nearest_name(conf):
    folder = conf("local/x.yaml", "spark: {driver_memry: 1g}\n")
    text = message("local", folder)
    assert f"unknown key 'spark.driver_memry' (from {folder / 'local'}/x.yaml)" in text
    assert "did you mean 'driver_memory'?" in text


def test_an_unknown_section_is_refused_with_its_layer(conf, monkeypatch):
    folder = conf("base/x.yaml", "lakes: {root: a}\n")
    assert f"unknown key 'lakes' (from {folder / 'base'}/x.yaml)" in message("local", folder)
    monkeypatch.setenv("SPARKPERSO__LAK__ROOT", "a")
    assert "unknown key 'lak' (from environment SPARKPERSO__LAK__ROOT)" in message()


@pytest.mark.parametrize(
    "assignment",
    [
        "links.key=98765432101",
        "links.key=[98765432101]",
        "privacy.keys.k1.secret=98765432101",
        "privacy.keys.k1=98765432101",
        "privacy.keys=[98765432101]",
        "collect.sites.local.server_key=98765432101",
        "collect.sites=[{write_key: 98765432101}]",
        "tracking.experiment_prefix=[https://anna:98765432101@mlflow.example]",
    ],
)
def test_a_secret_that_does_not_fit_stands_in_no_message(assignment):
    text = message(assignments=[assignment])
    assert f"'{assignment.split('=')[0]}' (from --set)" in text
    assert "98765432101" not in text


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("ingest.max_rejected_share=1.5", "less than or equal to 1, found 1.5"),
        ("spark.shuffle_partitions=0", "greater than or equal to 1, found 0"),
        ("spark.shuffle_partitions=many", "valid integer"),
        ("recommend.seed=-1", "greater than or equal to 0"),
        ("recommend.interactions.weights.purchase=.nan", "finite number"),
        ("recommend.promotion.max_age_days=.inf", "finite number"),
        ("recommend.sessions.space=[]", "at least 1 item"),
        ("recommend.sessions.max_events=1", "greater than or equal to 2, found 1"),
    ],
)
def test_a_value_out_of_bounds_is_refused(assignment, says):
    text = message(assignments=[assignment])
    assert says in text
    assert f"'{assignment.split('=')[0]}' (from --set)" in text


def test_all_that_does_not_fit_is_told_at_once():
    text = message(assignments=["lake.rot=a", "spark.shuffle_partitions=0"])
    assert "lake.rot" in text
    assert "spark.shuffle_partitions" in text


def test_the_same_key_twice_in_one_layer_is_refused_across_files(conf):
    text = message("local", conf("base/zzz.yaml", "lake: {root: again}\n"))
    assert "'lake.root' is in both lake.yaml and zzz.yaml" in text


def test_the_same_key_twice_in_one_layer_is_refused_within_a_file(conf):
    text = message("local", conf("base/x.yaml", "spark:\n  master: a\n  master: b\n"))
    assert "the key 'master' stands twice" in text
    assert "line 3" in text


@pytest.mark.parametrize("space", ["[]", "[{end: []}]", "[{end: []}, {end: 3}]"])
def test_no_entry_of_repeats_is_left_out_in_silence(space):
    text = message(assignments=[f"recommend.lists.repeats.space={space}"])
    assert "an entry or more, and no empty list" in text


@pytest.mark.parametrize("content", ["lake: [", "- a\n- b\n", "\tlake: 1\n"])
def test_a_file_that_is_no_mapping_is_named(conf, content):
    assert "x.yaml" in message("local", conf("base/x.yaml", content))


@pytest.mark.parametrize("assignment", ["lake.root", "root=a", "=a"])
def test_set_takes_a_dotted_key_and_a_value(assignment):
    assert f"Found '{assignment}'" in message(assignments=[assignment])


def test_an_unknown_environment_names_those_that_there_are(conf):
    text = message("locl", conf("sources/shop.yaml", "a: 1\n"))
    assert "There is no 'locl'" in text
    assert "one of cluster, databricks, local, folders of" in text


def test_a_folder_of_ones_own_holds_only_what_differs(conf, monkeypatch):
    folder = conf("base/recommend.yaml", "recommend: {seed: 7}\n")
    shipped, own = load_settings("local"), load_settings("local", folder)
    assert own.recommend.seed == 7
    assert own.lake.root == "from-local"
    changed = {"recommend": shipped.recommend.model_copy(update={"seed": 7}), "lake": own.lake}
    assert own == shipped.model_copy(update=changed)
    monkeypatch.setenv("SPARKPERSO_CONF_DIR", str(folder))
    assert load_settings("local") == own


def test_ones_own_base_wins_over_a_shipped_environment(conf):
    assert load_settings("local").spark.driver_memory == "2g"
    folder = conf("base/spark.yaml", "spark: {driver_memory: 3g}\n")
    assert load_settings("local", folder).spark.driver_memory == "3g"


def test_an_environment_may_be_ones_own(conf):
    folder = conf("shop/lake.yaml", "lake: {root: of-the-shop}\n")
    assert load_settings("shop", folder).lake.root == "of-the-shop"
    assert "There is no 'shop'" in message("shop")


@pytest.mark.parametrize("option", ["--conf-dir", "SPARKPERSO_CONF_DIR"])
def test_a_folder_that_is_not_there_is_refused_by_the_name_that_named_it(
    tmp_path, monkeypatch, option
):
    missing = tmp_path / "missing"
    if option == "--conf-dir":
        text = message("local", missing)
    else:
        monkeypatch.setenv(option, str(missing))
        text = message("local")
    assert text.startswith(f"{option} names a folder. There is none at '{missing}'")


def test_named_configuration_is_ones_own_file_or_else_the_shipped(conf):
    class Plan(Section):
        name: str
        kind: str

    folder = conf("segments/behaviour.yaml", "kind: mine\n")
    assert load_named("segments", "behaviour", Plan, folder).kind == "mine"
    files = conf_files("segments", folder)
    assert files["behaviour"] == folder / "segments" / "behaviour.yaml"
    assert {**files, "behaviour": None} == {**conf_files("segments"), "behaviour": None}


def test_a_spark_property_keeps_its_dots():
    settings = load_settings(assignments=["spark.conf.spark.sql.shuffle.partitions=7"])
    assert settings.spark.conf["spark.sql.shuffle.partitions"] == 7


def test_flatten_and_unflatten_are_inverse():
    tree = {"a": {"b": {"c.d": 1}, "e": [1, {"f": 2}]}, "g": {}}
    flat = {keys: _Value(value) for keys, value in flatten(tree).items()}
    assert unflatten(flat) == tree


def test_the_hash_follows_the_values_and_nothing_else():
    same = [load_settings(lake="a"), load_settings(assignments=["lake.root=a"])]
    assert config_hash(same[0]) == config_hash(same[1])
    assert config_hash(same[0]) != config_hash(load_settings(lake="b"))


def test_a_settings_model_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load_settings().lake.root = "elsewhere"


def test_mlflow_is_in_the_lakes_folder_unless_told():
    settings = load_settings(lake="/data/lake")
    assert settings.tracking_uri == "sqlite:////data/lake/_mlflow/mlflow.db"
    assert settings.artifact_root == "/data/lake/_mlflow/artifacts"
    server = load_settings("cluster", lake="s3a://b/lake", assignments=["tracking.uri=http://m"])
    assert server.tracking_uri == "http://m"
    assert server.artifact_root is None


def test_a_lake_that_is_no_folder_needs_a_tracking_server():
    with pytest.raises(ConfigError, match="SPARKPERSO__TRACKING__URI"):
        _ = load_settings("cluster", lake="s3a://bucket/lake").tracking_uri


def test_named_configuration_suggests_the_nearest(conf):
    class Named(Section):
        name: str
        a: int

    folder = conf("sources/shop.yaml", "a: 1\n")
    assert load_named("sources", "shop", Named, folder) == Named(name="shop", a=1)
    with pytest.raises(ConfigError, match="Did you mean 'shop'"):
        load_named("sources", "shp", Named, folder)


def test_show_is_yaml_that_names_the_layer_and_masks_secrets(monkeypatch):
    monkeypatch.setenv("SPARKPERSO__TRACKING__URI", "https://me:hush@host/x")
    assignments = ["spark.conf.spark.hadoop.fs.s3a.secret.key=hush"]
    flat = read_layers(default_conf_dir(), "local", assignments)
    tree = load_settings(assignments=assignments).model_dump(mode="json")
    text = "\n".join(render(tree, flat))
    assert "hush" not in text
    shown = yaml.safe_load(text)
    assert shown["spark"]["conf"].pop("spark.hadoop.fs.s3a.secret.key") == MASK
    assert shown["tracking"].pop("uri") == f"https://{MASK}@host/x"
    assert shown["lake"] == tree["lake"]
    assert "# environment SPARKPERSO__TRACKING__URI" in text
    assert "# --set" in text
    assert "# local/platform.yaml" in text


class _Value:
    def __init__(self, value):
        self.value = value


def test_an_empty_section_says_nothing_and_the_command_line_wins(conf):
    folder = conf("base/zzz.yaml", "recommend: {}\n")
    assert load_settings("local", folder).recommend == load_settings("local").recommend
    folder = conf("base/spark.yaml", "spark: {conf: {}}\n")
    changes = ["spark.conf.spark.sql.session.timeZone=CET"]
    assert load_settings("local", folder, changes).spark.conf == {
        "spark.sql.session.timeZone": "CET"
    }


def test_a_value_takes_the_place_of_all_that_stood_below_it():
    flat = {("a", "b"): Value(1, "base"), ("c", "d"): Value(2, "base")}
    assert over(flat, {("a",): Value(None, "own")}) == {
        ("c", "d"): Value(2, "base"),
        ("a",): Value(None, "own"),
    }


@pytest.mark.parametrize("text", ["lake: {root: 2001-99-99}\n", "? [a, b]\n: 1\n"])
def test_odd_yaml_is_refused_with_its_file(conf, text):
    assert "base/odd.yaml should be readable YAML" in message("local", conf("base/odd.yaml", text))


def test_a_file_that_would_be_overlooked_is_refused_and_hidden_ones_are_not_read(conf):
    conf("base/.hidden.yaml", "nonsense: 1\n")
    folder = conf("sources/.#shop.yaml", "{")
    assert load_settings("local", folder).lake.root == "from-local"
    assert ".#shop" not in conf_files("sources", folder)
    assert "Rename it" in message("local", conf("base/platform.yml", "lake: {root: x}\n"))


def test_a_link_that_leads_nowhere_is_told(conf):
    folder = conf("base/x.yaml", "")
    (folder / "base" / "gone.yaml").symlink_to(folder / "nowhere.yaml")
    assert "base/gone.yaml should be readable YAML. " in message("local", folder)


def test_a_lake_without_a_name_is_refused():
    """`--lake "$LAKE"` of a variable that is not set must not write into the working folder."""
    assert "'lake.root' (from --lake): String should have at least 1" in message(lake="")


@pytest.mark.parametrize(
    ("file", "named", "nearest"),
    [
        ("conf/base.yaml", "conf", "Move base.yaml into {}/conf/base"),
        ("conf/base/lake.yaml", "conf/base", "Name {}/conf"),
        ("conf/sources/shop.yaml", "conf/sources", "Name {}/conf"),
        ("mine/conf/local/lake.yaml", "mine", "Name {}/mine/conf"),
    ],
)
def test_a_conf_folder_whose_files_would_be_overlooked_is_refused(file, named, nearest, tmp_path):
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text("lake: {root: mine}\n")
    with pytest.raises(ConfigError) as refused:
        load_settings(conf_dir=tmp_path / named)
    assert nearest.format(tmp_path) in str(refused.value)


def test_a_conf_folder_may_hold_an_environment_of_its_own(tmp_path):
    (tmp_path / "nightly").mkdir()
    (tmp_path / "nightly" / "lake.yaml").write_text("lake: {root: mine}\n")
    assert load_settings("nightly", tmp_path).lake.root == "mine"


def test_a_lake_whose_name_delta_rs_would_read_as_another_is_refused():
    with pytest.raises(ConfigError, match="takes '%20' for another character"):
        load_settings(lake="/data/a%20lake")
    assert load_settings(lake="/data/100% ours").lake.root
    assert load_settings(lake="file:///data/a%20lake").lake.root
