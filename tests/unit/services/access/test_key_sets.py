"""Keys of issuers: what a file may hold, and that a new one is known without a restart."""

from __future__ import annotations

import json
import os

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from tests.issuer import Login

from sparkperso.core.errors import ConfigError
from sparkperso.services.access.key_sets import LOOK_SECONDS, UNKNOWN_SECONDS, KeyFile

ALL = ("ES256", "RS256", "Ed25519")


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def login(tmp_path):
    return Login(tmp_path)


def published(tmp_path, *keys):
    path = tmp_path / "keys.json"
    path.write_text(keys[0] if isinstance(keys[0], str) else json.dumps({"keys": keys}))
    return path


def public(key, **more):
    return {**key.as_dict(private=False), **more}


EC = ECKey.generate_key("P-256")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (["{"], "cannot be read"),
        (["[]"], "cannot be read"),
        (["{}"], "cannot be read"),
        (['{"keys": 7}'], "cannot be read"),
        (['{"keys": ["x"]}'], "cannot be read"),
        (['{"keys": []}'], "no key for"),
        ([public(EC)], "no 'kid'"),
        ([public(EC, kid=7)], "no 'kid'"),
        ([public(EC, kid="a"), public(EC, kid="a")], "two have the same"),
        ([{**EC.as_dict(private=True), "kid": "a"}], "private or a shared key"),
        ([{**OctKey.generate_key(256).as_dict(private=True), "kid": "a"}], "private or a shared"),
        ([public(EC, kid="a", alg="ES512")], "no key for"),
        ([public(EC, kid="a", use="enc")], "no key for"),
        ([public(ECKey.generate_key("secp256k1"), kid="a")], "no key for"),
        ([public(OKPKey.generate_key("X25519"), kid="a")], "no key for"),
        ([public(EC, kid="a", x="AAAA")], "broken"),
        ([{"kty": "RSA", "n": "_" * 170 + "8", "e": "AQAB", "kid": "a"}], "RSA key has"),
        ([{"kty": "RSA", "n": "", "e": "AQAB", "kid": "a"}], "broken"),
    ],
)
def test_a_file_that_holds_no_usable_public_key_is_refused(tmp_path, keys, says):
    with pytest.raises(ConfigError, match=says) as error:
        KeyFile(published(tmp_path, *keys), ALL)
    assert "jwks_file" in str(error.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        KeyFile(tmp_path / "none.json", ALL)


def test_a_key_is_for_the_algorithms_that_fit_it(tmp_path):
    rsa = RSAKey.generate_key(2048)
    path = published(
        tmp_path, public(EC, kid="ec"), public(rsa, kid="rsa"), public(rsa, kid="one", alg="PS256")
    )
    keys = KeyFile(path, (*ALL, "PS256"))
    assert keys.find("ec").algorithms == {"ES256"}
    assert keys.find("rsa").algorithms == {"RS256", "PS256"}
    assert keys.find("one").algorithms == {"PS256"}
    assert keys.find("other") is None


def test_a_new_key_is_known_at_once_and_a_removed_one_soon_gone(login, clock):
    keys = KeyFile(login.path, ["ES256"], clock)
    assert keys.find("k1")
    assert keys.find("k2") is None
    login.rotate("k2")
    clock.now += UNKNOWN_SECONDS
    assert keys.find("k2")
    assert keys.find("k1")
    assert keys.refresh()
    assert not keys.refresh()
    login.rotate("k3", keep=False)
    assert keys.find("k1")
    assert not keys.refresh()
    clock.now += LOOK_SECONDS
    assert keys.refresh()
    assert [kid for kid in ("k1", "k2", "k3") if keys.find(kid)] == ["k3"]


def test_unknown_ids_make_the_file_read_once_a_second_at_most(login, clock, monkeypatch):
    keys = KeyFile(login.path, ["ES256"], clock)
    looks = []
    real = os.stat
    monkeypatch.setattr(
        "sparkperso.services.access.key_sets.os.stat", lambda path: looks.append(1) or real(path)
    )
    for number in range(1000):
        clock.now += 0.01
        assert keys.find(f"made-up-{number}") is None
    assert len(looks) <= 10


@pytest.mark.parametrize("text", ["", "{", '{"keys": []}', None])
def test_a_broken_file_leaves_the_keys_of_before(login, clock, text, caplog):
    keys = KeyFile(login.path, ["ES256"], clock)
    if text is None:
        login.path.unlink()
    else:
        login.path.write_text(text)
    clock.now += LOOK_SECONDS
    assert not keys.refresh()
    assert keys.find("k1")
    assert "kept" in caplog.text
    login.rotate("k2")
    clock.now += LOOK_SECONDS
    assert keys.refresh()
    assert keys.find("k2")


def test_a_link_that_is_switched_is_followed(login, clock, tmp_path):
    """As Kubernetes does with the files of a ConfigMap."""
    (tmp_path / "new").mkdir()
    other = Login(tmp_path / "new")
    other.rotate("k9", keep=False)
    link = tmp_path / "current.json"
    link.symlink_to(login.path)
    keys = KeyFile(link, ["ES256"], clock)
    link.unlink()
    link.symlink_to(other.path)
    clock.now += LOOK_SECONDS
    assert keys.refresh()
    assert keys.find("k9")
    assert not keys.find("k1")
