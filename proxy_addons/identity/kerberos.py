"""SPNEGO and Kerberos (RFC 4559, 4178, 4120): a client's token in, who that proves out.

In: tokens from behind `Negotiate`, a keytab. Out: `Proof`, or a `Rejection` in plain words.
Must never: keep a half-finished handshake, a delegated ticket or a token; let anybody in because
something could not be checked.

The library is MIT Kerberos through the package gssapi, which only gateways with Kerberos need: it
is imported when an `Acceptor` is made. An acceptor asks no KDC: with tickets that clients already
have, sign-ins go on while the KDC is down.

What is reused: the credentials, which halves the time of an accept (docs/performance.md). Keys are
not copied: the library reads the keytab for each ticket, so that a replaced file counts at once and
a removed one signs nobody in.

The replay cache is the library's own, a file shared by all processes of this user
(`$KRB5RCACHEDIR`, else /var/tmp): a token that one worker took no other worker takes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.identity.keytab import KerberosError, Keys, library, library_says
from proxy_addons.identity.proof import Outcome, Proof, Rejection
from proxy_addons.identity.reports import reporter
from proxy_addons.policy.people import canonical_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.settings.people import Kerberos

LONGEST_TOKEN: Final = 65536
"""Bytes of a token. Tickets of people in a thousand groups have some 50,000."""

_NTLM: Final = b"NTLMSSP\0"  # [MS-NLMP] 2.2.1: how all its messages begin, inside SPNEGO too

# GSS-API's own major codes (RFC 2744 3.9.1): the token's fault before any ticket was looked at.
_BAD_MECH: Final = 1 << 16
_BAD_BINDINGS: Final = 4 << 16
_NO_CRED: Final = 7 << 16
_DEFECTIVE_TOKEN: Final = 9 << 16
_ROUTINE_ERRORS: Final = 0xFF << 16

_NOT_A_TICKET: Final = Rejection(
    "malformed", "what the browser sent is no Kerberos ticket (neither SPNEGO nor Kerberos)"
)
_GARBLED: Final = Rejection("malformed", "the Kerberos ticket arrived damaged or cut off")
_OFFERED_NTLM: Final = Rejection(
    "ntlm", "the browser offered NTLM because it had no Kerberos ticket for this proxy's name"
)
_UNFINISHED: Final = Rejection(
    "unfinished", "the client wanted a sign-in of several steps; one step has to do"
)
_ANONYMOUS: Final = Rejection("not-allowed", "an anonymous ticket says nobody's name")
_BUSY: Final = Rejection("busy", "more people sign in at once than can be checked")
_STOPPING: Final = Rejection("unavailable", "the gateway is stopping")

# What the library says of a ticket → what it means. Its numbers are no use: within SPNEGO, MIT's
# mechanism glue hands out new ones in the order in which errors come up (util_errmap.c). The texts
# are those of its error table (krb5_err.et) and of rd_req_dec.c; the first that is found counts.
# What is not here is not the ticket's fault (a file, the disk): it could not be checked.
_MEANINGS: Final[tuple[tuple[Rejection, tuple[str, ...]], ...]] = (
    (
        Rejection("expired", "the ticket has expired; the client has to get a new one"),
        ("ticket expired",),
    ),
    (
        Rejection("skew", "the clocks of the client and of this gateway differ too much"),
        ("clock skew too great", "ticket not yet valid"),
    ),
    (
        Rejection("replay", "this very token was used before"),
        ("request is a replay",),
    ),
    (
        Rejection("wrong-key", "the keytab is older than the service account's key"),
        ("keytab is likely out of date", "key version is not available"),
    ),
    (
        Rejection("wrong-key", "the ticket is older than the keytab's key; sign out and in again"),
        ("ticket is likely out of date",),
    ),
    (
        Rejection("wrong-key", "the ticket is for a service that the keytab has no key for"),
        (
            "not found in keytab",
            "using keytab key for",
            "wrong principal in request",
            "the ticket isn't for us",
            "service key not available",
        ),
    ),
    (
        Rejection(
            "wrong-key", "the ticket does not open with the keytab's key: another key, or damage"
        ),
        ("cannot decrypt ticket", "decrypt integrity check failed"),
    ),
    (
        Rejection("wrong-realm", "the ticket came by way of a realm that is not trusted"),
        ("illegal cross-realm ticket", "policy rejects transited path"),
    ),
    (
        _GARBLED,
        (
            "asn.1",
            "incompatible with encryption type",
            "inappropriate type of checksum",
            "invalid field length",
            "invalid message type",
            "isn't recognized as an",
            "message stream modified",
            "protocol version mismatch",
            "ticket/authenticator don't match",
            "token header is malformed",
            # no word from the library, or one that quotes bytes of the ticket that are no text
            "can't decode byte",
            "success",
            "unknown error",
        ),
    ),
    (
        Rejection(
            "wrong-key",
            "the ticket's encryption type is not taken here; give the service account AES keys",
        ),
        ("encryption type", "but not with enctype"),
    ),
)


def decode(credentials: str) -> bytes | Rejection:
    """The token in what stands behind `Negotiate` (base64, RFC 4559 4.2).

    Returns:
        The token, for `Acceptor.accept`; or why there is none.
    """
    try:
        return base64.b64decode(credentials.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        # the request is asked to sign in, as one without credentials
        return Rejection("malformed", "what stands behind Negotiate is not base64")


class Acceptor:
    """Takes clients' tokens. One for each process; holds nothing between two tokens.

    Args:
        settings: the keytab, and whose tickets are taken.
        threads: tokens checked at the same time.
        waiting: tokens that may wait for that; further ones are refused as `busy`.
        clock: wall-clock seconds.

    Raises:
        KerberosError: the package gssapi is not installed, or the keytab is unusable.
    """

    def __init__(
        self,
        settings: Kerberos,
        *,
        threads: int = 2,
        waiting: int = 256,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._gssapi = library()
        self._clock = clock
        self._keys = Keys(self._gssapi, settings)
        self._keys.current()
        self._places = threading.BoundedSemaphore(threads + waiting)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="kerberos")

    async def accept(self, token: bytes) -> Outcome:
        """Who a client's first token proves. Never blocks; raises only if it is cancelled.

        Args:
            token: SPNEGO or plain Kerberos, decoded (see `decode`).
        """
        if not token:
            return _NOT_A_TICKET
        if len(token) > LONGEST_TOKEN:
            return Rejection("malformed", f"a token of more than {LONGEST_TOKEN} bytes")
        if token.startswith(_NTLM):
            return _OFFERED_NTLM
        if not self._places.acquire(blocking=False):
            return _BUSY
        try:
            waiting = self._pool.submit(self._check, token)
        except RuntimeError:
            # the pool was shut down: nobody is let in, the connection ends with the gateway
            self._places.release()
            return _STOPPING
        waiting.add_done_callback(self._leave)
        try:
            return await asyncio.wrap_future(waiting)
        except asyncio.CancelledError:
            if waiting.cancelled() and not _being_cancelled():
                return _STOPPING  # by `close`, while it waited
            raise

    def close(self) -> None:
        """Takes no more tokens; those that wait are refused."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _leave(self, _: Future[Outcome]) -> None:
        self._places.release()

    def _check(self, token: bytes) -> Outcome:
        try:
            return self._accept(token)
        except Exception as error:  # noqa: BLE001 - the sign-in could not be checked, and is refused
            # A fault of ours or of the library: this sign-in could not be checked, and is answered
            # so. Only the kind of error is logged: a traceback might show the token.
            reporter().error("kerberos-fault", error=type(error).__name__)
            return Rejection("unavailable", "a fault while the ticket was checked; see the log")

    def _accept(self, token: bytes) -> Outcome:
        raw = self._gssapi.raw
        try:
            credentials, realms = self._keys.current()
        except KerberosError as error:
            return Rejection("unavailable", str(error))  # nobody gets in until the file is mended
        try:
            done = raw.accept_sec_context(token, credentials)
        except raw.GSSError as error:
            # the request is refused, by what the library says of the ticket
            return _OFFERED_NTLM if _NTLM in token else _meaning(error)
        # A delegated ticket, if the client sent one, goes with `done` when this function ends.
        if done.more_steps:
            return _OFFERED_NTLM if _NTLM in token else _UNFINISHED
        if done.mech != self._gssapi.MechType.kerberos or done.initiator_name is None:
            return _NOT_A_TICKET
        if self._gssapi.RequirementFlag.anonymity in done.flags:
            return _ANONYMOUS
        outcome = _person(raw.display_name(done.initiator_name, name_type=False).name, realms)
        if isinstance(outcome, Rejection):
            return outcome
        until = None if done.lifetime is None else self._clock() + done.lifetime
        return Proof(outcome, "kerberos", done.token or b"", until)


