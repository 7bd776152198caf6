"""A mail for one person: what was decided and read, put into its template.

1. Lists are filled: items that have what a list needs, by the rules for items, none twice (`plan`).
2. Texts, subject and preheader are written, then the body; a slot's HTML has a mark there (`page`).
3. MJML becomes HTML, and marks what slots show: no content is ever read as MJML.
4. Styles go into the elements (`styles`); links are signed, and a pixel is added (`links`).
5. Plain text is made of the result, where the mail has none of its own (`plain_text`).

Nothing is read and nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from sparkperso.config.content.slots import ListKind
from sparkperso.config.mail.section import MailConfig
from sparkperso.core.errors import UsageError
from sparkperso.decisions.facts import Facts
from sparkperso.decisions.items import Item
from sparkperso.decisions.rulebook import Rulebook
from sparkperso.email.tokens import Links
from sparkperso.mail.links import LinkWriter
from sparkperso.mail.message import ONE_CLICK, UNSUBSCRIBE, Mail, MailError, message_id
from sparkperso.mail.page import Page, PageTexts
from sparkperso.mail.plain_text import plain_text
from sparkperso.mail.plan import MailPlan, filled_lists, plan_mail
from sparkperso.mail.sandbox import MailTemplateError
from sparkperso.mail.templates import Edition, Templates
from sparkperso.mail.variables import Recipient


class Mailer:
    """Makes mails.

    `links` signs their links; None where no site counts them (`links.site`), and then there is no
    marketing.
    """

    def __init__(
        self,
        templates: Templates,
        book: Rulebook,
        config: MailConfig,
        links: Links | None,
        default_language: str = "en",
    ) -> None:
        self.templates, self._config = templates, config
        self._book, self._links, self._language = book, links, default_language

    def plan(self, name: str, facts: Facts) -> MailPlan:
        """Returns what a mail shows a person, and what is to be read for it.

        Raises UsageError for a mail or a slot that is not there.
        """
        return plan_mail(self._book, self.templates.get(name), facts)

    def render_for(
        self,
        plan: MailPlan,
        lists: Mapping[ListKind, Sequence[Item]],
        recipient: Recipient,
        *,
        catalogue: Mapping[str, Item] | None = None,
        campaign: str | None = None,
        sent_at: datetime | None = None,
    ) -> Mail:
        """Returns a person's mail: the same for the same arguments, always.

        `lists` are the items of `plan.wanted`, with what is known of each; `catalogue` has those of
        `plan.pinned`. The campaign is the mail's name, where it is none. `sent_at` is the time of
        the decision without it. Raises MailError.
        """
        form = plan.template.form
        if form.kind == "marketing" and not recipient.may_market:
            raise MailError("no_consent", "Its person did not agree to marketing")
        if missing := [name for name in form.data if name not in recipient.data]:
            raise MailError("data", f"{form.name} needs the data {', '.join(missing)}")
        edition = plan.template.edition(plan.facts.context.get("language", ()), self._language)
        filled = filled_lists(plan, lists, catalogue or {}, self._config)
        at = (sent_at or plan.facts.at).timestamp()
        try:
            outgoing = self._outgoing(plan, edition, recipient, campaign or form.name, at)
            return outgoing.mail(Page(plan, edition, recipient, filled))
        except MailTemplateError as error:
            raise MailError("template", str(error)) from None

    def _outgoing(
        self, plan: MailPlan, edition: Edition, recipient: Recipient, campaign: str, at: float
    ) -> _Outgoing:
        way_out, links = None, None
        if plan.template.form.kind == "marketing":
            links = self._links
            if links is None:
                raise MailTemplateError("links.site should name the site that mails belong to")
            try:
                way_out = links.unsubscribe_url(recipient.user_id, campaign, sent_at=at)
            except UsageError as error:
                raise MailError("user_id", error.expected) from None
        shop, kept = self._config.shop_url, frozenset({way_out} if way_out else ())
        writer = LinkWriter(recipient.user_id, campaign, at, shop, links, kept)
        return _Outgoing(self._config, edition, campaign, way_out, writer)


@dataclass(frozen=True)
class _Outgoing:
    """One mail on its way out: how its links are signed, and how it is left."""

    config: MailConfig
    edition: Edition
    campaign: str
    way_out: str | None
    """Where its person unsubscribes; None for what is no marketing."""
    writer: LinkWriter

    def mail(self, page: Page) -> Mail:
        given = {"campaign": self.campaign, "shop_url": self.config.shop_url or ""}
        texts = page.write(given | ({"unsubscribe_url": self.way_out} if self.way_out else {}))
        html = self.writer.write(texts.html)
        if self.way_out and escape(self.way_out) not in html:
            raise MailTemplateError(
                f"{self.edition.body.place}: a marketing mail should have a way out: "
                '<a href="{{ unsubscribe_url }}">'
            )
        plain = plain_text(html) if texts.plain is None else self.writer.write_text(texts.plain)
        warnings = [*self.writer.notes]
        limit = self.config.max_html_bytes
        if (size := len(html.encode())) > limit:
            warnings.append(f"the HTML has {size:,} bytes: Gmail cuts off what is beyond {limit:,}")
        return Mail(texts.subject, html, plain, self._head(page, texts), tuple(warnings))

    def _head(self, page: Page, texts: PageTexts) -> dict[str, str]:
        form = page.plan.template.form
        head = {
            "From": form.from_,
            "Reply-To": form.reply_to,
            "Subject": texts.subject,
            "Message-ID": self._message_id(page),
            "Content-Language": self.edition.language,
            UNSUBSCRIBE: self.way_out and f"<{self.way_out}>",
            ONE_CLICK: self.way_out and "List-Unsubscribe=One-Click",
        }
        return {name: value for name, value in head.items() if value}

    def _message_id(self, page: Page) -> str:
        given = page.plan.template.form.data
        data = [f"{name}\1{page.recipient.data[name]}" for name in sorted(given)]
        sender, user_id = page.plan.template.form.from_, page.recipient.user_id
        return message_id(sender, self.campaign, user_id, *data)


def render_for(
    mailer: Mailer,
    lists: Mapping[ListKind, Sequence[Item]],
    name: str,
    recipient: Recipient,
    facts: Facts,
) -> Mail:
    """Returns the mail `name` of a person, from lists by kind; see `Mailer.render_for`."""
    return mailer.render_for(mailer.plan(name, facts), lists, recipient)
