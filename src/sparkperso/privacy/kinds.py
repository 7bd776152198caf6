"""Kinds of personal values: how a field tells its kind, and one form for equal values."""

from __future__ import annotations

import ipaddress
import re
import unicodedata

from sparkperso.privacy.decode import decoded
from sparkperso.privacy.scan import scan

EMAIL, PHONE, IP, USER = "email", "phone", "ip", "user"
NAMES = {
    EMAIL: {"email", "e_mail", "mail", "email_address", "e_mail_address", "mail_address"},
    PHONE: {
        *("phone", "phone_number", "mobile", "mobile_phone", "tel", "telephone"),
        *("mobile_number", "cell_phone", "telephone_number", "phone_no", "mobile_no", "msisdn"),
        *("telefon", "telefonnummer", "handynummer", "telefono", "telefone"),
    },
    IP: {"ip", "ip_address", "ip_addr", "client_ip", "remote_addr"},
    # One person's identifiers: what an alias joins has to stay equal.
    USER: {"user_id", "anonymous_id", "previous_id"},
}
KIND_OF_NAME = {name: kind for kind, names in NAMES.items() for name in names}
WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
PHONE_NUMBER = re.compile(
    # With a prefix as it is dialled, or with an area code in brackets or cut off by a mark.
    r"(?:tel:)?(?:\+|0)[0-9 ()./-]{6,28}[0-9]|\(\d{2,5}\)[0-9 ./-]{5,20}[0-9]"
    r"|\d{3}[-. ]\d{3}[-. ]\d{4}",
    re.ASCII | re.IGNORECASE,
)
MAC = re.compile(r"[0-9A-F]{2}(?:[:-][0-9A-F]{2}){5}", re.ASCII | re.IGNORECASE)
NO_WORD = re.compile(r"[^a-z0-9]+")


def kind_of(field: str, value: str) -> str:
    """Returns the kind of a field's value, `email` for an address wherever it stands.

    So an account that is named by an address, and the address elsewhere, have one pseudonym.

    >>> kind_of("metadata.billingPhone", "030 123"), kind_of("user_id", "anna@example.com")
    ('billing_phone', 'email')
    """
    if value.count("@") == 1 and "." in value.rpartition("@")[2] and " " not in value.strip():
        return EMAIL
    words = WORD_START.sub("_", field.rpartition(".")[2]).lower()
    name = NO_WORD.sub("_", words).strip("_")[:64] or "value"
    return KIND_OF_NAME.get(name, name)


def normalise(kind: str, value: str) -> str:
    """Returns one form for values that mean the same; other kinds are taken to the letter.

    >>> normalise(PHONE, "0049 (30) 123-45") == normalise(PHONE, "+49 30 12345")
    True
    """
    if kind == EMAIL:
        # Capitals before the @ may count (RFC 5321, section 2.4), and hardly anywhere do.
        return unicodedata.normalize("NFKC", value).strip().casefold()
    if kind == PHONE:
        return _phone(value)
    return _ip(value) if kind == IP else value


def personal_kind(text: str) -> str | None:
    """Returns what personal value an identifier looks like, in words; None when it is opaque.

    An e-mail address or a card number anywhere in it, however it is written; a phone number or an
    IP address as a whole. Digits alone are a phone number when they begin as is dialled: + or 0.

    >>> personal_kind("anna@example.com"), personal_kind("user-17")
    ('an e-mail address', None)
    """
    findings = scan(text)
    if findings:
        return "an e-mail address" if findings[0].kind == EMAIL else "a card number"
    plain = decoded(text).text.strip()
    if _is_ip(plain):
        return "an IP address"
    if MAC.fullmatch(plain):
        return "the address of a network card"
    if PHONE_NUMBER.fullmatch(plain) and 8 <= sum(map(str.isdigit, plain)) <= 15:
        return "a phone number"
    return None


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def _phone(value: str) -> str:
    """Returns the digits, with + for an international prefix (0049 and +49 are the same)."""
    digits = "".join(character for character in value if character.isdecimal())
    if value.strip().startswith("+"):
        return f"+{digits}"
    return f"+{digits[2:]}" if digits.startswith("00") else digits


def _ip(value: str) -> str:
    """Returns an address in its short form; IPv4 within IPv6 is IPv4."""
    try:
        address = ipaddress.ip_address(value.strip())
    except ValueError:
        return value
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
