"""Access: who sends is found out by one header, and remembered no longer than their token lives."""

from __future__ import annotations

import pytest
from tests.issuer import AUDIENCE, ISSUER, NOW, Login

from sparkperso.config import load_settings
from sparkperso.config.security import SCOPES, BrowserTokensConfig, IssuerConfig
from sparkperso.core.errors import ConfigError, UsageError
from sparkperso.services.access.access import Access, make_access
from sparkperso.services.access.api_keys import ApiKeys, new_key
from sparkperso.services.access.browser_tokens import BrowserTokens, make_browser_tokens
from sparkperso.services.access.issuers import issuer_trust
from sparkperso.services.access.tokens import TokenChecks
from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.problems import Problem

SECRET, OTHER = "s" * 32, "o" * 32


class Clock:
    def __init__(self):
        self.now = float(NOW)

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def login(tmp_path):
    return Login(tmp_path)


@pytest.fixture
def key():
    return new_key()


def settings(login, key, env="cluster"):
    issuer = f"{{issuer: '{ISSUER}', audience: {AUDIENCE}, jwks_file: {login.path}}}"
    own = f"{{id: '{key.id}', sha256: '{key.sha256}', scopes: ['profile:read']}}"
    return load_settings(
        env,
        assignments=[f"security.issuers.login={issuer}", f"security.api_keys.shop={own}"],
    )


@pytest.fixture
def browser(clock):
    return BrowserTokens([SECRET], 15, clock)


@pytest.fixture
def access(login, key, browser, clock):
    return make_access(settings(login, key), browser, clock)


def sent(token):
    return b"Bearer " + (token if isinstance(token, bytes) else token.encode())


def refusal(access, header, status=401):
    with pytest.raises(Problem) as problem:
        access.caller(header)
    assert problem.value.status == status
    assert problem.value.headers["WWW-Authenticate"].startswith('Bearer realm="sparkperso"')
    return problem.value.code


def test_each_kind_of_caller_is_known(access, login, key, browser):
    assert access.caller(sent(login.token())).kind == "user"
    assert access.caller(sent(key.text)).kind == "key"
    assert access.caller(sent(browser.issue(user_id="user-17").text)).kind == "browser"


def test_a_challenge_names_an_error_only_where_something_was_sent(access):
    with pytest.raises(Problem) as problem:
        access.caller(None)
    assert problem.value.headers["WWW-Authenticate"] == 'Bearer realm="sparkperso"'
    assert refusal(access, None) == "no_token"
    assert refusal(access, sent(b"x")) == "invalid_token"


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER "])
def test_the_scheme_is_read_in_any_case(access, login, scheme):
    assert access.caller(scheme + login.token())


def test_other_headers_than_one_good_one_are_refused(access, login):
    good, other = login.token(), login.token(sub="user-18")
    for value in (
        *(good, b"Basic " + good, b"Bearer", b"Bearer ", b"Bearer  " + good, b"Bearer\t" + good),
        *(b"Bearer " + good + b" ", b"Bearer " + good + b", Bearer " + other, b"Token " + good),
        *(b" Bearer " + good, b"Bearer " + good + b";", b'Bearer "' + good + b'"'),
        *(b"Bearer " + good + b"\x00", b"B\xc3\xa9arer " + good, b"Bearer " + b"A" * 1_000_000),
        *(b"Bearer " + good.upper(), b"Bearer=" + good, b"\xff\xfe"),
    ):
        assert refusal(access, value) == "invalid_token"


def test_two_headers_that_differ_are_none(access, login, key):
    good, other = b"Bearer " + login.token(), b"Bearer " + key.text.encode()
    for pair in ((good, other), (other, good), (good, b""), (b"", good)):
        headers = [(b"authorization", value) for value in pair]
        assert (
            refusal(access, headers_of({"headers": headers})[b"authorization"]) == "invalid_token"
        )


def test_the_second_check_does_not_look_at_the_signature(access, login, monkeypatch):
    token = sent(login.token())
    first = access.caller(token)
    monkeypatch.setattr("sparkperso.services.access.tokens.jws.deserialize_compact", None)
    assert access.caller(token) is first


def test_what_is_remembered_never_outlives_its_token(access, login, clock):
    token = sent(login.token(exp=NOW + 100))
    for seconds in range(100):
        clock.now = NOW + seconds
        assert access.caller(token).subject == "user-17"
    clock.now = NOW + 100
    # Within the leeway it is checked anew each time, and not remembered.
    assert access.caller(token)
    assert not access._known
    clock.now = NOW + 131
    assert refusal(access, token) == "expired_token"


