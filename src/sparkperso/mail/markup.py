"""What is wrong with a template's markup, by its lines: unknown tags, tags at the wrong place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from jinja2 import TemplateSyntaxError

from sparkperso.core.suggest import nearest
from sparkperso.mail.mjml_tags import ATTRIBUTES, ATTRIBUTES_OF, CHILDREN, TAGS, TEXTS
from sparkperso.mail.sandbox import sandbox

DROPPED = frozenset({"embed", "form", "iframe", "input", "link", "object", "script"})
"""Tags of HTML that mail programs leave out, or refuse a mail for."""
INCLUDE = "mj-include"
EXPRESSION = "¤"
CALL = re.compile(r"\{\{[-+]?\s*\w+\(")


def without_jinja(source: str) -> str:
    """Returns a template with blanks where Jinja stands, and EXPRESSION where it writes.

    Every line and column stays. What is no template is returned as it is. A call may write markup
    (a macro's): it is blank.

    >>> without_jinja("<b>{{ x }}</b>{% if y %}")
    '<b>¤¤¤¤¤¤¤</b>          '
    """
    kept, place, expression = [], 0, None
    try:
        tokens = list(sandbox(is_html=True).lexer.tokeniter(source, None))
    except TemplateSyntaxError:
        return source
    for _, kind, text in tokens:
        # Jinja's own trimming has left out blanks and line ends: they stand in the source still.
        start = source.find(text, place)
        if kind == "variable_begin":
            expression = start
        kept.append(_blank(source[place:start]))
        kept.append(text if kind == "data" else _blank(text))
        place = start + len(text)
        if kind == "variable_end" and expression is not None:
            written = source[expression:place]
            if not CALL.match(written):
                done = "".join(kept)[:expression]
                kept = [done, _blank(written, EXPRESSION)]
    return "".join(kept) + _blank(source[place:])


def _blank(text: str, filler: str = " ") -> str:
    return "".join("\n" if char == "\n" else filler for char in text)


def markup_faults(source: str, *, is_mjml: bool) -> list[tuple[int, str]]:
    """Returns (line, what is wrong) of a template, in the order of its lines."""
    lint = _Lint(is_mjml)
    lint.feed(without_jinja(source))
    lint.close()
    return sorted(set(lint.found))


def attribute_notes(source: str) -> Iterator[tuple[int, str]]:
    """Yields (line, what is odd) of attributes of MJML's tags: it drops what it does not know."""
    lint = _Lint(is_mjml=True)
    lint.feed(without_jinja(source))
    for line, tag, name in lint.attributes:
        if name not in ATTRIBUTES and not name.startswith(("aria-", "data-", EXPRESSION)):
            yield (
                line,
                f"<{tag}> has an attribute '{name}', which MJML drops{_hint(name, ATTRIBUTES)}",
            )


class _Lint(HTMLParser):
    """Walks through tags as they are written, without asking that each be closed."""

    def __init__(self, is_mjml: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[int, str]] = []
        self.attributes: list[tuple[int, str, str]] = []
        self._is_mjml, self._open = is_mjml, list[str]()
        """Tags of MJML's that are open."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Looks at a tag and where it stands."""
        if tag in DROPPED:
            self._note(f"<{tag}>: mail programs leave it out")
        if not self._is_mjml:
            if tag.startswith("mj"):
                self._note(f"<{tag}> is MJML's: the file should end in .mjml")
            return
        if tag.startswith("mj"):
            self._of_mjml(tag)
            self.attributes += [(self.getpos()[0], tag, name) for name, _ in attrs]
            self._open.append(tag)
        elif self._holder not in TEXTS:
            self._note(f"<{tag}> is out of place in {self._where}: put it into <mj-text>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Looks at a tag that closes itself."""
        self.handle_starttag(tag, attrs)
        if self._is_mjml and tag.startswith("mj"):
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Closes a tag of MJML's, and those within it that were not closed."""
        if not self._is_mjml or not tag.startswith("mj"):
            return
        if tag not in self._open:
            self._note(f"</{tag}> closes nothing")
            return
        while (last := self._open.pop()) != tag:
            self._note(f"<{last}> is not closed before </{tag}>")

    def handle_data(self, data: str) -> None:
        """Looks for text where MJML drops it."""
        if self._is_mjml and data.strip() and self._holder not in TEXTS:
            before = data[: len(data) - len(data.lstrip())].count("\n")
            words = " ".join(data.split())[:40]
            what = "what {{ … }} writes" if EXPRESSION in words else f"the text '{words}'"
            fault = f"{what} is out of place in {self._where}: put it into <mj-text>"
            self.found.append((self.getpos()[0] + before, fault))

    def close(self) -> None:
        """Ends the text."""
        super().close()
        for tag in self._open:
            self._note(f"<{tag}> is never closed")

    def _of_mjml(self, tag: str) -> None:
        holder = self._holder
        if tag == INCLUDE:
            self._note("<mj-include> reads another file: write here what it holds")
        elif tag not in TAGS:
            self._note(f"<{tag}> is no tag of MJML's{_hint(tag, TAGS)}")
        elif holder is None:
            if tag != "mjml":
                self._note(f"<{tag}> should stand in <mjml>")
        elif holder in CHILDREN and tag not in CHILDREN[holder]:
            allowed = ", ".join(sorted(CHILDREN[holder]))
            self._note(f"<{tag}> is out of place in <{holder}>, which holds {allowed}")
        elif holder in TEXTS:
            self._note(f"<{tag}> is out of place in <{holder}>, which holds text and HTML")

    @property
    def _holder(self) -> str | None:
        return self._open[-1] if self._open else None

    @property
    def _where(self) -> str:
        return f"<{self._holder}>" if self._open else "no tag"

    def _note(self, text: str) -> None:
        self.found.append((self.getpos()[0], text))


def _hint(name: str, known: frozenset[str]) -> str:
    near = nearest(name, known)
    return f" (did you mean '{near}'?)" if near else ""


assert ATTRIBUTES_OF not in CHILDREN