def _meaning(error: Any) -> Rejection:
    """What the library's error is in words of ours.

    To be called in the thread that got it: the library keeps its texts by thread.
    """
    routine = error.maj_code & _ROUTINE_ERRORS
    if routine in (_BAD_MECH, _DEFECTIVE_TOKEN):
        return _NOT_A_TICKET
    if routine == _BAD_BINDINGS:
        return Rejection("not-allowed", "the ticket is bound to another TLS connection")
    said = " ".join(error.get_all_statuses(error.min_code, is_maj=False))
    lower = said.lower()
    for rejection, texts in _MEANINGS:
        if any(text in lower for text in texts):
            return _with_service(rejection, said)
    if routine == _NO_CRED:
        return _NOT_A_TICKET  # a mechanism other than Kerberos
    return Rejection("unavailable", f"the ticket could not be checked: {library_says(error)}")


def _with_service(rejection: Rejection, said: str) -> Rejection:
    """Add for which service the ticket is, where that is the question. The client wrote it."""
    if rejection.kind != "wrong-key":
        return rejection
    service = re.search(r"(?:ticket server|ticket for) ([A-Za-z0-9/@._$-]{1,200})(?= )", said)
    if not service:
        return rejection
    return Rejection(rejection.kind, f"{rejection.problem} (ticket for {service[1]})")


def _person(principal: bytes, realms: tuple[str, ...]) -> str | Rejection:
    """The login name of a principal.

    Args:
        principal: as the library shows it: `jane@FORCE.EXAMPLE`, special characters escaped.
        realms: accepted ones; people of the first are known without it.
    """
    odd = Rejection("not-allowed", "a principal with characters that no login name has")
    try:
        text = principal.decode()
        name, _, realm = text.rpartition("@")
        # Escapes stand for @, / or controls within a name (RFC 1964 2.1.1): such a name could
        # be read as that of somebody of another realm.
        if "\\" in text or "@" in name:
            return odd
        short, long = canonical_name(name), canonical_name(text)
    except ValueError:
        return odd  # asked anew: nobody's login name
    if name.startswith("WELLKNOWN/") or realm.startswith("WELLKNOWN:"):
        return _ANONYMOUS
    if realm not in realms:
        shown = re.sub(r"[^A-Za-z0-9._-]", "?", realm)[:100]
        problem = f"people of the realm {shown} are not taken here (identity.kerberos.realms)"
        return Rejection("wrong-realm", problem, long)
    return short if realm == realms[0] else long


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
