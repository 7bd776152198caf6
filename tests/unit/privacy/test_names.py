"""Names of fields: equal in any spelling and at any depth; traits are personal unless harmless."""

import json

import pytest

from sparkperso.config import load_named, load_settings
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.privacy import PersonalFields, Pseudonyms, load_keys
from sparkperso.privacy.names import compact, is_identifier, is_personal

PLAN = load_named("tracking_plans", "default", TrackingPlan)
MADE = Pseudonyms(load_keys(load_settings().privacy, "local", {}))
SPELLINGS = ["dateOfBirth", "date_of_birth", "Date of birth", "DATE-OF-BIRTH", "date.of.birth"]
PERSONAL = [
    *SPELLINGS, "mobile", "first name", "firstName", "FirstName", "LASTNAME", "E-Mail", "userEmail",
    "billing_phone", "shippingAddress", "address2", "Prénom", "Straße", "customer name",
    "ipAddress",
    "IBAN", "cardNumber", "passport no", "Telefonnummer",
]  # fmt: skip
OTHERS = [
    "element",
    "product_name",
    "name",
    "file",
    "mobile_app",
    "emails_sent",
    "zip",
    "tip",
    "plan",
]


def cleaned(event_type="click", public=(), **parts):
    event = {"event_type": event_type, "metadata": {}, "context": {}, **parts}
    PersonalFields(PLAN.personal_of(event_type), public).pseudonymise(event, MADE)
    return event


def hidden(value):
    return isinstance(value, str) and MADE.knows(value)


@pytest.mark.parametrize("name", PERSONAL)
@pytest.mark.parametrize("around", [[], ["form", "fields"], ["products", 0, "buyer"]])
@pytest.mark.parametrize("part", ["metadata", "context"])
def test_a_personal_name_is_personal_in_any_spelling_and_at_any_depth(name, around, part):
    assert is_personal(name)
    tree = {name: "Ada 17", "plan": "pro"}
    for step in reversed(around):
        tree = [tree] if step == 0 else {step: tree}
    event = cleaned(**{part: tree})
    assert "Ada 17" not in json.dumps(event)
    assert '"pro"' in json.dumps(event)


@pytest.mark.parametrize("name", OTHERS)
def test_other_names_are_not(name):
    assert not is_personal(name)
    assert cleaned(metadata={name: "x"})["metadata"] == {name: "x"}


@pytest.mark.parametrize("event_type", ["page_view", "identify", "group", "alias", "click"])
def test_traits_are_personal_wherever_they_come_but_for_the_harmless(event_type):
    own = {"name": "Ada", "address": {"city": "Köln"}, "birthday": "1990-01-01", "username": "ada",
           "shoe wish": "red", "hobbies": ["chess", {"club": "K"}],
           "company": {"name": "ACME"}}  # fmt: skip
    clear = {
        "plan": "pro",
        "country": "DE",
        "birthYear": 1990,
        "is_member": True,
        "Loyalty Tier": "A",
    }
    event = cleaned(event_type, metadata={"traits": own | clear, "group_id": "g", "category": "c"})
    traits = event["metadata"]["traits"]
    assert {name: traits[name] for name in clear} == clear
    assert all(
        hidden(traits[name]) for name in ("name", "address", "birthday", "username", "shoe wish")
    )
    text = json.dumps(event, ensure_ascii=False)
    assert not any(word in text for word in ("Ada", "Köln", "1990-01", "chess", '"K"', "ACME"))
    assert (event["metadata"]["group_id"], event["metadata"]["category"]) == ("g", "c")


def test_traits_of_identify_are_traits_at_the_top_too():
    metadata = {"name": "Ada", "favourite_poet": "Sappho", "plan": "pro", "birth_year": 1990}
    found = cleaned("identify", metadata=dict(metadata))["metadata"]
    assert hidden(found["name"])
    assert hidden(found["favourite_poet"])
    assert (found["plan"], found["birth_year"]) == ("pro", 1990)
    found = cleaned("identify", ("Favourite Poet",), metadata=dict(metadata))["metadata"]
    assert found["favourite_poet"] == "Sappho"


def test_a_plan_marks_a_name_at_any_depth_and_a_path_in_its_place():
    fields = PersonalFields(
        ("user_id", "metadata.shoe_size", "metadata.order.gift.note", "item_id")
    )
    event = {
        "user_id": "u",
        "event_type": "purchase",
        "metadata": {
            "line": {"ShoeSize": 43},
            "Order": {"Gift": {"Note": "for Bob", "price": 1}, "note": "x"},
        },
    }
    fields.pseudonymise(event, MADE)
    assert hidden(event["user_id"])
    assert hidden(event["metadata"]["line"]["ShoeSize"])
    assert hidden(event["metadata"]["Order"]["Gift"]["Note"])
    assert event["metadata"]["Order"] | {"Gift": 0} == {"Gift": 0, "note": "x"}
    again = json.loads(json.dumps(event))
    fields.pseudonymise(again, MADE)
    assert again == event


def test_equal_values_have_equal_pseudonyms_in_whatever_field():
    event = cleaned(metadata={"mobile": "+49 30 1", "Telephone": "0049301", "phone": "+49 30-1"})
    assert len(set(event["metadata"].values())) == 1


@pytest.mark.parametrize(
    "name", ["item_id", "productID", "Order ID", "sku", "order number", "itemid"]
)
def test_identifiers_are_known_in_any_spelling(name):
    assert is_identifier(name)


def test_names_of_any_length_cost_the_same():
    long = "a_" * 500_000
    assert compact(long) == "a" * 32
    assert not is_personal(long)
    assert is_personal(f"{long}email")
