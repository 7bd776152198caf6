"""What the name of a field says of its value: personal, harmless, an identifier; in any spelling.

`dateOfBirth`, `date_of_birth`, `Date of birth` and `date-of-birth` are one name. A name that ends
in a personal one is personal too: `billing_phone`, `customerEmail`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

MAX_NAME = 64
"""Characters of a name that are looked at, its last: a sender may use names of any length."""
LAST_WORDS = 4
NO_WORD = re.compile(r"[\W_]+")
WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_REACHED = """
email emailaddress mail mailaddress emailadresse mailadresse courriel correo correoelectronico
phone phonenumber phoneno telephone telephonenumber tel telno telefon telefonnummer telefono
telefone telefoonnummer mobile mobilephone mobilenumber mobileno mobilnummer cellphone cellnumber
handynummer msisdn whatsapp fax faxnumber
"""
_NAMED = """
firstname fname givenname forename lastname lname surname familyname middlename maidenname
fullname realname legalname nickname username vorname nachname familienname prenom nomdefamille
apellido apellidos cognome voornaam achternaam
accountname billingname buyername cardholdername clientname contactname customername deliveryname
guestname membername patientname personname profilename recipientname sendername shippingname
shoppername
birthday birthdate dateofbirth dob geburtsdatum geburtstag datedenaissance fechadenacimiento
datadinascita geboortedatum placeofbirth birthplace
"""
_LIVING = """
address addressline streetaddress street streetname housenumber postaladdress adresse anschrift
strasse hausnummer direccion indirizzo adres
"""
_NUMBERED_BY_OTHERS = """
ssn socialsecuritynumber socialsecurity passport passportnumber passportno nationalid
nationalidnumber idcardnumber driverslicense driverlicense driverslicensenumber taxid taxnumber
steuernummer steuerid aadhaar iban accountnumber bankaccount bankaccountnumber kontonummer sortcode
routingnumber cardnumber creditcard creditcardnumber ccnumber cvv cvc
ip ipaddress ipaddr remoteaddr macaddress imei imsi idfa gaid advertisingid
password passwd passwort pwd
"""
PERSONAL = frozenset(f"{_REACHED} {_NAMED} {_LIVING} {_NUMBERED_BY_OTHERS}".split())
"""Personal wherever they stand: how somebody is reached, called, housed and numbered."""
_DESCRIBED = """
plan planname subscription subscriptionplan subscriptionstatus tier level membership membershiplevel
loyaltytier loyaltylevel loyaltypoints points score segment segments cohort status type role
usertype customertype accounttype accountstatus lifecyclestage
country countrycode countryname region regioncode continent timezone tz language lang locale
currency gender sex age agegroup agerange ageband birthyear yearofbirth
industry employees companysize numberofemployees revenue annualrevenue totalbilled totalspent
lifetimevalue ltv orders ordercount orderscount purchases visits logins sessions
created createdat createdon signupdate signedupat signupat registeredat registrationdate
membersince firstseen lastseen lastlogin updatedat
source medium channel campaign utmsource utmmedium utmcampaign utmcontent utmterm
device devicetype os osversion platform browser appversion version
newsletter subscribed optin optedin marketingoptin consent consents
preferences interests favouritecategory favoritecategory favouritebrand favoritebrand
category categories brand department store storeid theme colour color size
experiment variant test tags
"""
HARMLESS = frozenset(_DESCRIBED.split())
"""Traits that describe a person without saying who it is; all other traits are personal."""
TRAITS = frozenset({"traits", "usertraits", "grouptraits"})
TRAIT_EVENTS = frozenset({"identify", "alias", "group"})
"""Types of events whose metadata is about a person, at its top as well as below `traits`."""
JOINING = frozenset(
    {"traits", "event", "category", "screen", "groupid", "previousid", "userid", "anonymousid"}
)
"""What metadata of such events holds beside traits; identifiers are kept, as `user_id` is."""
_ID_WORDS = frozenset(
    {"id", "ids", "sku", "skus", "gtin", "ean", "upc", "isbn", "asin", "mpn", "barcode"}
)
_NUMBER_WORDS = frozenset({"number", "no", "nr", "num", "code", "ref", "reference", "key"})
_COUNTED = """
item product order variant article invoice transaction checkout cart basket shipment parcel
tracking sale ticket booking reservation return refund receipt voucher coupon batch serial model
part style
"""
_NUMBERED = frozenset(_COUNTED.split())
_RUN_TOGETHER = frozenset(
    {"itemid", "productid", "orderid", "variantid", "userid", "sessionid", "eventid"}
)
_PAYING = frozenset({"card", "cards", "pan", "payment", "credit", "debit", "cc"})


def words_of(name: str) -> tuple[str, ...]:
    """Returns the words of a name in lower case, without accents and numbers at their ends."""
    spaced = WORD_START.sub("_", name[-MAX_NAME:])
    letters = unicodedata.normalize("NFKD", spaced).casefold()
    plain = "".join(one for one in letters if not unicodedata.combining(one))
    words = (word.rstrip("0123456789") for word in NO_WORD.split(plain))
    return tuple(word for word in words if word)


def compact(name: str) -> str:
    """Returns a name without spelling: words in lower case, run together.

    >>> compact("date_of_birth"), compact("dateOfBirth")
    ('dateofbirth', 'dateofbirth')
    """
    return "".join(words_of(name))


def is_personal(name: str) -> bool:
    """Says whether a field of this name holds something personal, wherever it stands.

    The whole name, or its last words: LAST_WORDS of them at most.

    >>> is_personal("billing_phone"), is_personal("dateOfBirth"), is_personal("phone_model")
    (True, True, False)
    """
    words = words_of(name)[-LAST_WORDS:]
    return any("".join(words[place:]) in PERSONAL for place in range(len(words)))


def is_identifier(name: str) -> bool:
    """Says whether a field of this name identifies something: `product_id`, `order number`.

    >>> is_identifier("orderNumber"), is_identifier("card_number")
    (True, False)
    """
    return _is_identifier(name[-MAX_NAME:])


@lru_cache(4096)
def _is_identifier(name: str) -> bool:
    words = words_of(name)
    if not words or not _PAYING.isdisjoint(words):
        return False
    is_number = words[-1] in _NUMBER_WORDS and not _NUMBERED.isdisjoint(words[:-1])
    return words[-1] in _ID_WORDS or is_number or "".join(words) in _RUN_TOGETHER
