"""The summary as a page: all that a run gave, nothing that is fetched, nothing taken for markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from sparkperso.jobs.demo.page import write_page
from sparkperso.jobs.demo.summary import ListItem, RunSummary, SegmentLine, StepLine

EVIL = '<script>alert("&")</script>'


class Reader(HTMLParser):
    """Reads a page into its texts, and checks that every element that is opened is closed."""

    EMPTY = {"meta", "img", "br"}  # noqa: RUF012

    def __init__(self):
        super().__init__()
        self.texts, self.open, self.tags = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data.strip())


@pytest.fixture
def summary():
    items = [
        ListItem(1, "22423", "Cake stand", 0.5, "hybrid"),
        ListItem(2, EVIL, EVIL, 0.25, "als"),
    ]
    models = {"als": {"ndcg_at_10": 0.15, "coverage_at_10": 0.4}, "ease": {"ndcg_at_10": 0.16}}
    segments = [SegmentLine("behaviour", "behaviour-1", 1234, EVIL, "recent, many orders")]
    steps = [StepLine("build-features", "done", 12.34, "users 4,381")]
    return RunSummary("2010-12-09", steps, segments, {"u-1": items}, models, "hybrid, version 3")


def read(page):
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    assert reader.open == []
    return reader


def test_the_page_holds_what_the_run_gave(summary, tmp_path):
    texts = read(write_page(summary, tmp_path, tmp_path / "summary.html")).texts
    for text in ("build-features", "12.3", "1,234", EVIL, "Customer u-1", "Cake stand", "0.500"):
        assert text in texts
    assert "As of 2010-12-09. Champion: hybrid, version 3." in texts
    assert texts.index("ease") < texts.index("als")
    assert "–" in texts


def test_pictures_are_within_and_have_words(summary, tmp_path):
    (tmp_path / "behaviour-search.png").write_bytes(b"png")
    page = write_page(summary, tmp_path, tmp_path / "summary.html")
    (picture,) = [attributes for tag, attributes in read(page).tags if tag == "img"]
    assert picture["alt"] == "The search for the number of segments: behaviour"
    assert picture["src"] == "data:image/png;base64,cG5n"
    fetched = [a for _, attributes in read(page).tags for a in ("href", "src") if a in attributes]
    assert "http" not in page.read_text(encoding="utf-8"), fetched


def test_a_run_without_a_champion_has_a_page(tmp_path):
    page = write_page(RunSummary("", [], [], {}), tmp_path / "none", tmp_path / "summary.html")
    assert "No model has been tested yet." in read(page).texts
