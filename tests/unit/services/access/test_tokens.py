"""Tokens: a good one is taken, and nothing that differs from it in any way."""

from __future__ import annotations

import base64
import json

import pytest
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry
from tests.issuer import AUDIENCE, ISSUER, KINDS, NOW, Login, encoded

from sparkperso.config.security import IssuerConfig
from sparkperso.services.access.issuers import issuer_trust
from sparkperso.services.access.tokens import MOST_BYTES, TokenChecks, is_subject
from sparkperso.services.http.problems import Problem


def config(login, **more):
    return IssuerConfig(
        issuer=ISSUER,
        audience=AUDIENCE,
        jwks_file=str(login.path),
        **{"algorithms": (login.algorithm,), **more},
    )


def checks_of(*trusts, now=NOW):
    return TokenChecks(trusts, lambda: now)


@pytest.fixture
def login(tmp_path):
    return Login(tmp_path)


@pytest.fixture
def checks(login):
    return checks_of(issuer_trust("login", config(login)))


def refusal(checks, token):
    with pytest.raises(Problem) as problem:
        checks.caller(token)
    assert problem.value.status == 401
    assert 'error="invalid_token"' in problem.value.headers["WWW-Authenticate"]
    return problem.value.code


@pytest.mark.parametrize("algorithm", KINDS)
def test_a_good_token_of_each_algorithm_names_its_user(tmp_path, algorithm):
    login = Login(tmp_path, algorithm)
    caller = checks_of(issuer_trust("login", config(login))).caller(login.token())
    assert (caller.kind, caller.subject, caller.until) == ("user", "user-17", NOW + 600)
    assert not caller.is_anonymous


@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_known_types_and_thumbprints_of_certificates_pass(login, checks, typ):
    header = {"typ": typ, "x5t": "abc", "x5t#S256": "def"}
    assert checks.caller(login.token(header=header)).subject == "user-17"


def test_every_flipped_bit_is_refused(login, checks):
    token = login.token()
    assert checks.caller(token)
    for place in range(len(token)):
        for bit in range(8):
            changed = bytearray(token)
            changed[place] ^= 1 << bit
            refusal(checks, bytes(changed))


def test_every_other_character_at_the_end_is_refused(login, checks):
    """Four bits of the last one mean nothing: a lenient decoder takes 16 texts for one token."""
    token = login.token()
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = [token[:-1] + bytes([char]) for char in alphabet if char != token[-1]]
    for other in [*others, token[:-1], token + b"A", token + b"=", token + b"\n", token + b" "]:
        refusal(checks, other)


def test_parts_are_not_left_out_swapped_or_added(login, checks):
    head, body, mark = login.token().split(b".")
    other = login.token(sub="user-18").split(b".")
    for parts in (
        *([head, body], [head, body, b""], [b"", body, mark], [head, b"", mark], [head], []),
        *([body, head, mark], [head, body, mark, mark], [head, body, mark, b""]),
        *([head, other[1], mark], [head, body, other[2]]),
        *([head, b"", b"", mark], [b".", b".", b"."]),
    ):
        refusal(checks, b".".join(parts))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "NONE"},
        {"alg": "nOnE"},
        {"alg": "HS256"},
        {"alg": "ES384"},
        {"alg": "RS256"},
        {"alg": "ES256K"},
        {"alg": "es256"},
        {"alg": ""},
        {"alg": None},
        {"alg": ["ES256"]},
        {"alg": {"a": 1}},
        {"kid": None},
        {"kid": ""},
        {"kid": "k2"},
        {"kid": 1},
        {"kid": ["k1"]},
        {"kid": "../../../../dev/null"},
        {"kid": "/etc/passwd"},
        {"kid": "k1\x00"},
        {"kid": "k1' OR '1'='1"},
        {"kid": "k1|id"},
        {"kid": "к1"},
        {"kid": "k" * 400},
        {"typ": "browser+jwt"},
        {"typ": "JWE"},
        {"typ": ""},
        {"typ": 1},
        {"typ": ["JWT"]},
        {"crit": ["exp"]},
        {"crit": []},
        {"jku": "https://evil.example/keys.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"b64": False},
        {"unknown": True},
    ],
    ids=str,
)
def test_a_header_that_says_anything_else_is_refused(login, checks, header):
    _, body, mark = login.token().split(b".")
    changed = encoded(login.header(**header))
    refusal(checks, b".".join([changed, body, mark]))
    # With a good signature too, where one can be made at all.
    if isinstance(header.get("alg", "ES256"), str) and header.get("alg", "ES256") == "ES256":
        text = changed + b"." + body
        mark = encoded(JWSRegistry.algorithms["ES256"].sign(text, login.key))
        refusal(checks, text + b"." + mark)


