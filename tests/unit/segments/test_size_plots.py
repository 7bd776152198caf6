"""Pictures of segments from run to run show what they are given."""

from __future__ import annotations

from datetime import datetime

import pytest

from sparkperso.segments.tables.plots import draw_flows, draw_sizes
from sparkperso.segments.tables.size_history import before

TIMES = [datetime(2010, 11, 1), datetime(2010, 12, 1)]


def test_sizes_are_lines_named_with_their_last_size():
    trends = {"a-1": dict(zip(TIMES, (10, 1200), strict=True)), "a-2": {TIMES[1]: 7}}
    figure = draw_sizes(trends, {"a-1": "buyers", "a-2": "lookers"}, "a")
    lines = figure.axes[0].lines
    assert [line.get_label() for line in lines] == ["buyers (1,200)", "lookers (7)"]
    assert [list(line.get_ydata()) for line in lines] == [[10, 1200], [7]]


def test_flows_add_up_on_both_sides():
    flows = {("a-1", "a-1"): 60, ("a-1", "a-2"): 20, ("a-2", "a-2"): 20}
    figure = draw_flows(flows, {"a-1": "buyers", "a-2": "lookers"}, "a")
    axes = figure.axes[0]
    shares = [bar.get_height() for bar in axes.patches]
    assert sum(shares[:2]) == pytest.approx(1) == pytest.approx(sum(shares[2:]))
    texts = {text.get_text() for text in axes.texts}
    assert texts == {"buyers (80)", "lookers (20)", "buyers (60)", "lookers (40)"}
    assert len(axes.collections) == len(flows)


def test_the_size_before_is_that_of_an_earlier_time():
    trend = {TIMES[0]: 10, TIMES[1]: 12}
    assert before(trend, TIMES[1]) == 10
    assert before(trend, TIMES[0]) is None
    assert before(trend, datetime(2011, 1, 1)) == 12
