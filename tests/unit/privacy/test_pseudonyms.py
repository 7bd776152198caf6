"""Pseudonyms: equal values, equal pseudonyms; nothing of the value; keys that follow each other."""

import pytest

from sparkperso.config.privacy import PrivacyConfig
from sparkperso.config.secret import read_secret
from sparkperso.core.errors import ConfigError, JobError
from sparkperso.privacy import Pseudonyms, load_keys, pseudonymise_fields
from sparkperso.privacy.kinds import kind_of

SECRETS = {"K1": "1" * 32, "K2": "2" * 32, "K3": "3" * 32}
CHAIN = {
    "k1": {"from_env": "K1"},
    "k2": {"from_env": "K2", "follows": "k1"},
    "k3": {"from_env": "K3", "follows": "k2"},
}
VALUES = [
    ("email", "anna@example.com"),
    ("phone", "+49 30 1234"),
    ("ip", "2001:db8::1"),
    ("user_id", "ü 7"),
]


def pseudonyms(current="k1", keys=CHAIN, environ=SECRETS):
    config = PrivacyConfig.model_validate({"current": current, "keys": keys})
    return Pseudonyms(load_keys(config, "prod", environ))


@pytest.mark.parametrize(("kind", "value"), VALUES)
@pytest.mark.parametrize(("old", "new"), [("k1", "k2"), ("k2", "k3"), ("k1", "k3"), ("k2", "k2")])
def test_re_keying_is_pseudonymising_directly_under_the_chained_key(kind, value, old, new):
    stored = pseudonyms(old).of(kind, value)
    assert pseudonyms(new).rekey(stored) == pseudonyms(new).of(kind, value)


def test_a_pseudonym_says_key_and_kind_and_nothing_of_the_value():
    made = pseudonyms("k2").of("email", "anna@example.com")
    assert made.startswith("k2:email:")
    assert len(made) == len("k2:email:") + 32
    assert "anna" not in made


def test_pseudonyms_depend_on_key_kind_and_value():
    made = {pseudonyms(key).of(kind, value) for key in CHAIN for kind, value in VALUES}
    other = pseudonyms(environ=SECRETS | {"K1": "x" * 32})
    made |= {other.of(kind, value) for kind, value in VALUES}
    made.add(pseudonyms().of("phone", "anna@example.com"))
    assert len(made) == len(VALUES) * 4 + 1


def test_a_known_pseudonym_is_not_pseudonymised_again():
    first = pseudonyms("k1").of("email", "anna@example.com")
    assert pseudonyms("k1").of("user_id", first) == first
    assert pseudonyms("k2").of("user_id", first) == pseudonyms("k2").of("email", "anna@example.com")
    foreign = f"k9:email:{'0' * 32}"
    assert not pseudonyms().knows(foreign)
    assert pseudonyms().of("user_id", foreign) != foreign


def test_a_pseudonym_of_a_newer_key_stays_while_others_rotate():
    newer = pseudonyms("k2").of("email", "anna@example.com")
    assert pseudonyms("k1").rekey(newer) == newer


def test_re_keying_refuses_what_it_cannot_do():
    stored = pseudonyms("k1").of("email", "anna@example.com")
    fresh = pseudonyms("k2", {"k1": {"from_env": "K1"}, "k2": {"from_env": "K2"}})
    with pytest.raises(JobError, match=r"k2\.follows"):
        fresh.rekey(stored)
    with pytest.raises(JobError, match="The text is not one"):
        fresh.rekey("anna@example.com")


@pytest.mark.parametrize(
    ("kind", "left", "right"),
    [
        ("email", "Anna@Example.COM ", "anna@example.com"),
        ("phone", "+49 (30) 123-4", "0049301234"),
        ("ip", "::ffff:192.0.2.1", "192.0.2.1"),
        ("ip", "2001:DB8:0:0::1", "2001:db8::1"),
    ],
)
def test_ways_to_write_one_value_give_one_pseudonym(kind, left, right):
    assert pseudonyms().of(kind, left) == pseudonyms().of(kind, right)


def test_opaque_values_are_taken_to_the_letter():
    assert pseudonyms().of("user_id", "A1") != pseudonyms().of("user_id", "a1")


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("user_id", "anna@example.com", "email"),
        ("metadata.traits.phoneNumber", "1", "phone"),
        ("metadata.ip", "192.0.2.1", "ip"),
        ("metadata.firstName", "Anna", "first_name"),
        ("metadata.E-Mail", "none", "email"),
        ("metadata.Größe", "1", "gr_e"),
    ],
)
def test_a_fields_name_tells_its_kind(field, value, kind):
    assert kind_of(field, value) == kind


def test_marked_fields_of_any_type_and_depth_are_replaced_and_no_others():
    event = {
        "user_id": "anna@example.com",
        "event_type": "identify",
        "metadata": {"traits": {"phone": 49301234, "plan": "pro"}, "address": {"city": "Köln"}},
    }
    made = pseudonyms()
    fields = ("user_id", "metadata.traits.phone", "metadata.address", "metadata.absent.deep")
    pseudonymise_fields(event, fields, made)
    assert event["user_id"] == made.of("email", "anna@example.com")
    assert event["metadata"]["traits"] == {"phone": made.of("phone", "49301234"), "plan": "pro"}
    assert "Köln" not in str(event)
    again = {**event}
    pseudonymise_fields(again, fields, made)
    assert again == event


def test_a_service_does_not_start_without_secrets_but_locally():
    config = PrivacyConfig.model_validate(
        {"keys": {"k1": {"from_env": "K1", "secret": "local-only-and-long-enough-for-it"}}}
    )
    with pytest.raises(ConfigError, match="It is not set"):
        load_keys(config, "cluster", {})
    with pytest.raises(ConfigError, match="It has 5 characters"):
        load_keys(config, "local", {"K1": "short"})
    assert load_keys(config, "local", {}).secrets
    assert "local-only" not in repr(load_keys(config, "local", {}))


def test_two_keys_may_not_share_a_secret():
    with pytest.raises(ConfigError, match="share one"):
        pseudonyms(environ=SECRETS | {"K2": SECRETS["K1"]})


@pytest.mark.parametrize(
    "tree",
    [
        {"current": "k9"},
        {"keys": {"k1": {"from_env": "K1", "follows": "k0"}}},
        {"keys": {k: {"from_env": k, "follows": f} for k, f in (("k1", "k2"), ("k2", "k1"))}},
    ],
)
def test_chains_of_keys_have_an_end(tree):
    with pytest.raises(ValueError, match=r"current names no key|in no circle"):
        PrivacyConfig.model_validate(tree)


def test_a_secret_may_be_in_a_file(tmp_path):
    (tmp_path / "k").write_text("s3cret\n", encoding="utf-8")
    assert read_secret("K", {"K_FILE": str(tmp_path / "k"), "K": "other"}) == "s3cret"
    with pytest.raises(ConfigError, match="K_FILE"):
        read_secret("K", {"K_FILE": str(tmp_path / "none")})
