"""Plots are well-formed SVG with a title and a description, whatever they are given."""

from __future__ import annotations

import math
import re
from datetime import date, timedelta
from xml.etree import ElementTree

import pytest
from tests.small_lake import HOSTILE

from sparkperso.services.dashboard.plots.bars import Bar, bars
from sparkperso.services.dashboard.plots.flows import Flow, flows
from sparkperso.services.dashboard.plots.intervals import Interval, intervals
from sparkperso.services.dashboard.plots.lines import lines
from sparkperso.services.dashboard.plots.tree import Node, linkage_tree, tree, tree_of

DAY = date(2026, 3, 1)
PLOTS = {
    "bars": bars("Bars", [Bar(HOSTILE, 3.0, "3"), Bar("b", -1.0, "-1"), Bar("c", 0.0, "0")]),
    "zeros": bars("Zeros", [Bar("a", 0.0, "0")]),
    "lines": lines("Lines", {HOSTILE: [(DAY, 1.0), (DAY + timedelta(2), None)], "b": [(DAY, 2)]}),
    "one": lines("One", {"a": [(DAY, 0.0)]}),
    "negative": lines("Negative", {"a": [(DAY, -2.0), (DAY + timedelta(1), -1.0)]}),
    "intervals": intervals(
        "Intervals",
        [
            Interval(HOSTILE, 0.1, -0.1, 0.3),
            Interval("without end", 0.2, -math.inf, math.inf),
            Interval("nothing", math.nan, None, None),
            Interval("point", 0.4, None, None),
        ],
    ),
    "flows": flows(
        "Flows", [Flow(HOSTILE, "b", 3), Flow("a", "b", 1), Flow("a", "c", 0)], ("", "")
    ),
    "tree": tree("Tree", tree_of({"a": None, "b": "a", "c": "a", "d": None}, {"b": HOSTILE})),
    "merges": tree("Merges", linkage_tree(["a", "b", "c"], [[0, 1, 1.0, 2], [2, 3, 2.0, 3]])),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_an_image_with_words(name):
    root = ElementTree.fromstring(PLOTS[name])
    assert root.get("role") == "img"
    title, description = (root.find(part) for part in ("title", "desc"))
    assert title.text
    assert description.text
    assert root.get("aria-labelledby").split() == [title.get("id"), description.get("id")]
    assert not [node for node in root.iter() if node.get("style") or node.tag == "script"]


@pytest.mark.parametrize("name", PLOTS)
def test_no_place_is_outside_of_the_plot(name):
    for node in ElementTree.fromstring(PLOTS[name]).iter():
        for key in ("x", "x1", "x2", "cx", "width"):
            text = node.get(key, "0")
            assert re.fullmatch(r"[\d.]+%?", text), text
            if text.endswith("%"):
                assert 0 <= float(text[:-1]) <= 100.01
        assert "nan" not in " ".join(node.attrib.values())
        assert "inf" not in " ".join(node.attrib.values())


def test_nothing_is_drawn_of_nothing():
    assert bars("a", []) is None
    assert lines("a", {}) is None
    assert lines("a", {"a": [(DAY, None)]}) is None
    assert intervals("a", [Interval("a", None, None, None)]) is None
    assert flows("a", [Flow("a", "b", 0)], ("", "")) is None
    assert tree("a", None) is None
    assert tree_of({"a": None, "b": None}, {}) is None
    assert linkage_tree(["a"], []) is None


def test_a_bar_is_as_long_as_its_number():
    root = ElementTree.fromstring(bars("a", [Bar("a", 4.0, "4"), Bar("b", 1.0, "1")]))
    widths = [n.get("width") for n in root.iter("rect") if n.get("class") == "c0"]
    assert widths == ["100.00%", "25.00%"]


def test_flows_take_what_they_are_many():
    root = ElementTree.fromstring(
        flows("a", [Flow("a", "x", 3), Flow("b", "x", 1)], ("before", "now"))
    )
    heights = [float(n.get("height")) for n in root.iter("rect")]
    assert heights[0] == pytest.approx(3 * heights[1], abs=0.1)
    assert heights[2] == pytest.approx(100)


def test_a_tree_has_each_leaf_once_and_heights_rise():
    root = linkage_tree(["a", "b", "c"], [[0, 1, 1.0, 2], [2, 3, 4.0, 3]])

    def leaves(node):
        return [leaf for part in node.parts for leaf in leaves(part)] or [node.label]

    assert sorted(leaves(root)) == ["a", "b", "c"]
    assert [root.height, root.parts[1].height] == [1.0, 0.25]


def test_a_circle_of_parents_is_left_out():
    assert tree_of({"a": "b", "b": "a", "c": None}, {}) == Node("", 1.0, (Node("c", 0.0),))
