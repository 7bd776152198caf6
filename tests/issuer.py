"""An issuer of tokens for tests: its keys, the file that it publishes, tokens of any kind."""

from __future__ import annotations

import base64
import hmac
import json

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

NOW = 1_790_000_000
"""What the clock of these tests says, in seconds since 1970."""
ISSUER, AUDIENCE = "https://login.shop.example/", "sparkperso"
KINDS = {
    "ES256": lambda **p: ECKey.generate_key("P-256", **p),
    "ES384": lambda **p: ECKey.generate_key("P-384", **p),
    "ES512": lambda **p: ECKey.generate_key("P-521", **p),
    "Ed25519": lambda **p: OKPKey.generate_key("Ed25519", **p),
    "PS256": lambda **p: RSAKey.generate_key(2048, **p),
    "RS256": lambda **p: RSAKey.generate_key(2048, **p),
}
REGISTRY = jws.JWSRegistry(
    algorithms=[*KINDS, "HS256", "none"],
    strict_check_header=False,
)


def encoded(value):
    """Returns a value as a part of a token."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Login:
    """Signs what it is told to, right or wrong."""

    def __init__(self, folder, algorithm="ES256"):
        self.path, self.algorithm, self.keys = folder / "jwks.json", algorithm, {}
        self.rotate("k1")

    def rotate(self, kid, keep=True):
        """Makes a new key the current one; without `keep` the others are gone from the file."""
        self.kid = kid
        if not keep:
            self.keys = {}
        self.keys[kid] = KINDS[self.algorithm](parameters={"kid": kid, "use": "sig"})
        self.publish()

    def publish(self):
        public = [key.as_dict(private=False) for key in self.keys.values()]
        self.path.write_text(json.dumps({"keys": public}))

    @property
    def key(self):
        return self.keys[self.kid]

    def claims(self, **changed):
        """Returns claims of a good token, but for those changed; None leaves one out."""
        own = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user-17", "iat": NOW, "exp": NOW + 600}
        return {name: value for name, value in (own | changed).items() if value is not None}

    def header(self, **changed):
        own = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT"}
        return {name: value for name, value in (own | changed).items() if value is not None}

    def token(self, *, key=None, header=None, **claims):
        """Returns a token as bytes; `header` and claims change those of a good one."""
        head = self.header(**(header or {}))
        text = jws.serialize_compact(
            head, json.dumps(self.claims(**claims)), key or self.key, registry=REGISTRY
        )
        return text.encode()

    def signed_with_public_key(self, form):
        """Returns the classic confusion: HS256 with the bytes of the public key as the secret."""
        public = self.key.as_pem(private=False) if form == "pem" else self.key.as_der(private=False)
        head = {"alg": "HS256", "kid": self.kid, "typ": "JWT"}
        signed = encoded(head) + b"." + encoded(self.claims())
        return signed + b"." + encoded(hmac.digest(public, signed, "sha256"))
