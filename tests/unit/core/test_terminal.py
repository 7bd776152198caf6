"""Data is shown letter for letter: no markup, no emoji codes, no commands to the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sparkperso.core.terminal import literal, visible
from sparkperso.pipeline.progress import Progress

TITLES = ["[new] Lamp", "[/s]", "[bold]Lamp[/bold]", ":bell: Bell", "[link=x]a[/]", "a\\[b", "[/"]


@pytest.mark.parametrize("title", TITLES)
def test_titles_stay_as_they_are(title):
    assert literal(title).plain == title


def test_control_characters_are_spelled_out():
    assert visible("a\x1b[2Jb\x9bc\r\x07") == "a\\x1b[2Jb\\x9bc\\x0d\\x07"
    assert visible("Größe\tin\nÅ 🛒") == "Größe\tin\nÅ 🛒"


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("title", TITLES)
def test_progress_shows_what_a_step_says(is_terminal, title):
    out = io.StringIO()
    console = Console(file=out, force_terminal=is_terminal, width=200, highlight=False)
    progress = Progress(1, console)
    with progress.step(1, f"step {title}"):
        progress.say(f"at {title}")
    progress.done("✓", "step", 1.0, f"label {title}")
    assert f"label {title}" in out.getvalue()
    if not is_terminal:
        assert f"at {title}" in out.getvalue()
