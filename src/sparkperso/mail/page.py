"""A template filled with one person's mail, before its links are signed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mjml
from css_inline import InlineError
from markupsafe import Markup

from sparkperso.decisions.decision import Choice
from sparkperso.mail.message import LONGEST_SUBJECT, one_line
from sparkperso.mail.plain_text import plain_text
from sparkperso.mail.plan import MailPlan, key_of_slot
from sparkperso.mail.sandbox import MailTemplateError, Text
from sparkperso.mail.styles import inlined, split_inline
from sparkperso.mail.templates import Edition
from sparkperso.mail.variables import MailItem, MailPerson, MailSlot, Recipient


@dataclass(frozen=True)
class PageTexts:
    """What a template became; `plain` is None where it has no plain text of its own."""

    subject: str
    html: str
    plain: str | None


class Page:
    """What a template is given, and what becomes of it."""

    def __init__(
        self,
        plan: MailPlan,
        edition: Edition,
        recipient: Recipient,
        filled: Mapping[str, tuple[MailItem, ...]],
    ) -> None:
        self.plan, self.edition, self.recipient = plan, edition, recipient
        self._filled = filled
        self._marks: dict[str, str] = {}
        """Mark → the HTML that stands there in the end."""

    def write(self, given: Mapping[str, Any]) -> PageTexts:
        """Returns the mail's texts; raises MailTemplateError."""
        variables = {**given, **self._variables()}
        price = self.edition.texts.price

        def written(text: Text) -> str:
            return text.render(variables, price)

        variables["texts"] = {name: written(text) for name, text in self.edition.words.items()}
        variables["subject"] = one_line(written(self.edition.subject), LONGEST_SUBJECT)
        variables["preheader"] = one_line(written(self.edition.preheader), LONGEST_SUBJECT)
        html = self._html(written(self.edition.body))
        plain = None
        if self.edition.plain is not None:
            variables["slots"] = self._slots(is_html=False)
            plain = written(self.edition.plain)
        return PageTexts(variables["subject"], html, plain)

    def _variables(self) -> dict[str, Any]:
        facts, own = self.plan.facts, self.plan.template.form
        person = MailPerson(
            self.recipient.name,
            facts.attributes.get("country"),
            tuple(sorted(facts.segments)) if facts.may_personalise else (),
            dict(facts.attributes) if facts.may_personalise else {},
        )
        return {
            "language": self.edition.language,
            "person": person,
            "data": {name: self.recipient.data[name] for name in own.data},
            "lists": {name: self._filled[name] for name in own.lists},
            "slots": self._slots(is_html=True),
            "year": facts.at.year,
        }

    def _slots(self, *, is_html: bool) -> dict[str, MailSlot]:
        return {
            name: MailSlot(
                choice.content_id,
                choice.variant,
                self._body(choice, is_html),
                self._filled.get(key_of_slot(name), ()),
            )
            for name, choice in self.plan.decision.slots.items()
        }

    def _body(self, choice: Choice, is_html: bool) -> Any:
        if choice.format != "html":
            return "" if choice.body is None else choice.body
        body = str(choice.body)
        if not is_html:
            return plain_text(body).rstrip()
        # Not to be guessed: an item's title that held a mark would be replaced, too.
        mark = f"mark{secrets.token_hex(12)}end"
        self._marks[mark] = body
        return Markup(mark)

    def _html(self, body: str) -> str:
        place, html, css = self.edition.body.place, body, None
        if self.edition.is_mjml:
            source, css = split_inline(body)
            try:
                # No fonts: a mail that loads some tells their server who read it.
                html = mjml.mjml2html(source, fonts={})
            except ValueError as error:
                raise MailTemplateError(f"{place}: MJML cannot be read: {error}") from None
        for mark, content in self._marks.items():
            html = html.replace(mark, content)
        try:
            return inlined(html, css)
        except InlineError as error:
            raise MailTemplateError(f"{place}: its styles cannot be read: {error}") from None
