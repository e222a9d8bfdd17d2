"""Sign-in by OpenID Connect: authorization code with PKCE, state, nonce and a checked ID token.

In: the provider's address, our client id and secret. Out: the login name that an ID token proves.
Must never: take a token for somebody else, from somebody else, unsigned, or for another sign-in;
log or show a code, token or secret.

Sources: OpenID Connect Core 1.0 (3.1), Discovery 1.0, RFC 7636 (PKCE), RFC 9207 (issuer in the
answer), RFC 9700 (best practice).
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import re
import secrets
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from proxy_addons.policy.people import canonical_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy_addons.settings.people import Oidc

# Signatures by which a provider proves itself; never `none`, and never one whose key we would
# share with whoever else knows our client secret.
_ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519",
    "EdDSA",
)  # fmt: skip
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_LARGEST = 512 * 1024  # bytes of any answer; key sets of large providers have tens of kilobytes
_FRESH = 3600.0  # seconds for which the provider's metadata and keys are not asked for again
_KEYS_AGAIN = 30.0  # seconds before an unknown key has the keys asked for anew
_LEEWAY = 60  # seconds by which the provider's clock may differ
PENDING_FOR = 600  # seconds within which somebody must have signed in at the provider


class OidcError(Exception):
    """No proof came of it. The message is ours and for the page; nobody is signed in."""


class OidcUnavailableError(OidcError):
    """The provider cannot be asked just now."""


@dataclass(frozen=True, slots=True)
class Pending:
    """One sign-in that has gone to the provider, as the browser keeps it in a cookie.

    Attributes:
        state: ties the answer to this browser.
        nonce: ties the ID token to this sign-in.
        verifier: ties the code to this portal (PKCE).
        began: seconds since the epoch.
        again: whether it must be a fresh proof.
        onward: where the person goes afterwards.
    """

    state: str
    nonce: str
    verifier: str
    began: int
    again: bool
    onward: str = ""

    def as_cookie(self) -> str:
        """For `Set-Cookie`."""
        onward = base64.urlsafe_b64encode(self.onward.encode()).rstrip(b"=").decode()
        began, again = str(self.began), str(int(self.again))
        return f"{self.state}.{self.nonce}.{self.verifier}.{began}.{again}.{onward}"

    @classmethod
    def from_cookie(cls, value: str | None) -> Pending | None:
        """What `as_cookie` made; None for anything else."""
        parts = (value or "").split(".")
        if len(parts) != 6 or not all(parts[:3]) or not re.fullmatch("[0-9]{1,12}", parts[3]):
            return None
        try:
            onward = base64.urlsafe_b64decode(parts[5] + "=" * (-len(parts[5]) % 4)).decode()
        except ValueError:
            # Not made here: the sign-in begins anew.
            return None
        return cls(parts[0], parts[1], parts[2], int(parts[3]), parts[4] == "1", onward)


class Provider:
    """The OpenID provider that `portal.oidc` names.

    Args:
        settings: `portal.oidc`, with an issuer.
        clock: seconds since the epoch.
    """

    def __init__(self, settings: Oidc, clock: Callable[[], float]) -> None:
        assert settings.issuer is not None
        self._issuer = settings.issuer
        self._settings = settings
        self._clock = clock
        self._client: aiohttp.ClientSession | None = None
        self._metadata: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._metadata_at = self._keys_at = float("-inf")
        self._asking = asyncio.Lock()

    async def close(self) -> None:
        """Close the connections to the provider."""
        if self._client is not None:
            await self._client.close()

    async def begin(
        self, redirect_uri: str, *, again: bool, onward: str = ""
    ) -> tuple[str, Pending]:
        """Where to send the browser, and what it has to keep meanwhile.

        Args:
            redirect_uri: where the provider sends it back to.
            again: whether the person must prove anew who they are.
            onward: where the person goes afterwards.

        Raises:
            OidcUnavailableError: the provider's metadata cannot be had.
        """
        metadata = await self._provider()
        pending = Pending(
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(48),
            int(self._clock()),
            again,
            onward,
        )
        fresh = {"prompt": "login", "max_age": "0"} if again else {}
        url = prepare_grant_uri(
            metadata["authorization_endpoint"],
            self._settings.client_id,
            "code",
            redirect_uri=redirect_uri,
            scope="openid profile",
            state=pending.state,
            nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier),
            code_challenge_method="S256",
            **fresh,
        )
        return str(url), pending

    async def finish(
        self, query: Mapping[str, str], pending: Pending | None, redirect_uri: str
    ) -> str:
        """The canonical login name that the provider's answer proves.

        Args:
            query: of the request that the provider sent the browser back with.
            pending: from the cookie.
            redirect_uri: the same as at the beginning.

        Raises:
            OidcError: it proves nobody; `OidcUnavailableError` if the provider does not answer.
        """
        if pending is None or self._clock() - pending.began > PENDING_FOR:
            msg = "Signing in took too long, or began in another browser. Start again."
            raise OidcError(msg)
        if not hmac.compare_digest(query.get("state", "").encode(), pending.state.encode()):
            msg = "The answer does not belong to this sign-in. Start again."
            raise OidcError(msg)
        if query.get("iss", self._issuer) != self._issuer:
            msg = "The answer came from another sign-in service than ours."
            raise OidcError(msg)
        if "error" in query or not query.get("code"):
            # What the provider says of it is not shown: anybody can write it into an address.
            msg = "The sign-in service did not sign you in."
            raise OidcError(msg)
        tokens = await self._redeem(query["code"], pending, redirect_uri)
        claims = await self._claims(str(tokens.get("id_token", "")), pending, tokens)
        name = claims.get(self._settings.name_claim)
        try:
            return canonical_name(name if isinstance(name, str) else "")
        except ValueError:
            # Nobody is signed in: there is no name to go by.
            msg = (
                f"The sign-in service says no login name (claim {self._settings.name_claim}). "
                "An operator has to look at portal.oidc.name_claim."
            )
            raise OidcError(msg) from None

    # --- the ID token -----------------------------------------------------------------------

    async def _claims(
        self, id_token: str, pending: Pending, tokens: Mapping[str, Any]
    ) -> CodeIDToken:
        refused = "The sign-in service's answer could not be verified."
        try:
            token = await self._decoded(id_token)
            claims = CodeIDToken(
                token.claims,
                token.header,
                options={
                    "iss": {"essential": True, "value": self._issuer},
                    "aud": {"essential": True, "value": self._settings.client_id},
                    "nonce": {"essential": True, "value": pending.nonce},
                },
                params={
                    "nonce": pending.nonce,
                    "client_id": self._settings.client_id,
                    "access_token": tokens.get("access_token"),
                },
            )
            claims.validate(now=int(self._clock()), leeway=_LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as problem:
            # Forged, expired, meant for another client or sign-in, or no token at all.
            raise OidcError(refused) from problem
        if pending.again:
            proven_at = claims.get("auth_time")
            # OpenID Connect Core 3.1.2.1: required when max_age was asked for.
            if not isinstance(proven_at, int | float) or proven_at < pending.began - _LEEWAY:
                msg = "The sign-in service did not ask you anew who you are."
                raise OidcError(msg)
        return claims

    async def _decoded(self, id_token: str) -> jwt.Token:
        try:
            return jwt.decode(id_token, await self._key_set(), algorithms=_ALGORITHMS)
        except (JoseError, ValueError):
            # Perhaps signed by a key that is newer than our copy; asked for again, but not for
            # every token that somebody makes up.
            if self._clock() - self._keys_at < _KEYS_AGAIN:
                raise
            return jwt.decode(id_token, await self._key_set(anew=True), algorithms=_ALGORITHMS)

    # --- asking the provider ----------------------------------------------------------------

    async def _redeem(self, code: str, pending: Pending, redirect_uri: str) -> dict[str, Any]:
        metadata = await self._provider()
        settings = self._settings
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if settings.client_secret is None:
            method = "none"
        elif "client_secret_basic" in methods:
            method = "client_secret_basic"
        else:
            method = "client_secret_post"
        body = prepare_token_request(
            "authorization_code",
            redirect_uri=redirect_uri,
            code=code,
            code_verifier=pending.verifier,
        )
        auth = ClientAuth(settings.client_id, settings.client_secret, method)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url, headers, body = auth.prepare("POST", metadata["token_endpoint"], headers, body)
        return await self._json("POST", url, headers, body)

    async def _provider(self) -> dict[str, Any]:
        async with self._asking:
            if self._clock() - self._metadata_at > _FRESH:
                url = get_well_known_url(self._issuer, external=True)
                found = await self._json("GET", url)
                if found.get("issuer") != self._issuer:
                    # Discovery 4.3: else one provider could speak for another.
                    msg = (
                        "The sign-in service calls itself by another name than portal.oidc.issuer."
                    )
                    raise OidcUnavailableError(msg)
                try:
                    for key in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                        _checked(found[key])
                except (KeyError, ValueError, TypeError) as problem:
                    msg = "The sign-in service's description cannot be used."
                    raise OidcUnavailableError(msg) from problem
                self._metadata = dict(OpenIDProviderMetadata(found))
                self._metadata_at = self._clock()
            return self._metadata

    async def _key_set(self, *, anew: bool = False) -> KeySet:
        metadata = await self._provider()
        async with self._asking:
            if self._keys is None or anew or self._clock() - self._keys_at > _FRESH:
                found = await self._json("GET", metadata["jwks_uri"])
                try:
                    self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
                except (JoseError, ValueError, KeyError, TypeError) as problem:
                    msg = "The sign-in service's keys cannot be read."
                    raise OidcUnavailableError(msg) from problem
                self._keys_at = self._clock()
            return self._keys

    async def _json(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: str = ""
    ) -> dict[str, Any]:
        if self._client is None:
            self._client = aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=False)
        gone = "The sign-in service cannot be reached just now."
        try:
            async with self._client.request(
                method,
                _checked(url),
                headers={"Accept": "application/json", **(headers or {})},
                data=body or None,
                allow_redirects=False,
            ) as answer:
                raw = await _limited(answer)
                if answer.status == 400 and method == "POST":
                    # RFC 6749 5.2: the code is used, expired or not for us.
                    msg = "The sign-in service did not sign you in."
                    raise OidcError(msg)
                if answer.status != 200:
                    raise OidcUnavailableError(gone)
                found = json.loads(raw)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            raise OidcUnavailableError(gone) from problem
        if not isinstance(found, dict):
            raise OidcUnavailableError(gone)
        return found


async def _limited(answer: aiohttp.ClientResponse) -> bytes:
    """The body of an answer.

    Raises:
        ValueError: it is larger than any that is meant for us.
    """
    raw = b""
    async for chunk in answer.content.iter_any():
        raw += chunk
        if len(raw) > _LARGEST:
            msg = "the answer is too long"
            raise ValueError(msg)
    return raw


def _checked(url: str) -> str:
    """The address, if secrets may be sent there: by TLS, or to this machine.

    Raises:
        ValueError: they may not.
    """
    parts = urlsplit(url if isinstance(url, str) else "")
    if parts.scheme == "https" and parts.hostname:
        return url
    try:
        local = parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback
    except ValueError:
        local = parts.scheme == "http" and parts.hostname == "localhost"
    if not local:
        msg = "the sign-in service must be reached by https"
        raise ValueError(msg)
    return url
