"""Which variants somebody is given: consent first, then the experiments of conf/."""

from __future__ import annotations

from dataclasses import dataclass

from sparkperso.experiments.assignment.assign import Assignment
from sparkperso.experiments.assignment.book import ExperimentBook
from sparkperso.services.serve.engine.people import People, Person
from sparkperso.services.serve.engine.requests import ExperimentsRequest
from sparkperso.services.serve.engine.store_access import Fallback, StoreUnavailable


@dataclass(frozen=True, slots=True)
class Assigned:
    """What somebody is given."""

    experiments: dict[str, Assignment]
    """Name of the experiment → variant, in the order asked for."""
    may_personalise: bool
    fallback: Fallback | None = None
    """Why consent and profile could not be read: then everybody gets the baseline."""

    @property
    def counted(self) -> tuple[Assignment, ...]:
        """Returns those that the person is in."""
        return tuple([one for one in self.experiments.values() if one.is_counted])


class Assigning:
    """Answers requests for variants."""

    def __init__(self, people: People, book: ExperimentBook) -> None:
        self._people, self._book = people, book

    async def answer(self, request: ExperimentsRequest) -> Assigned:
        """Returns the variants; raises KeyError for an experiment that is not there.

        Without the store nobody is known to have agreed, so that all get the baselines.
        """
        splits, why = self._book.splits, None
        names = request.names
        asked = splits if names is None else {name: splits[name] for name in names}
        try:
            person = await self._people.person(
                request.subject,
                with_profile=not self._book.personal.isdisjoint(asked),
                with_recent=False,
            )
        except StoreUnavailable as error:
            person, why = Person(request.subject, may_personalise=False), error.why
        facts, units = person.facts(request.context), request.subject.units
        given = {
            name: split.assign(facts, units)
            for name, split in asked.items()
            if names is not None or split.is_running(facts.at)
        }
        return Assigned(given, person.may_personalise, why)
