"""Who a person is: declared facts and traits, country, year of birth, age; rows of gold/profiles.

`Persons` has each definition once; rules, lists, models and profiles take it from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkperso.core.package import exporter

if TYPE_CHECKING:
    from sparkperso.users.persons import Persons as Persons
    from sparkperso.users.profiles import profile_people as profile_people

_EXPORTS = {
    "Persons": "persons",
    "profile_people": "profiles",
}
__all__ = list(_EXPORTS)
__getattr__ = exporter(__name__, _EXPORTS)
