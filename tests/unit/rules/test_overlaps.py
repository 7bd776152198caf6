"""How far segments of rules overlap is shown, but not of a few people."""

from __future__ import annotations

from sparkperso.segments.rules.overlaps import Overlap
from sparkperso.segments.rules.plots import draw_overlaps


def test_cells_hold_the_people_of_both_and_hide_few():
    shared = [Overlap("a", "a", 1200), Overlap("a", "b", 3), Overlap("b", "b", 40)]
    axes = draw_overlaps(shared, "test", floor=5).axes[0]
    assert [text.get_text() for text in axes.texts] == ["1,200", "<5", "<5", "40"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
