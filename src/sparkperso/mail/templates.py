"""Mails as they stand in conf/mails: read, compiled, and checked as far as files alone tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sparkperso.config import load_named
from sparkperso.config.content.assets import places
from sparkperso.config.content.section import ANY
from sparkperso.config.layers import own_files
from sparkperso.config.mail.template import MAILS, MailForm, MailTexts
from sparkperso.core.errors import ConfigError, UsageError
from sparkperso.core.suggest import did_you_mean
from sparkperso.mail.markup import attribute_notes, markup_faults
from sparkperso.mail.sandbox import MailTemplateError, Text

MJML, HTML, PLAIN = ".mjml", ".html", ".txt"
MAX_BYTES = 300_000
"""Of a file of a template."""


@dataclass(frozen=True)
class Edition:
    """A mail in one language."""

    language: str
    texts: MailTexts
    subject: Text
    preheader: Text
    words: dict[str, Text]
    body: Text
    is_mjml: bool
    plain: Text | None
    """None: it is made of the HTML."""


@dataclass(frozen=True)
class MailTemplate:
    """A mail in all its languages."""

    form: MailForm
    editions: dict[str, Edition]

    @property
    def name(self) -> str:
        """Returns the file's name."""
        return self.form.name

    def edition(self, languages: Sequence[str], default_language: str) -> Edition:
        """Returns the one that a reader of these languages gets, the first there is without any."""
        for _, language in places(ANY, languages, default_language):
            if language in self.editions:
                return self.editions[language]
        return next(iter(self.editions.values()))


@dataclass
class Templates:
    """What conf/mails holds."""

    mails: dict[str, MailTemplate] = field(default_factory=dict)
    faults: dict[str, None] = field(default_factory=dict)
    """What keeps a mail from being made, a sentence each with file and line."""
    notes: dict[str, None] = field(default_factory=dict)
    """What to look at: it may be meant."""

    def get(self, name: str) -> MailTemplate:
        """Returns a mail; raises UsageError, with the nearest name, where there is none."""
        if name not in self.mails:
            raise UsageError(
                f"A mail is one of {', '.join(self.mails) or 'none: conf/mails is empty'}",
                f"There is no '{name}'",
                did_you_mean(name, self.mails, f"Write conf/mails/{name}.yaml, or name another"),
            )
        return self.mails[name]


def read_templates(conf_dir: Path | None = None) -> Templates:
    """Returns all mails, with the faults of their files: one's keeps no other from being read."""
    templates = Templates()
    try:
        files = own_files(MAILS, conf_dir)
    except ConfigError as error:
        templates.faults[f"{error.expected}: {error.found}"] = None
        return templates
    for name, path in files.items():
        try:
            form = load_named(MAILS, name, MailForm, conf_dir)
            templates.mails[name] = MailTemplate(form, _editions(form, path, templates))
        except ConfigError as error:
            templates.faults[f"{error.expected}: {error.found}"] = None
        except MailTemplateError as error:
            templates.faults[str(error)] = None
    return templates


def _editions(form: MailForm, path: Path, found: Templates) -> dict[str, Edition]:
    editions = {}
    for language, texts in form.languages.items():
        key = f"conf/{MAILS}/{form.name}.yaml, languages.{language}"
        body = _file(path, language, (MJML, HTML))
        if body is None:
            raise MailTemplateError(
                f"conf/{MAILS}/{form.name}.yaml: its body should stand beside it, in "
                f"{form.name}{MJML} or {form.name}{HTML}"
            )
        plain = _file(path, language, (PLAIN,))
        is_mjml = body.suffix == MJML
        source = _read(body)
        _lint(source, body, is_mjml, found)
        editions[language] = Edition(
            language,
            texts,
            Text(texts.subject, f"{key}.subject", is_html=False),
            Text(texts.preheader, f"{key}.preheader", is_html=False),
            {
                name: Text(text, f"{key}.texts.{name}", is_html=False)
                for name, text in texts.texts.items()
            },
            Text(source, _place(body), is_html=True),
            is_mjml,
            Text(_read(plain), _place(plain), is_html=False) if plain else None,
        )
    return editions


def _lint(source: str, path: Path, is_mjml: bool, found: Templates) -> None:
    for line, what in markup_faults(source, is_mjml=is_mjml):
        found.faults[f"{_place(path)}, line {line}: {what}"] = None
    for line, what in attribute_notes(source) if is_mjml else ():
        found.notes[f"{_place(path)}, line {line}: {what}"] = None


def _file(path: Path, language: str, suffixes: Iterable[str]) -> Path | None:
    """The file of one language, else of all, that ends in one of the suffixes."""
    for stem in (f"{path.stem}.{language}", path.stem):
        files = [path.with_name(f"{stem}{suffix}") for suffix in suffixes]
        there = [file for file in files if file.is_file()]
        if len(there) > 1:
            names = " and ".join(file.name for file in there)
            raise MailTemplateError(f"conf/{MAILS}: one of {names} should go: both are {stem}")
        if there:
            return there[0]
    return None


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise MailTemplateError(f"{_place(path)}: has more than {MAX_BYTES:,} bytes")
        return data.decode("utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise MailTemplateError(f"{_place(path)}: should be text in UTF-8: {error}") from None


def _place(path: Path) -> str:
    return f"conf/{MAILS}/{path.name}"
