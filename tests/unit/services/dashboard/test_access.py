"""Who sees what: pages by scope, signing in, files, the headers of every answer."""

from __future__ import annotations

import re
import time
from html import unescape

import pytest
from starlette.testclient import TestClient
from tests.dashboards import HTML, KEYS, bearer, client_of
from tests.issuer import AUDIENCE, ISSUER, Login

from sparkperso.services.dashboard.registry import PAGES
from sparkperso.services.dashboard.session import COOKIE, MOST_COOKIE, own_path

OPEN_TO = {
    "viewer": {e.path for e in PAGES if set(e.scopes) <= {"dashboard:view"}},
    "analyst": {e.path for e in PAGES if set(e.scopes) <= {"dashboard:view", "dashboard:analyse"}},
    "operator": {e.path for e in PAGES if set(e.scopes) <= {"dashboard:view", "dashboard:operate"}},
    "support": {e.path for e in PAGES if set(e.scopes) <= {"dashboard:view", "profile:read"}},
    "shop": set(),
}


def sign_in(client, name, **more):
    data = {"token": KEYS[name].text, "next": "/", **more}
    return client.post("/sign-in", data=data, headers=HTML)


@pytest.fixture
def browser(client):
    client.cookies.clear()
    yield client
    client.cookies.clear()


@pytest.mark.parametrize("name", OPEN_TO)
@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.name)
def test_a_scope_opens_its_pages_and_no_other(client, name, entry):
    answer = client.get(entry.path, headers=bearer(name))
    assert answer.status_code == (200 if entry.path in OPEN_TO[name] else 403)


