"""Templates: nothing undefined, nothing that ends late, nothing that gets out."""

from __future__ import annotations

import time

import pytest

from sparkperso.config.mail.template import Price
from sparkperso.mail.sandbox import MAX_TEXT, MailTemplateError, Text

PLAIN = Price()


def written(source, is_html=True, price=PLAIN, **given):
    return Text(source, "conf/mails/x.mjml", is_html=is_html).render(given, price)


def test_values_are_escaped_in_html_alone():
    assert written("<b>{{ x }}</b>", x='<i>"&') == "<b>&lt;i&gt;&#34;&amp;</b>"
    assert written("{{ x }}", is_html=False, x="<i>&") == "<i>&"


def test_what_html_cannot_hold_is_left_out():
    assert written("{{ x }}", x="a\x00b\x0bc\ud800d\te\n") == "abcd\te\n"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("\n\n{{ nobody }}", "line 3: 'nobody' is undefined"),
        ("{% for i in x %}\n{{ i.pric }}{% endfor %}", "line 2: 'dict object' has no attribute"),
        ("\n{% if x", "line 2: unexpected end of template"),
        ("{{ x | nothing }}", "No filter named 'nothing'"),
        ("\n{% include 'picks.mjml' %}", "line 2: include and import are not for mails"),
        ("{% extends 'a' %}", "extends and block"),
        ("{% set a %}x{% endset %}", "with a body are not for mails"),
        ("{% for i in x recursive %}{% endfor %}", "recursive loops"),
    ],
)
def test_a_fault_is_told_by_file_and_line(source, words):
    with pytest.raises(MailTemplateError, match=words) as error:
        written(source, x=[{}])
    assert str(error.value).startswith("conf/mails/x.mjml")


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in x %}{% for b in x %}{% for c in x %}{% endfor %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(16) }}",
        "{{ 'x' * 10**10 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ 'x'.ljust(999999999) }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{{ 'x' | center(999999999) }}",
        "{{ x | batch(999999999, '-') | list }}",
        "{{ x | rows(999999999) }}",
        "{% for a in x %}{% for b in x %}{{ long }}{% endfor %}{% endfor %}",
        "{% set a = long %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
        "{{ range(10) }}",
        "{{ lipsum() }}",
    ],
)
def test_what_would_not_end_ends_at_once(source):
    started = time.process_time()
    with pytest.raises(MailTemplateError):
        written(source, x=list(range(100)), long="y" * 1000)
    assert time.process_time() - started < 0.5


def test_text_has_an_end():
    assert len(written("{{ x }}", x="y" * MAX_TEXT)) == MAX_TEXT
    with pytest.raises(MailTemplateError, match="characters"):
        written("{{ x }}{{ x }}", x="y" * (MAX_TEXT - 1))


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ x.__init__.__globals__ }}",
        "{{ x | attr('__class__') }}",
        "{{ self._TemplateReference__context }}",
        "{{ x.append(1) }}",
        "{{ x.clear() }}",
    ],
)
def test_nothing_gets_out(source):
    with pytest.raises(MailTemplateError):
        written(source, x=[1])


def test_prices_are_written_as_the_language_does():
    assert written("{{ 1234.5 | money }}", price=Price(pattern="£{}")) == "£1,234.50"
    german = Price(pattern="{} €", decimal=",")
    assert written("{{ 1234.5 | money }}", price=german) == "1.234,50 €"


def test_what_templates_need_is_there():
    source = "{% for row in x | rows(2) %}{% for i in row %}{{ i.n }}{% endfor %};{% endfor %}"
    assert written(source, x=[{"n": n} for n in range(3)]) == "01;2;"
    macro = "{% macro m(i) %}[{{ i }}]{% endmacro %}{% for i in x %}{{ m(i) }}{% endfor %}"
    assert written(macro, x=["<"]) == "[&lt;]"
    assert written("{{ x.get('a') or 'none' }}{{ x.b | default('-') }}", x={}) == "none-"


def test_names_are_found_in_every_branch():
    text = Text(
        "{% if a %}{{ b }}{% endif %}{% for c in d %}{{ c }}{% endfor %}", "x", is_html=True
    )
    assert text.names == {"a", "b", "d"}
