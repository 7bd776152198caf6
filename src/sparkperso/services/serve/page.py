"""Whole pages made on the server: templates of conf/pages, filled with what slots show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from sparkperso.config.layers import conf_dirs
from sparkperso.core.errors import ConfigError
from sparkperso.core.suggest import did_you_mean
from sparkperso.rules.context import RequestContext
from sparkperso.services.http.problems import Problem
from sparkperso.services.serve import reading as read
from sparkperso.services.serve.answers import slot_document
from sparkperso.services.serve.engine.slots import SlotsAnswer

PAGES = "pages"
"""The folder of conf/."""
PAGE_HEADERS: Mapping[str, str] = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": (
        "default-src 'none'; img-src https: data:; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""No script runs in a page from here, whatever content says."""


class Pages:
    """The templates of conf/pages: Jinja2, every value escaped but the HTML of content."""

    def __init__(self, texts: Mapping[str, str], default_language: str) -> None:
        environment = ImmutableSandboxedEnvironment(autoescape=True, undefined=StrictUndefined)
        self._default_language = default_language
        self._templates = {}
        for name, text in texts.items():
            try:
                self._templates[name] = environment.from_string(text)
            except TemplateError as error:
                raise ConfigError(
                    f"conf/{PAGES}/{name}.html should be a template of Jinja2", str(error)
                ) from None

    @property
    def names(self) -> list[str]:
        """Returns the names of all pages."""
        return sorted(self._templates)

    def known(self, name: Any) -> str | None:
        """Returns the name of a page, the first by name where `name` is None; None without pages.

        Raises a 422 Problem for a page that is not there.
        """
        if name is None:
            return next(iter(self.names), None)
        if not isinstance(name, str) or name not in self._templates:
            raise self._unknown(name)
        return name

    def render(
        self, name: str | None, answer: SlotsAnswer, decision_id: str, context: RequestContext
    ) -> str:
        """Returns a page that is `known`, as HTML.

        Raises a 422 Problem for one that asks for what no slot has, and where there is none.
        """
        if name is None:
            raise self._unknown(name)
        languages = context.get("language") or (self._default_language,)
        try:
            return self._templates[name].render(
                slots={slot: _shown(slot_document(one)) for slot, one in answer.slots.items()},
                decision_id=decision_id,
                language=languages[0],
                fallback=answer.fallback,
            )
        except (TemplateError, TypeError, ValueError, OverflowError) as error:
            raise read.invalid(f"Page '{name}' cannot be made of these slots: {error}") from None

    def _unknown(self, name: Any) -> Problem:
        known = ", ".join(self.names) or "none: conf/pages is empty"
        hint = did_you_mean(str(name)[:80], self._templates, "")
        return read.invalid(f"page should be one of {known}. {hint}".strip())


def load_pages(conf_dir: Path | None, default_language: str) -> Pages:
    """Returns the pages of conf/pages/*.html, of a conf/ of yours its own alone.

    Raises ConfigError for a file that is no template.
    """
    folder = conf_dirs(conf_dir)[-1] / PAGES
    files = sorted(folder.glob("*.html")) if folder.is_dir() else []
    return Pages({path.stem: path.read_text(encoding="utf-8") for path in files}, default_language)


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    """A slot as templates see it: HTML that was sanitised, or trusted, when it was loaded."""
    if document["format"] == "html" and document["body"] is not None:
        document["body"] = Markup(document["body"])
    return {"items": [], **document}
