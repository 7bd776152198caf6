"""A model of another package: docs/models.md as it stands, installed in a folder of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sparkperso.config.recommend.data_size import DataSize
from sparkperso.config.recommend.models import HybridParams, known_models, parse_params
from sparkperso.config.recommend.own_models import own_model, versions_of_own_models
from sparkperso.core.errors import ConfigError
from sparkperso.recommend.arrays.histories import BUCKETS
from sparkperso.recommend.benchmark.candidates import DataShape, candidates, parse_models
from sparkperso.recommend.fit.fit_strategy import Engine
from sparkperso.recommend.models import fit_model, load_model
from sparkperso.recommend.tune.search_space import grid
from sparkperso.testing.models import coloured_catalogue, random_users

DOCUMENT = Path(__file__).parents[3] / "docs" / "models.md"


def install(folder, name="together", target="shop_models.together", version="1.2"):
    """Makes the folder one of installed packages: what `pip install` leaves of an entry point."""
    blocks = re.findall(r"^```python\n# (\S+)\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S)
    for path, code in blocks:
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(code)
    info = folder / f"shop_models-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: shop-models\nVersion: {version}\n"
    )
    (info / "entry_points.txt").write_text(f"[sparkperso.models]\n{name} = {target}\n")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Returns install(**entry), which puts the package of the document on the path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    own_model.cache_clear()

    yield lambda **entry: install(tmp_path, **entry)
    own_model.cache_clear()
    for name in [name for name in sys.modules if name.startswith("shop_models")]:
        del sys.modules[name]


def test_the_documents_model_passes_the_documents_tests(tmp_path):
    install(tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    environment = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3] / 'src'}", "PATH": ""}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 30


def test_it_is_a_candidate_by_name_a_part_of_blends_and_comes_back_from_its_document(installed):
    installed()
    assert known_models()[-1] == "together"
    tried = grid([{"model": "together", "damping": [1, 5]}, {"model": "ease"}])
    assert [params.model for params in tried] == ["together", "together", "ease"]
    weights = dict.fromkeys(BUCKETS, (0.5, 0.5))
    blend = HybridParams(parts=(tried[1], tried[2]), weights=weights)
    again = parse_params(json.loads(json.dumps(blend.model_dump(mode="json"))))
    assert again == blend
    users = random_users()
    model = fit_model(again, users, coloured_catalogue(users.n_items))
    read = load_model(again, model.arrays())
    np.testing.assert_array_equal(model.scores(users), read.scores(users))


def test_benchmarks_know_it_and_its_version_is_told(installed):
    from sparkperso.config.recommend.section import SearchConfig

    installed()
    assert parse_models("together") == ("together",)
    shape = DataShape(False, True, False, DataSize(50, 20, 500), 100, Engine("kernel", ""))
    drawn, left_out = candidates(SearchConfig(space=({"model": "together"},)), 1, None, shape)
    assert [params.model for params in drawn] == ["popularity", "together"]
    assert left_out == {}
    across = DataShape(False, True, False, DataSize(50, 20, 500), 100, Engine("blocks", ""))
    _, left_out = candidates(SearchConfig(space=({"model": "together"},)), 1, None, across)
    assert "one task" in left_out["together"]
    assert versions_of_own_models() == {"together": "shop-models 1.2"}


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"target": "shop_models.nowhere"}, "cannot be imported: ModuleNotFoundError"),
        ({"target": "json"}, "lacks Params, fit"),
        ({"name": "other"}, "model: Literal['other'] = 'other'"),
    ],
)
def test_an_entry_point_that_is_no_model_is_refused_by_name(installed, entry, says):
    installed(**entry)
    with pytest.raises(ConfigError) as error:
        grid([{"model": entry.get("name", "together")}])
    assert says in str(error.value)


SETTINGS = """
from typing import Literal
from shop_models.together import Params as Plain, fit, load
"""


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("def Params(**settings): return settings", "should be a Section"),
        (
            "class Params(Plain):\n"
            "    model: Literal['together'] = 'together'\n"
            "    words: list[str] = ['a']",
            "a setting of several values should be a tuple",
        ),
    ],
)
def test_settings_that_are_none_are_refused(installed, tmp_path, code, says):
    installed(target="shop_models.other")
    (tmp_path / "shop_models" / "other.py").write_text(SETTINGS + code)
    with pytest.raises(ConfigError, match=says):
        grid([{"model": "together"}])


def test_an_unknown_model_is_refused_with_all_that_are_known(installed):
    installed()
    with pytest.raises(ConfigError, match="session_knn, hybrid, together: nothing"):
        grid([{"model": "nothing"}])
