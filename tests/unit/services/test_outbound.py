"""Outbound calls: to hosts of the list, at addresses that were checked, within bounds."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import ssl
import time
from ipaddress import ip_address
from socket import gaierror

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError
from tests.web_stub import WebStub

from sparkperso.config.outbound import OutboundConfig
from sparkperso.services.http.outbound import Outbound, OutboundError, open_outbound

LOOPBACK = ("127.0.0.0/8", "::1/128")


def send(config, url, resolve=None, **more):
    """The answer to one GET."""

    async def run():
        client = Outbound(config, resolve)
        try:
            return await client.send(more.pop("method", "GET"), url, **more)
        finally:
            await client.close()

    return asyncio.run(run())


def refused(config, url, **more):
    """Why a call was refused."""
    with pytest.raises(OutboundError) as caught:
        send(config, url, **more)
    assert caught.value.is_refused, caught.value
    return str(caught.value)


def resolving(*addresses):
    """A resolver that answers with these, one look at a time, and notes what it was asked."""
    looks = []

    async def resolve(host, port):
        looks.append((host, port))
        return list(addresses[min(len(looks), len(addresses)) - 1])

    resolve.looks = looks
    return resolve


@pytest.fixture
def stub():
    with WebStub(lambda request: (200, {}, b"hello")) as running:
        yield running


def local(stub, **more):
    return OutboundConfig(
        allowed_hosts=("http://127.0.0.1:*", "http://cms.example:*"), allow_private=LOOPBACK, **more
    )


def test_a_host_of_the_list_is_called_and_whatever_it_says_is_the_answer(stub):
    answer = send(local(stub), f"{stub.url}/a?b=%20c", headers={"Authorization": "Bearer x"})
    assert (answer.status, answer.body) == (200, b"hello")
    [request] = stub.requests
    assert (request.method, request.target) == ("GET", "/a?b=%20c")
    assert request.headers["authorization"] == "Bearer x"
    assert request.headers["accept-encoding"] == "identity"
    stub.answer = lambda request: (500, {"X-Y": "z"}, request.body)
    answer = send(local(stub), stub.url, method="POST", content=b"body")
    assert (answer.status, answer.body, answer.headers[b"x-y"]) == (500, b"body", b"z")


ODD = [
    "https://evil.example/",
    "https://cms.example.evil.example/",
    "https://evilcms.example/",
    "https://cms.example:8443/",
    "http://cms.example/",
    "https://user@cms.example/",
    "https://cms.example@evil.example/",
    "https://evil.example\\@cms.example/",
    "https://evil.example#@cms.example/",
    "https://evil.example?@cms.example/",
    "https://cms.example./",
    "https://CMS.example../",
    "https://cms。example/",
    "https://cms.exämple/",
    "https://cms.example%2eevil.example/",
    "https://cms.example:443:80/",
    "https://cms.example:0443/",
    "https://cms.example:99999/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://0x7f.1/",
    "https://127.1/",
    "https:cms.example/",
    "https:///cms.example/",
    "//cms.example/",
    "ftp://cms.example/",
    "file:///etc/passwd",
    "gopher://cms.example/",
    "https://cms.example/\r\nX: y",
    "https://cms.example/a b",
    "https://",
    "",
    "https://cms.example/" + "a" * 3000,
]


@pytest.mark.parametrize("url", ODD, ids=lambda url: ascii(url)[:40])
def test_an_odd_url_is_refused_without_a_look_at_its_name(url):
    resolve = resolving(["93.184.216.34"])
    assert refused(OutboundConfig(allowed_hosts=("cms.example",)), url, resolve=resolve)
    assert resolve.looks == []


PRIVATE = [
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255"),
    *("192.168.1.1", "169.254.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200"),
    *("168.63.129.16", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1"),
    *("240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1"),
    *("fd00:ec2::254", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254"),
    *("::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::1"),
    *("2001:0:5ef5:79fb:0:59d:80ff:fffe", "100::1", "2001:db8::1"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_inside_is_refused(address):
    """Alone, and behind a public one that may be tried first."""
    for found in ([address], ["93.184.216.34", address]):
        words = refused(
            OutboundConfig(allowed_hosts=("cms.example",), seconds=2),
            "https://cms.example/",
            resolve=resolving(found),
        )
        assert "cms.example leads to" in words


@pytest.mark.parametrize("name", ["2130706433", "0177.0.0.1", "127.1", "localhost", "127.0.0.1"])
def test_a_number_that_the_system_takes_for_an_address_is_looked_at_like_any_other(name):
    """Even where somebody put it on the list."""
    assert "127.0.0.1" in refused(OutboundConfig(allowed_hosts=(name,)), f"https://{name}/")


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"])
def test_a_clouds_secrets_are_never_called_whatever_is_allowed(address):
    everything = OutboundConfig(
        allowed_hosts=("cms.example",), allow_private=("0.0.0.0/0", "::/0"), seconds=2
    )
    assert "leads to" in refused(everything, "https://cms.example/", resolve=resolving([address]))


def test_what_is_allowed_beside_the_public_is_called(stub):
    url = f"http://cms.example:{stub.port}/"
    resolve = resolving(["127.0.0.1"])
    assert send(local(stub), url, resolve=resolve).body == b"hello"
    assert resolve.looks == [("cms.example", stub.port)]
    assert stub.requests[0].headers["host"] == f"cms.example:{stub.port}"
    only_other = OutboundConfig(
        allowed_hosts=("http://cms.example:*",), allow_private=("10.0.0.0/8",)
    )
    assert refused(only_other, url, resolve=resolve)


def test_the_connection_goes_to_the_address_that_was_checked(stub):
    """A name that answers another address at the second look (DNS rebinding) is not asked again."""
    resolve = resolving(["127.0.0.1"], ["169.254.169.254"])

    async def twice():
        client = Outbound(local(stub), resolve)
        url = f"http://cms.example:{stub.port}/"
        bodies = [(await client.send("GET", url)).body for _ in range(2)]
        await client.close()
        return bodies

    assert asyncio.run(twice()) == [b"hello"] * 2
    assert len(resolve.looks) == 1
    assert refused(
        local(stub), f"http://cms.example:{stub.port}/", resolve=resolving(["169.254.169.254"])
    )


def test_of_several_addresses_the_next_is_tried_where_one_does_not_answer(stub):
    resolve = resolving(["127.0.0.2", "127.0.0.3", "127.0.0.1"])
    assert send(local(stub), f"http://cms.example:{stub.port}/", resolve=resolve).status == 200


def test_no_redirect_is_followed(stub):
    stub.answer = lambda request: (301, {"Location": "http://169.254.169.254/latest"}, b"")
    answer = send(local(stub), stub.url)
    assert (answer.status, answer.headers[b"location"]) == (301, b"http://169.254.169.254/latest")
    assert len(stub.requests) == 1


def test_no_proxy_of_the_environment_is_used_and_no_cookie_is_kept(stub, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:9")
    stub.answer = lambda request: (200, {"Set-Cookie": "a=b"}, b"")

    async def twice():
        async with open_outbound(local(stub)) as client:
            for _ in range(2):
                await client.send("GET", stub.url)

    asyncio.run(twice())
    assert "cookie" not in stub.requests[1].headers


@pytest.mark.parametrize("is_told", [True, False])
def test_an_answer_that_is_too_large_is_given_up_early(stub, is_told):
    sent = []

    def endless():
        while True:
            sent.append(1)
            yield b"x" * 100_000

    headers = {"Content-Length": "50000000"} if is_told else {}
    stub.answer = lambda request: (200, headers, endless())
    with pytest.raises(OutboundError, match=r"more than 1,000,000 bytes") as caught:
        send(local(stub, max_bytes=1_000_000), stub.url)
    assert not caught.value.is_refused
    assert len(sent) < 200


def test_a_server_that_hangs_or_drips_is_given_up_in_time(stub):
    def drip():
        while not stub.released.wait(0.02):
            yield b"x"

    for body in (stub.hang, drip):
        stub.answer = lambda request, body=body: (200, {}, body())
        began = time.monotonic()
        with pytest.raises(OutboundError, match=r"did not answer within 0\.2 seconds"):
            send(local(stub), stub.url, seconds=0.2)
        assert time.monotonic() - began < 10


def test_a_server_that_is_not_there_or_speaks_otherwise_is_one_sentence(stub):
    with pytest.raises(OutboundError, match=r"^127\.0\.0\.1 could not be called: "):
        send(local(stub), "http://127.0.0.1:9/")
    stub.answer = lambda request: (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b")
    with pytest.raises(OutboundError, match="packed"):
        send(local(stub), stub.url)

    async def unknown(host, port):
        raise gaierror(-2, "Name or service not known")

    with pytest.raises(OutboundError, match=r"cms\.invalid is not known"):
        send(OutboundConfig(allowed_hosts=("cms.invalid",)), "https://cms.invalid/", unknown)
    stub.answer = lambda request: (200, {"X": "y" * 200_000}, b"")
    with pytest.raises(OutboundError, match="could not be called"):
        send(local(stub), stub.url)


def test_lists_that_are_none_are_refused():
    for wrong in ("https://cms.example", "cms.example/x", "Cms.example", "*", "[::1]", ""):
        with pytest.raises(ValidationError, match="lower case"):
            OutboundConfig(allowed_hosts=(wrong,))
    with pytest.raises(ValidationError, match="allow_private"):
        OutboundConfig(allow_private=("10.0.0.1/8",))
    with pytest.raises(OutboundError, match=r"outbound\.ca_file"):
        Outbound(OutboundConfig(ca_file="nowhere.pem"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of cms.example, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cms.example")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = x509.SubjectAlternativeName([x509.DNSName("cms.example")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "cms.pem"
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_tls_names_the_host_though_the_connection_has_its_address(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    named = []
    context.sni_callback = lambda _, name, __: named.append(name)
    with WebStub(lambda request: (200, {}, b"secret"), tls=context) as stub:
        hosts = {"allowed_hosts": ("cms.example:*", "other.example:*"), "allow_private": LOOPBACK}
        trusting = OutboundConfig(**hosts, ca_file=str(certificate))
        resolve = resolving(["127.0.0.1"])
        url = f"https://cms.example:{stub.port}/"
        assert send(trusting, url, resolve=resolve).body == b"secret"
        assert named == ["cms.example"]
        for config, where in (
            (trusting, url.replace("cms", "other")),
            (OutboundConfig(**hosts), url),
        ):
            with pytest.raises(OutboundError, match="certificate verify failed"):
                send(config, where, resolve=resolve)
        assert len(stub.requests) == 1


def test_every_address_of_the_lists_above_is_one():
    """So that none is refused for its spelling alone."""
    assert all(ip_address(text.partition("%")[0]) for text in PRIVATE)
    assert ipaddress.ip_network("64:ff9b::/96")


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public_addresses_pass_the_check(address):
    from sparkperso.services.http.outbound import _CheckedNetwork

    network = _CheckedNetwork((), resolving([address]))
    assert asyncio.run(network._addresses("cms.example", 443)) == [ip_address(address)]
