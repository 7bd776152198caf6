"""A mailing: each addressee's mail, from what the store knows of them, to where mails go.

1. Addressees come in groups; what the store knows of a group is read in one round trip.
2. Who has no address, or did not agree, gets none; nor who got it before (`ledger`).
3. What their mail needs is decided; a group's lists are read in one round trip, items in another.
4. The mail is rendered, and handed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from itertools import islice

from sparkperso.config import Settings
from sparkperso.config.mail.addresses import LONGEST_NAME, mailbox
from sparkperso.core.spellings import country_codes
from sparkperso.core.times import now
from sparkperso.decisions.facts import Facts, may_market, may_personalise, read_context
from sparkperso.mail.message import Mail, MailError, one_line
from sparkperso.mail.plan import MailPlan
from sparkperso.mail.render import Mailer
from sparkperso.mail.variables import Recipient
from sparkperso.services.mailing.addressees import Addressee
from sparkperso.services.mailing.delivery import Delivery
from sparkperso.services.mailing.lists import ListReader
from sparkperso.services.mailing.people import StoredPerson, read_people

GROUP = 200
NO_CONSENT, NO_ADDRESS = "no consent", "no address"
"""What becomes of an addressee, beside what deliveries say, and `failed: why`."""
Withdrawn = Callable[[str], bool]
"""Says whether a user withdrew from marketing since the store was published."""


@dataclass
class MailingReport:
    """Addressees by what became of them."""

    counts: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    """Of mails that were made, by what is odd about them."""
    examples: dict[str, str] = field(default_factory=dict)
    """Outcome → the words of its first mail that failed."""

    @property
    def n_people(self) -> int:
        """Returns how many addressees there were."""
        return self.counts.total()


@dataclass(frozen=True)
class _Planned:
    """An addressee who is to get a mail."""

    addressee: Addressee
    to: Address
    person: StoredPerson
    plan: MailPlan


class Mailing:
    """Sends one mail of conf/mails to many."""

    def __init__(
        self,
        settings: Settings,
        mailer: Mailer,
        reader: ListReader,
        name: str,
        *,
        campaign: str,
        at: datetime | None = None,
        withdrawn: Withdrawn = lambda _: False,
    ) -> None:
        """`at` is the time that rules see and that links say; the clock's without it."""
        self._settings, self._mailer, self._reader = settings, mailer, reader
        self._template = mailer.templates.get(name)
        self._campaign, self._at, self._withdrawn = campaign, at, withdrawn
        self._countries = country_codes(settings.ingest.country_aliases)

    def run(self, addressees: Iterable[Addressee], delivery: Delivery) -> Iterator[MailingReport]:
        """Yields the report as it stands after each group.

        Raises StoreError where the store does not answer, and whatever a delivery raises that can
        go no further; what was delivered until then is noted.
        """
        report, remaining = MailingReport(), iter(addressees)
        while group := list(islice(remaining, GROUP)):
            self._reader.refresh()
            planned = list(self._planned(group, report))
            self._reader.load([(one.person.user_id, one.plan) for one in planned])
            for one in planned:
                report.counts[self._send(one, delivery, report)] += 1
            yield report

    def _planned(self, group: Sequence[Addressee], report: MailingReport) -> Iterator[_Planned]:
        ids = [one.user_id for one in group]
        people = read_people(self._reader.records, ids, self._reader.manifest)
        for addressee, person in zip(group, people, strict=True):
            to = _address(addressee)
            if isinstance(to, str):
                report.counts[to] += 1
            elif not self._may_send(person):
                report.counts[NO_CONSENT] += 1
            else:
                yield _Planned(addressee, to, person, self._plan(addressee, person))

    def _send(self, one: _Planned, delivery: Delivery, report: MailingReport) -> str:
        if before := delivery.claim(one.addressee):
            return before
        try:
            mail = self._mail(one)
            message = mail.message(one.to, self._now())
        except MailError as error:
            delivery.release(one.addressee)
            outcome = f"failed: {error.reason}"
            report.examples.setdefault(outcome, str(error))
            return NO_CONSENT if error.reason == "no_consent" else outcome
        except BaseException:
            delivery.release(one.addressee)
            raise
        report.warnings.update(mail.warnings)
        # From here on it may have left: nobody but the delivery knows whether to take it back.
        return delivery.deliver(one.addressee, mail, message)

    def _mail(self, one: _Planned) -> Mail:
        person, plan, addressee = one.person, one.plan, one.addressee
        lists, catalogue = self._reader.lists_of(person.user_id, plan)
        # Asked again: a group takes its time, and who withdrew meanwhile gets none.
        may_market = self._may_send(person)
        return self._mailer.render_for(
            plan,
            lists,
            Recipient(person.user_id, may_market, addressee.name, addressee.data),
            catalogue=catalogue,
            campaign=self._campaign,
            sent_at=self._now(),
        )

    def _may_send(self, person: StoredPerson) -> bool:
        if self._template.form.kind != "marketing":
            return True
        region, decision = person.attributes.get("country"), person.decisions.get("marketing")
        is_allowed = may_market(self._settings, decision, region)
        return is_allowed and not self._withdrawn(person.user_id)

    def _plan(self, addressee: Addressee, person: StoredPerson) -> MailPlan:
        region = person.attributes.get("country")
        decision = person.decisions.get("personalisation")
        facts = Facts(
            self._now(),
            read_context({"language": addressee.language}, self._countries),
            person.user_id,
            person.attributes,
            frozenset(person.segments),
            may_personalise(self._settings, decision, region),
        )
        return self._mailer.plan(self._template.name, facts)

    def _now(self) -> datetime:
        return self._at or now()


def _address(addressee: Addressee) -> Address | str:
    """The mailbox of an addressee, or what is wrong with it; without a user there is no mail."""
    if not addressee.address:
        return NO_ADDRESS
    if not addressee.user_id:
        return "failed: user_id"
    try:
        found = mailbox(addressee.address)
        name = one_line(addressee.name, LONGEST_NAME)
        return Address(name, found.username, found.domain)
    except ValueError:
        return "failed: address"