def test_a_key_within_the_token_proves_nothing(login, checks):
    thief = ECKey.generate_key("P-256", parameters={"kid": "k1"})
    jwk = thief.as_dict(private=False)
    for header in ({}, {"jwk": jwk}, {"jwk": jwk, "kid": "evil"}, {"kid": "evil"}):
        refusal(checks, login.token(key=thief, header=header))


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
@pytest.mark.parametrize("form", ["pem", "der"])
def test_the_public_key_is_no_secret_of_hmac(tmp_path, algorithm, form):
    login = Login(tmp_path, algorithm)
    refusal(checks_of(issuer_trust("login", config(login))), login.signed_with_public_key(form))


@pytest.mark.parametrize("mark", [b"", b"AA", b"A" * 86, b"A" * 96])
def test_no_signature_and_one_of_zeros_are_refused(login, checks, mark):
    head, body, _ = login.token().split(b".")
    none = encoded({"alg": "none", "kid": "k1", "typ": "JWT"})
    refusal(checks, b".".join([head, body, mark]))
    refusal(checks, b".".join([none, body, mark]))


def test_algorithms_are_the_issuers_whatever_the_key_could(tmp_path):
    login = Login(tmp_path, "RS256")
    checks = checks_of(issuer_trust("login", config(login, algorithms=("RS256",))))
    assert checks.caller(login.token())
    refusal(checks, login.token(header={"alg": "PS256"}))


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": NOW - 30}, "expired_token"),
        ({"exp": NOW - 31, "iat": NOW - 60}, "expired_token"),
        ({"exp": 0}, "expired_token"),
        ({"exp": -1e9}, "expired_token"),
        ({"exp": None}, "invalid_token"),
        ({"exp": str(NOW + 600)}, "invalid_token"),
        ({"exp": True}, "invalid_token"),
        ({"exp": [NOW + 600]}, "invalid_token"),
        ({"exp": 10**300}, "invalid_token"),
        ({"exp": 1e308}, "invalid_token"),
        ({"exp": 10**300, "iat": 10**300}, "invalid_token"),
        ({"exp": NOW + 86_401}, "invalid_token"),
        ({"iat": None}, "invalid_token"),
        ({"iat": NOW + 31}, "invalid_token"),
        ({"iat": "now"}, "invalid_token"),
        ({"iat": -(10**18)}, "invalid_token"),
        ({"nbf": NOW + 31}, "invalid_token"),
        ({"nbf": "soon"}, "invalid_token"),
        ({"aud": "another"}, "invalid_token"),
        ({"aud": ["another"]}, "invalid_token"),
        ({"aud": []}, "invalid_token"),
        ({"aud": None}, "invalid_token"),
        ({"aud": {"sparkperso": 1}}, "invalid_token"),
        ({"aud": "SPARKPERSO"}, "invalid_token"),
        ({"aud": ["sparkperso", 7]}, "invalid_token"),
        ({"iss": ISSUER[:-1]}, "invalid_token"),
        ({"iss": ISSUER.upper()}, "invalid_token"),
        ({"iss": None}, "invalid_token"),
        ({"iss": [ISSUER]}, "invalid_token"),
        ({"sub": None}, "invalid_token"),
        ({"sub": ""}, "invalid_token"),
        ({"sub": 17}, "invalid_token"),
        ({"sub": ["user-17"]}, "invalid_token"),
        ({"sub": "user\n17"}, "invalid_token"),
        ({"sub": "user\ud80017"}, "invalid_token"),
        ({"sub": "u" * 257}, "invalid_token"),
    ],
    ids=str,
)
def test_claims_that_do_not_fit_are_refused_though_signed(login, checks, claims, code):
    assert refusal(checks, login.token(**claims)) == code


