"""The form of conf/mails/<name>.yaml: what a mail says, and what it is made of.

Its body stands beside it: `<name>.mjml`, or `<name>.html`; for one language alone
`<name>.<language>.mjml`. `<name>.txt` is its plain text, made of the HTML where there is none.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from sparkperso.config.content.section import Language
from sparkperso.config.mail.addresses import mailbox
from sparkperso.config.segments import NAME
from sparkperso.core.section import Section

MAILS = "mails"
"""The folder of conf/."""
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
"""A name that Jinja takes after a dot."""
MailListKind = Literal["new", "again", "mixed", "similar", "popular"]
"""Lists that a mail may hold; there is no session whose next item could be told."""
ItemFact = Literal["title", "price", "picture", "url"]


class MailList(Section):
    """A list of items in a mail."""

    kind: MailListKind = "new"
    """Which list; who gave no consent to personalisation gets what is popular."""
    n: int = Field(default=6, ge=1, le=50)
    """How many of it, at most."""
    at_least: int = Field(default=0, ge=0, le=50)
    """Fewer make no mail: it fails with the reason `too_few_items`."""
    needs: tuple[ItemFact, ...] = ("title",)
    """What an item must have to be listed."""


class Price(Section):
    """How a price is written."""

    pattern: str = Field(default="{}", pattern=r"^[^{}]*\{\}[^{}]*$")
    """The amount stands for `{}`: `£{}`."""
    decimal: Literal[".", ","] = "."
    """Before the decimals; the other of the two stands between thousands."""


class MailTexts(Section):
    """What a mail says in one language. Texts are Jinja's, as the body is."""

    subject: str = Field(min_length=1, max_length=500)
    preheader: str = Field(default="", max_length=500)
    """What mail programs show after the subject."""
    texts: dict[Word, str] = Field(default_factory=dict)
    """Name → text, which the body calls `texts.<name>`."""
    price: Price = Field(default_factory=Price)


class MailForm(Section):
    """A mail."""

    name: str = Field(pattern=NAME, max_length=60)
    """The file's name, and the campaign of its links where none is named."""
    description: str = ""
    """What it is for."""
    kind: Literal["marketing", "transactional"]
    """`marketing`: for those who may be sent it, with a way out; `transactional`: an order, a
    password: for everybody, and its links are followed without being counted."""
    from_: str = Field(alias="from")
    """`Shop <shop@shop.example>`."""
    reply_to: str | None = None
    slots: tuple[Annotated[str, Field(pattern=NAME)], ...] = ()
    """Slots of conf/slots that are filled for each person: `slots.<name>` in the body."""
    lists: dict[Word, MailList] = Field(default_factory=dict)
    """Name → list: `lists.<name>` in the body. Rules for items hold that name a slot of this name,
    or none."""
    data: dict[Word, str] = Field(default_factory=dict)
    """Name → a sample: what whoever asks for the mail must give with it, `data.<name>`."""
    languages: dict[Language, MailTexts] = Field(min_length=1)
    """Language → its texts; the reader's, else serving.default_language, is sent."""

    @field_validator("from_", "reply_to")
    @classmethod
    def _is_a_mailbox(cls, text: str | None) -> str | None:
        if text is not None:
            mailbox(text)
        return text
