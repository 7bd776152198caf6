"""Keyed pseudonyms, and a scanner that masks e-mail addresses and card numbers in text."""

from sparkperso.privacy.fields import PersonalFields, pseudonym_of, pseudonymise_fields
from sparkperso.privacy.keys import load_keys
from sparkperso.privacy.kinds import personal_kind
from sparkperso.privacy.mask import mask, mask_identifier, mask_tree
from sparkperso.privacy.pseudonyms import Pseudonyms
from sparkperso.privacy.scan import Finding, may_find, may_hold, scan

__all__ = [
    "Finding",
    "PersonalFields",
    "Pseudonyms",
    "load_keys",
    "mask",
    "mask_identifier",
    "mask_tree",
    "may_find",
    "may_hold",
    "personal_kind",
    "pseudonym_of",
    "pseudonymise_fields",
    "scan",
]