@pytest.mark.parametrize(
    "claims",
    [
        *({"exp": NOW - 29, "iat": NOW - 60}, {"iat": NOW + 30}, {"nbf": NOW + 30}),
        *({"aud": ["another", AUDIENCE]}, {"exp": NOW + 0.5}, {"sub": "käufer 17 日本"}),
    ],
    ids=str,
)
def test_what_is_within_the_leeway_or_unusual_is_taken(login, checks, claims):
    assert checks.caller(login.token(**claims)).subject == claims.get("sub", "user-17")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b".",
        b"..",
        b"a.b.c",
        b"\x00.\x00.\x00",
        b"\xff" * 100,
        "é.é.é".encode(),
        b"A" * 1_000_000,
        b".".join([b"A" * 400_000] * 3),
        encoded(b"[" * 4000) + b".e30.AA",
        encoded({"alg": "ES256", "kid": "k1"}) + b"." + encoded(b"[" * 4000) + b".AA",
        encoded([]) + b"." + encoded([]) + b".AA",
        encoded("x") + b"." + encoded(None) + b".AA",
        encoded(b"\xff\xfe") + b".e30.AA",
        encoded({"alg": "ES256", "kid": "k1"}) + b"." + encoded(b'{"exp": NaN}') + b".AA",
        encoded({"alg": "ES256", "kid": "k1"}) + b"." + encoded(b'{"exp": 1' + b"0" * 400 + b"}"),
    ],
    ids=lambda text: text[:20].decode("latin-1"),
)
def test_whatever_else_is_sent_is_refused_too(checks, text):
    assert refusal(checks, text) == "invalid_token"


def test_a_token_is_as_long_as_may_be_and_no_longer(login, checks):
    def padded(count):
        return login.token(groups="g" * count)

    count = MOST_BYTES * 3 // 4 - 300
    while len(padded(count + 3)) <= MOST_BYTES:
        count += 3
    assert checks.caller(padded(count))
    refusal(checks, padded(count + 6))


def test_an_issuers_keys_check_no_other_issuers_tokens(tmp_path):
    """Both have a key `k1`: each issuer's ids are its own."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    shop, club = Login(tmp_path / "a"), Login(tmp_path / "b")
    other = "https://club.example"
    checks = checks_of(
        issuer_trust("shop", config(shop)),
        issuer_trust("club", config(club).model_copy(update={"issuer": other})),
    )
    assert checks.caller(shop.token()).subject == "user-17"
    assert checks.caller(club.token(iss=other, sub="c")).subject == "c"
    refusal(checks, shop.token(iss=other))
    refusal(checks, club.token())


def services(login, **more):
    return config(login, kind="service", scopes=("recommend", "email"), **more).model_copy(
        update={"audience": "services"}
    )


def test_users_and_services_of_one_issuer_are_told_apart_by_audience(login):
    checks = checks_of(
        issuer_trust("users", config(login)), issuer_trust("services", services(login))
    )
    user = checks.caller(login.token(scope="recommend email admin"))
    assert (user.kind, "admin" in user.scopes, "email" in user.scopes) == ("user", False, False)
    service = checks.caller(login.token(aud="services", scope="recommend admin openid"))
    assert (service.kind, service.scopes) == ("service", {"recommend"})
    assert service.name == "service:services:user-17"
    refusal(checks, login.token(aud=[AUDIENCE, "services"]))


@pytest.mark.parametrize("scope", [None, "", " ", 7, ["recommend", 7], {"recommend": 1}, True])
def test_scopes_of_a_service_are_what_its_token_and_the_configuration_say(login, scope):
    checks = checks_of(issuer_trust("services", services(login)))
    caller = checks.caller(login.token(aud="services", scope=scope))
    assert caller.scopes <= {"recommend"}
    assert ("recommend" in caller.scopes) == (isinstance(scope, list))


def test_a_users_id_may_stand_in_a_claim_of_its_own(login):
    checks = checks_of(issuer_trust("login", config(login, user_claim="customer")))
    assert checks.caller(login.token(customer="c-9", sub="auth0|1")).subject == "c-9"
    refusal(checks, login.token(sub="c-9"))


def test_subjects():
    good = ["a", "user-17", "ü", "x" * 256, "a b"]
    bad = ["", "x" * 257, "a\n", "a\x00", "\ud800", 7, None, b"a", "a\u202e"]
    assert [text for text in [*good, *bad] if is_subject(text)] == good


def test_a_header_of_two_same_members_is_read_as_it_was_signed(login, checks):
    """The last one counts for every reader here; none checks by one and verifies by another."""
    body = encoded(login.claims())
    double = b'{"alg":"none","alg":"ES256","kid":"k1"}'
    head = base64.urlsafe_b64encode(double).rstrip(b"=")
    refusal(checks, head + b"." + body + b"." + b"A" * 86)
    assert json.loads(double)["alg"] == "ES256"
