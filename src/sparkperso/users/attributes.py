"""The attributes of one user from rows of tables: what `segments.rules.attributes` is for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparkperso.core.spellings import DEVICES
from sparkperso.users.facts import BIRTH_YEAR, COUNTRY, age_reached, year_of


def attributes_of(features: Mapping[str, Any], profile: Mapping[str, Any]) -> dict[str, Any]:
    """Returns attribute → value of a user, without those that are not known.

    `features` is a row of gold/user_features, `profile` one of gold/profiles; either may be empty.
    The age is that of the profile's as_of, in whole years.

    >>> attributes_of({"frequency": 3, "share_mobile": 0.5}, {})
    {'frequency': 3, 'share_mobile': 0.5, 'device_type': 'mobile'}
    """
    known = dict(features)
    shares = {device: features.get(f"share_{device}") or 0 for device in DEVICES}
    # Of equals, the first of DEVICES.
    device = max(shares, key=lambda name: shares[name])
    known["device_type"] = device if shares[device] > 0 else None
    for fact in (BIRTH_YEAR, COUNTRY):
        known[fact] = profile.get(fact)
    if known[BIRTH_YEAR] is not None:
        known["age"] = age_reached(known[BIRTH_YEAR], year_of(profile["as_of"]))
    return {
        name: value
        for name, value in known.items()
        if isinstance(value, str | int | float) and name != "user_id"
    }
