"""A small OpenID provider: the peer of the portal's sign-in by OpenID Connect.

In: who is in front of it, and in which way it is to be faulty. Out: discovery, authorization,
tokens and keys over HTTP on loopback.
Must never: be gentle: it checks what a real provider checks (redirect, client, PKCE, one use).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable  # noqa: TC003 - dataclass fields are evaluated
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import BasicAuth, web
from aiohttp.test_utils import TestServer
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

if TYPE_CHECKING:
    from joserfc.jwk import Key

CLIENT, SECRET = "watchhouse-portal", "a secret of the client"


@dataclass
class Provider:
    """A provider at a loopback port; a context manager.

    Attributes:
        person: who signs in at it; None: nobody does, and it says so.
        clock: seconds since the epoch.
        spoil: changes the claims before they are signed.
        sign: makes the ID token otherwise than with its own key.
        asked: the query of each authorization request.
        obeys: whether it asks anew who is there when it is told to.
        metadata: what its description says otherwise.
    """

    person: str | None = "jane"
    clock: Callable[[], float] = time.time
    spoil: Callable[[dict[str, Any]], object] = lambda _: None
    sign: Callable[[Provider, dict[str, Any]], str] | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    obeys: bool = True
    metadata: dict[str, Any] = field(default_factory=dict)
    key: Key = field(default_factory=lambda: _new_key())  # noqa: PLW0108 - defined below
    fetched: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._describe),
                web.get("/keys", self._keys),
                web.get("/authorize", self._authorize),
                web.post("/token", self._token),
            ]
        )
        self._server = TestServer(app)
        await self._server.start_server()
        self._codes: dict[str, dict[str, str]] = {}
        self._signed_in_at = int(self.clock()) - 3600
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    async def stop(self) -> None:
        await self._server.close()

    @property
    def issuer(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    def signed(self, claims: dict[str, Any], key: Key | None = None, alg: str = "ES256") -> str:
        key = key or self.key
        return jwt.encode({"alg": alg, "kid": key.kid}, claims, key)

    def new_key(self) -> None:
        """Change the key, as providers do now and then."""
        self.key = _new_key()

    async def _describe(self, _: web.Request) -> web.Response:
        self.fetched.append("description")
        described = {
            "issuer": self.issuer,
            "authorization_endpoint": self.issuer + "/authorize",
            "token_endpoint": self.issuer + "/token",
            "jwks_uri": self.issuer + "/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }
        return web.json_response(described | self.metadata)

    async def _keys(self, _: web.Request) -> web.Response:
        self.fetched.append("keys")
        return web.json_response({"keys": [self.key.as_dict(private=False)]})

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        self.asked.append(asked)
        if asked.get("client_id") != CLIENT or asked.get("response_type") != "code":
            raise web.HTTPBadRequest
        back = asked["redirect_uri"]
        if self.person is None:
            raise web.HTTPFound(f"{back}?error=access_denied&state={asked['state']}")
        if asked.get("prompt") == "login" and self.obeys:
            self._signed_in_at = int(self.clock())
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        raise web.HTTPFound(f"{back}?code={code}&state={asked['state']}")

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        given = BasicAuth.decode(request.headers.get("Authorization", "Basic Og=="))
        asked = self._codes.pop(str(form.get("code")), None)
        good = (
            (given.login, given.password) == (CLIENT, SECRET)
            and form.get("grant_type") == "authorization_code"
            and asked is not None
            and form.get("redirect_uri") == asked["redirect_uri"]
            and asked.get("code_challenge_method") == "S256"
            and create_s256_code_challenge(str(form.get("code_verifier")))
            == asked["code_challenge"]
        )
        if not good:
            return web.json_response({"error": "invalid_grant"}, status=400)
        assert asked is not None
        now = int(self.clock())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": "248289761001",
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "auth_time": self._signed_in_at,
            "preferred_username": self.person,
        }
        self.spoil(claims)
        token = self.sign(self, claims) if self.sign else self.signed(claims)
        return web.json_response(
            {"access_token": "opaque", "token_type": "Bearer", "id_token": token}
        )


def _new_key() -> ECKey:
    return ECKey.generate_key("P-256", {"use": "sig", "kid": secrets.token_hex(4)})


def with_our_secret(provider: Provider, claims: dict[str, Any]) -> str:
    """An ID token signed with the client's secret, which whoever stole it has too."""
    return provider.signed(
        claims, OctKey.import_key(SECRET.ljust(32), {"kid": provider.key.kid or ""}), "HS256"
    )


def unsigned(_: Provider, claims: dict[str, Any]) -> str:
    """An ID token without a signature (`alg: none`)."""
    import base64  # noqa: PLC0415 - here alone
    import json  # noqa: PLC0415 - here alone

    parts = [json.dumps(each).encode() for each in ({"alg": "none"}, claims)]
    return ".".join(base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in parts) + "."


def by_a_stranger(provider: Provider, claims: dict[str, Any]) -> str:
    """An ID token signed by somebody else's key, under our key's name."""
    stranger = ECKey.generate_key("P-256", {"use": "sig", "kid": provider.key.kid})
    return provider.signed(claims, stranger)
