"""Plain text of a mail: what is read, in its order, with its addresses."""

from __future__ import annotations

import pytest

from sparkperso.mail.plain_text import plain_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<h1>Hello</h1><p>It is &lt;here&gt; &amp; now</p>", "Hello\n\nIt is <here> & now"),
        ('<a href="https://a.example/?x=1&amp;y=2">Go</a>', "Go <https://a.example/?x=1&y=2>"),
        ('<a href="https://a.example/"><img src="x" alt="Sale"></a>', "Sale <https://a.example/>"),
        ('<a href="https://a.example/"><img src="x" alt=""></a>', ""),
        ('<a href="https://a.example/">https://a.example/</a>', "https://a.example/"),
        ('<a href="mailto:a@b.example">a@b.example</a>', "a@b.example"),
        ('<a href="#top">Up</a>', "Up"),
        ("<ul><li>one</li><li>two</li></ul>", "- one\n- two"),
        ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>", "1 2\n3"),
        ("a<br>b\n c", "a\nb c"),
        ('<div style="display:none">preheader</div>seen', "seen"),
        ('<span aria-hidden="true">★</span>seen', "seen"),
        ("<style>a < b { }</style><title>T</title><script>if (a<b) x()</script>seen", "seen"),
        ("<!-- <p>never</p> --><!DOCTYPE html>seen", "seen"),
        ("<p>a\u200b\u034f\u00adb</p>", "ab"),
        ("1 < 2", "1 < 2"),
        ("", ""),
    ],
)
def test_it_is_what_is_read(html, text):
    assert plain_text(html) == f"{text}\n"


def test_nothing_is_lost_of_a_long_document():
    words = [f"word{n}" for n in range(500)]
    html = "".join(f"<table><tr><td><div>{word}</div></td></tr></table>" for word in words)
    assert plain_text(html).split() == words