def test_a_clock_that_was_set_back_makes_no_token_older_than_its_issuer_says(access, login, clock):
    token = sent(login.token())
    access.caller(token)
    clock.now = NOW + 700
    assert refusal(access, token) == "expired_token"
    clock.now = NOW - 40
    assert refusal(access, token) == "invalid_token"


def test_memory_is_bounded_and_wrong_tokens_take_none_of_it(login, key, browser, clock):
    access = make_access(settings(login, key), browser, clock, size=10)
    for number in range(30):
        access.caller(sent(login.token(sub=f"user-{number}")))
        for wrong in (login.token()[:-2], b"x" * number + b".y.z"):
            refusal(access, sent(wrong))
    assert len(access._known) == 10


def test_two_keys_rotate_and_a_removed_one_ends_its_tokens(login, clock):
    """Each look finds that ten seconds and more have gone by."""
    ticks = iter(range(0, 10_000, 20))
    config = IssuerConfig(issuer=ISSUER, audience=AUDIENCE, jwks_file=str(login.path))
    trust = issuer_trust("login", config, lambda: next(ticks))
    access = Access(ApiKeys({}), TokenChecks([trust], clock), clock=clock)
    old = sent(login.token())
    assert access.caller(old)
    login.rotate("k2")
    new = sent(login.token())
    assert access.caller(new)
    assert access.caller(old)
    login.rotate("k3", keep=False)
    clock.now += 1
    assert refusal(access, old) == "invalid_token"
    assert refusal(access, new) == "invalid_token"
    assert access.caller(sent(login.token()))


def test_one_users_token_never_reads_anothers(access, login, browser):
    near = ["user-18", "user-1", "user-17 ", "USER-17", "user-17\x00", "", "*", "user-1７"]
    for token in (login.token(), browser.issue(user_id="user-17").text):
        caller = access.caller(sent(token))
        assert caller.may_read("user-17")
        caller.require_user("recommend", "user-17")
        for other in near:
            assert not caller.may_read(other)
            with pytest.raises(Problem) as problem:
                caller.require_user("recommend", other)
            assert (problem.value.status, problem.value.code) == (403, "other_user")
            assert other not in str(problem.value) or not other.strip()


def test_ids_that_look_alike_are_different_people(access, login):
    composed, decomposed = "jos\u00e9", "jose\u0301"
    caller = access.caller(sent(login.token(sub=composed)))
    assert caller.may_read(composed)
    assert not caller.may_read(decomposed)


def test_a_visitor_is_no_user_of_the_same_name(access, browser):
    """A browser makes its anonymous id up: it could call itself by another's user_id."""
    visitor = access.caller(sent(browser.issue(anonymous_id="user-17").text))
    assert not visitor.may_read("user-17")
    assert visitor.may_read_visitor("user-17")
    assert not visitor.may_read_visitor("user-18")
    user = access.caller(sent(browser.issue(user_id="user-17").text))
    assert not user.may_read_visitor("user-17")
    assert visitor.name != user.name
    with pytest.raises(Problem, match="its own person"):
        visitor.require_user("recommend", "user-17")
    visitor.require_visitor("recommend", "user-17")


def test_scopes_are_held_and_the_answer_names_the_one_that_lacks(access, key, login, browser):
    caller = access.caller(sent(key.text))
    caller.require_user("profile:read", "anybody")
    with pytest.raises(Problem) as problem:
        caller.require("email")
    assert problem.value.status == 403
    challenge = problem.value.headers["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="email"' in challenge
    people = [login.token(), browser.issue(user_id="user-17").text]
    for scope in ("email", "tokens", "admin"):
        for token in people:
            with pytest.raises(Problem):
                access.caller(sent(token)).require(scope)
    with pytest.raises(Problem):
        access.caller(sent(people[1])).require_user("profile:read", "user-17")


def test_locally_the_service_token_works_and_elsewhere_nothing_starts_without_keys(clock):
    access = make_access(load_settings("local"))
    assert access.caller(sent("local-dev-token")).scopes == SCOPES
    for wrong in ("local-dev-toke", "local-dev-token2", "LOCAL-DEV-TOKEN"):
        assert refusal(access, sent(wrong)) == "invalid_token"
    with pytest.raises(ConfigError, match="keys new") as error:
        make_access(load_settings("cluster"))
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="--env local"):
        make_access(load_settings("cluster", assignments=["security.service_token=abc"]))


