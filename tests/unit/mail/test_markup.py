"""Markup: what MJML drops without a word is told, by its line."""

from __future__ import annotations

import mjml
import pytest

from sparkperso.mail.markup import attribute_notes, markup_faults, without_jinja
from sparkperso.mail.mjml_tags import CHILDREN, CONTENT, EMPTY, TAGS, TEXTS


def faults(inside, is_mjml=True):
    source = f"<mjml>\n<mj-body>\n{inside}\n</mj-body></mjml>" if is_mjml else inside
    return markup_faults(source, is_mjml=is_mjml)


def column(inside):
    return f"<mj-section><mj-column>{inside}</mj-column></mj-section>"


@pytest.mark.parametrize(
    ("inside", "line", "words"),
    [
        (
            "<mj-secton></mj-secton>",
            3,
            "<mj-secton> is no tag of MJML's (did you mean 'mj-section'?)",
        ),
        ("\n<mj-text>x</mj-text>", 4, "<mj-text> is out of place in <mj-body>"),
        (column("\n\n<div>x</div>"), 5, "<div> is out of place in <mj-column>"),
        (column("\n some text"), 4, "the text 'some text' is out of place in <mj-column>"),
        (
            column("<mj-text>\n<mj-button>x</mj-button></mj-text>"),
            4,
            "<mj-button> is out of place",
        ),
        (
            column("\n{{ slots.hero.body }}"),
            4,
            "what {{ … }} writes is out of place",
        ),
        ("<mj-include path='/etc/passwd' />", 3, "<mj-include> reads another file"),
        ("<mj-section><mj-column></mj-section>", 3, "<mj-column> is not closed before"),
        ("</mj-wrapper>", 3, "</mj-wrapper> closes nothing"),
        (
            column("<mj-raw>\n<script>x</script></mj-raw>"),
            4,
            "<script>: mail programs leave it out",
        ),
    ],
)
def test_a_fault_is_told_by_its_line(inside, line, words):
    found = faults(inside)
    assert any(number == line and words in text for number, text in found), found


@pytest.mark.parametrize(
    "inside",
    [
        column("<mj-text>a<br>b <b>c</b></mj-text><mj-image src='x' /><mj-divider />"),
        "{% if x %}<mj-section>{% for i in x %}<mj-column></mj-column>{% endfor %}</mj-section>"
        "{% endif %}{# <mj-nothing> #}",
        column("{% macro m() %}<mj-text>x</mj-text>{% endmacro %}{{ m() }}"),
        column(
            '<mj-text {% if x %}color="{{ x }}"{% endif %} align="left">{{ "<mj-x>" }}</mj-text>'
        ),
    ],
)
def test_what_is_sound_has_no_fault(inside):
    assert faults(inside) == []


def test_attributes_that_mjml_drops_are_told():
    notes = list(attribute_notes("<mjml>\n<mj-text colr='red' font-size='1px' data-x='1'>"))
    assert notes == [
        (2, "<mj-text> has an attribute 'colr', which MJML drops (did you mean 'color'?)")
    ]


def test_html_has_no_tags_of_mjml():
    assert [text for _, text in faults("<p><mj-text></p><form>", is_mjml=False)] == [
        "<form>: mail programs leave it out",
        "<mj-text> is MJML's: the file should end in .mjml",
    ]


def test_lines_and_columns_stay_without_jinja():
    source = "a {%- if x -%}  b\n {% endif %}\n\n {{ c }}{% raw %}{{ x }}{% endraw %}\n<i>"
    blank = without_jinja(source)
    assert (len(blank), blank.count("\n")) == (len(source), source.count("\n"))
    assert (blank.index("b"), blank.index("<i>")) == (source.index("b"), source.index("<i>"))
    assert (source.index("{{ c"), blank.count("¤")) == (blank.index("¤"), len("{{ c }}"))
    assert "endif" not in blank


@pytest.mark.parametrize("tag", sorted(CONTENT))
def test_every_tag_of_the_table_is_one_that_the_compiler_knows(tag):
    inside = "<p>words</p>" if tag in TEXTS else ""
    html = mjml.mjml2html(f"<mjml><mj-body>{column(f'<{tag}>{inside}</{tag}>')}</mj-body></mjml>")
    assert f"<{tag}" not in html
    unknown = mjml.mjml2html(f"<mjml><mj-body>{column('<mj-x>words</mj-x>')}</mj-body></mjml>")
    assert "<mj-x" in unknown


def test_the_tables_name_the_same_tags():
    assert {one for held in CHILDREN.values() for one in held} | {"mjml"} <= TAGS
    assert not TEXTS & EMPTY