@pytest.mark.parametrize("name", ["viewer", "analyst", "operator"])
def test_the_navigation_has_what_is_open_and_nothing_else(client, name):
    text = client.get("/", headers=bearer(name)).text
    nav = text.partition("<nav")[2].partition("</nav>")[0]
    assert set(re.findall(r'href="([^"]+)"', nav)) == OPEN_TO[name]


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.name)
def test_without_a_token_a_browser_is_led_to_sign_in_and_back_and_a_program_is_refused(
    browser, entry
):
    answer = browser.get(f"{entry.path}?job=run", headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=%2F")
    form = browser.get(answer.headers["location"], headers=HTML).text
    back = unescape(re.search(r'name="next" value="([^"]*)"', form)[1])
    assert back == f"{entry.path}?job=run"
    answer = browser.get(entry.path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


def test_who_signs_in_has_a_cookie_that_no_script_and_no_other_site_uses(browser):
    answer = sign_in(browser, "viewer", next="/runs")
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs")
    cookie = answer.headers["set-cookie"]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= attributes
    assert browser.get("/", headers=HTML).status_code == 200
    gone = browser.post("/sign-out", headers=HTML)
    assert gone.headers["location"] == "/sign-in"
    assert "max-age=0" in gone.headers["set-cookie"].lower()
    browser.cookies.clear()
    assert browser.get("/", headers=HTML).status_code == 303


def test_over_a_network_the_cookie_wants_https(browser):
    data, headers = {"token": KEYS["viewer"].text}, {**HTML, "host": "shop.example"}
    cookie = browser.post("/sign-in", data=data, headers=headers).headers["set-cookie"]
    assert "; secure" in cookie.lower()


@pytest.mark.parametrize(
    ("token", "status"),
    [
        ("", 401),
        ("wrong", 401),
        ("a; b", 401),
        ("a\r\nSet-Cookie: x=y", 401),
        ("ü" * 9, 401),
        pytest.param("x" * 9000, 401, id="long"),
        pytest.param(KEYS["shop"].text, 403, id="of-the-shop"),
    ],
)
def test_who_may_not_in_gets_the_form_again_with_why(browser, token, status):
    answer = browser.post("/sign-in", data={"token": token}, headers=HTML)
    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert "set-cookie" not in answer.headers
    assert browser.post("/sign-in", data={"token": token}).headers["content-type"] == (
        "application/problem+json"
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:81"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_a_form_of_another_site_is_refused(browser, path, headers):
    data = {"token": KEYS["viewer"].text}
    answer = browser.post(path, data=data, headers={**HTML, **headers})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_form_with_fields_that_no_form_of_ours_has_is_refused(browser):
    answer = browser.post("/sign-in", data={f"f{n}": "x" for n in range(100)}, headers=HTML)
    assert answer.status_code == 422
    assert "set-cookie" not in answer.headers


def test_a_proxy_may_ask_by_another_host_where_the_browser_says_whose_form_it_is(browser):
    data = {"token": KEYS["viewer"].text}
    headers = {"origin": "https://dashboard.shop.example", "sec-fetch-site": "same-origin"}
    answer = browser.post("/sign-in", data=data, headers={**HTML, **headers})
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "text",
    [
        *("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"),
        *("/nowhere", "", "runs", "/runs?a=b\r\nSet-Cookie: x", '/runs?"><script>', "/runs/../x"),
    ],
)
def test_nobody_is_led_elsewhere(text):
    assert own_path(text, frozenset({"/", "/runs"})) == "/"


def test_a_login_s_token_opens_by_its_scopes_until_it_ends(small_lake, tmp_path):
    login = Login(tmp_path)
    settings = [
        f"security.issuers.staff={{issuer: {ISSUER}, audience: {AUDIENCE}, kind: service, "
        f"jwks_file: {login.path}, scopes: ['dashboard:view', 'dashboard:operate']}}",
        f"security.audit.folder={tmp_path / 'audit'}",
    ]
    now = int(time.time())

    def token_of(**more):
        return login.token(sub="ann", iat=now, exp=now + 600, **more).decode()

    with client_of(small_lake, *settings) as client:
        token = token_of(scope="dashboard:view dashboard:analyse")
        answer = client.post("/sign-in", data={"token": token}, headers=HTML)
        assert answer.status_code == 303
        age = int(re.search(r"max-age=(\d+)", answer.headers["set-cookie"].lower())[1])
        assert 0 < age <= 600
        assert client.get("/", headers=HTML).status_code == 200
        # It asked for more than its issuer may grant.
        assert client.get("/?format=csv").status_code == 403
        long = token_of(scope="dashboard:view", more="x" * MOST_COOKIE)
        assert client.post("/sign-in", data={"token": long}, headers=HTML).status_code == 413
        sent = {"Authorization": f"Bearer {long}", **HTML}
        assert client.get("/", headers=sent).status_code == 200


def test_a_cookie_that_is_no_token_is_none(browser):
    for value in ("x", "a b", "é", KEYS["shop"].text[:-1]):
        browser.cookies.clear()
        sent = {**HTML, "cookie": f"{COOKIE}={value}".encode("latin-1")}
        assert browser.get("/", headers=sent).status_code == 303


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.name)
def test_every_page_runs_nothing_and_is_kept_by_nobody(client, entry):
    name = next(name for name, paths in OPEN_TO.items() if entry.path in paths)
    answer = client.get(entry.path, headers=bearer(name))
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script|<[^>]+\sstyle=|<[^>]+\son[a-z]+=|javascript:", answer.text)


def test_files_need_a_scope_of_their_own(client):
    assert client.get("/?format=csv", headers=bearer("viewer")).status_code == 403
    assert client.get("/?format=csv", headers=bearer("analyst")).status_code == 200
    assert "format=csv" not in client.get("/", headers=bearer("viewer")).text
    assert "format=csv" in client.get("/", headers=bearer("analyst")).text


def test_other_environments_have_no_token_of_their_own(small_lake):
    assert "local-dev-token" in client_of(small_lake).get("/sign-in").text
    text = client_of(small_lake, "security.service_token=null").get("/sign-in").text
    assert "local-dev-token" not in text
    assert "the token is" not in text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
def test_what_watches_it_needs_no_token(client, path):
    assert client.get(path).status_code == 200


def test_the_document_describes_every_page(client):
    document = client.get("/openapi.json").json()
    assert {entry.path for entry in PAGES} <= set(document["paths"])
    for entry in PAGES:
        assert document["paths"][entry.path]["get"]["security"]


def test_nothing_but_the_session_is_changed_by_a_request(client):
    for entry in PAGES:
        assert client.post(entry.path, headers=bearer("operator")).status_code == 405


def test_a_file_that_is_not_ours_is_not_given(client):
    for name in ("dashboard.css", "icon.svg"):
        answer = client.get(f"/static/{name}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    for name in ("..%2fapp.py", "app.py", "%2e%2e/render.py"):
        assert client.get(f"/static/{name}").status_code == 404


def test_a_client_in_a_loop_is_slowed(small_lake, tmp_path):
    limits = "security.limits.refusals_per_second_and_address=1"
    proxies = "security.trusted_proxies=[]"
    app = client_of(small_lake, limits, proxies, f"security.audit.folder={tmp_path}").app
    with TestClient(app, base_url="http://127.0.0.1", client=("203.0.113.9", 1)) as client:
        statuses = [
            client.post("/sign-in", data={"token": f"wrong{n}"}).status_code for n in range(9)
        ]
    assert 429 in statuses