def test_elsewhere_the_local_token_is_none(access):
    assert refusal(access, sent("local-dev-token")) == "invalid_token"


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("security.issuers.a={issuer: a, audience: b, jwks_file: c, algorithms: [HS256]}", "HS256"),
        ("security.issuers.a={issuer: a, audience: b, jwks_file: c, algorithms: [none]}", "none"),
        ("security.issuers.a={issuer: a, audience: b, jwks_file: c, algorithms: []}", "algorithms"),
        ("security.issuers.a={issuer: a, audience: b, jwks_file: c, scopes: [email]}", "kind user"),
        ("security.issuers.a={issuer: a, audience: b, jwks_file: c, kind: service}", "has scopes"),
        ("security.issuers.A b={issuer: a, audience: b, jwks_file: c}", "names should be"),
        ("security.api_keys.a={id: x, sha256: y, scopes: []}", "api_keys.a.id"),
        ("security.allowed_origins=['*']", "origins"),
        ("security.allowed_origins=['https://shop.example/']", "origins"),
        ("security.allowed_origins=['null']", "origins"),
        ("security.browser.minutes=0", "greater than 0"),
    ],
)
def test_settings_that_would_open_the_door_are_refused(assignment, says):
    with pytest.raises(ConfigError, match=says):
        load_settings(assignments=[assignment])


def test_two_issuers_or_keys_that_cannot_be_told_apart_are_refused(key):
    one = "{issuer: a, audience: b, jwks_file: c}"
    own = f"{{id: '{key.id}', sha256: '{key.sha256}', scopes: [email]}}"
    for kind, value in (("issuers", one), ("api_keys", own)):
        pair = [f"security.{kind}.{name}={value}" for name in ("a", "b")]
        with pytest.raises(ConfigError, match="stand once"):
            load_settings(assignments=pair)


def test_a_browser_token_is_short_and_its_keys_rotate(login, key, clock):
    before, now = BrowserTokens([SECRET], 15, clock), BrowserTokens([SECRET, OTHER], 15, clock)
    after = BrowserTokens([OTHER], 15, clock)
    old, new = before.issue(user_id="u"), now.issue(user_id="u")
    assert new.expires_at == NOW + 900
    rotating = make_access(settings(login, key), now, clock)
    assert rotating.caller(sent(old.text)).subject == rotating.caller(sent(new.text)).subject == "u"
    later = make_access(settings(login, key), after, clock)
    assert later.caller(sent(new.text))
    assert refusal(later, sent(old.text)) == "invalid_token"
    clock.now = NOW + 931
    assert refusal(rotating, sent(new.text)) == "expired_token"


def test_an_issuer_cannot_make_browser_tokens_nor_they_an_issuers(access, login, browser):
    claims = {"iss": "urn:sparkperso", "aud": "urn:sparkperso:browser"}
    for header in ({}, {"typ": "browser+jwt"}, {"typ": "browser+jwt", "alg": "Ed25519"}):
        if header.get("alg") is None:
            assert refusal(access, sent(login.token(header=header, **claims))) == "invalid_token"
    assert refusal(access, sent(login.token(header={"typ": "browser+jwt"}))) == "invalid_token"


@pytest.mark.parametrize("ids", [{}, {"user_id": "a", "anonymous_id": "b"}, {"user_id": ""}])
def test_a_browser_token_is_for_one_person(browser, ids):
    with pytest.raises(UsageError, match="one user_id or one anonymous_id"):
        browser.issue(**ids)


def test_the_secret_of_browser_tokens_comes_from_the_environment(tmp_path):
    config = BrowserTokensConfig()
    assert make_browser_tokens(config, "cluster", {}) is None
    assert make_browser_tokens(config, "cluster", {config.key_env: SECRET})
    (tmp_path / "key").write_text(SECRET)
    assert make_browser_tokens(config, "cluster", {f"{config.key_env}_FILE": str(tmp_path / "key")})
    short = [{config.key_env: "x" * 31}, {config.key_env: SECRET, config.previous_key_env: "x"}]
    for environ in short:
        with pytest.raises(ConfigError, match="32 characters"):
            make_browser_tokens(config, "cluster", environ)
    written = BrowserTokensConfig(key=SECRET)
    assert make_browser_tokens(written, "local", {})
    with pytest.raises(ConfigError, match="environment"):
        make_browser_tokens(written, "cluster", {})


def test_the_same_secret_makes_the_same_key_in_every_process(clock, login, key):
    token = BrowserTokens([SECRET], 15, clock).issue(user_id="u").text
    other = make_access(settings(login, key), BrowserTokens([SECRET], 15, clock), clock)
    assert other.caller(sent(token)).subject == "u"
    assert SECRET not in repr(vars(BrowserTokens([SECRET], 15, clock)))
