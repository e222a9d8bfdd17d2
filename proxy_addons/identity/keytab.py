"""The gateway's own Kerberos key: a keytab in, credentials for the library out.

In: `identity.kerberos`. Out: credentials that accept tickets, and the realms whose people are
known; or why nobody can sign in by Kerberos. Must never: keep credentials of a keytab that was
replaced, or show a key.
"""

from __future__ import annotations

import os
import re
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.identity.reports import reporter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy_addons.settings.people import Kerberos

_SPNEGO: Final = "1.3.6.1.5.5.2"
_KEYTAB_BEGINS: Final = (b"\x05\x01", b"\x05\x02")

# How long a keytab that could not be used counts as such, unless the file changes: seconds.
_AGAIN_AFTER: Final = 1.0


class KerberosError(ValueError):
    """Kerberos cannot be used as it is configured; says the file and what to do."""


class Keys:
    """The acceptor's credentials, made anew when the keytab was replaced.

    A keytab that could not be used is tried again a little later, also if the file is as it was:
    it may have been the machine (no descriptor free), and nobody gets in until it works.

    Args:
        gssapi: as `library` gives it.
        settings: the keytab, and whose tickets are taken.
        clock: monotonic seconds.

    Raises:
        KerberosError: the settings name no keytab.
    """

    def __init__(
        self, gssapi: Any, settings: Kerberos, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if settings.keytab is None:
            msg = "identity.kerberos.keytab names no file"
            raise KerberosError(msg)
        self._gssapi = gssapi
        self._path = settings.keytab
        self._service = settings.service
        self._realms = settings.realms
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._made: tuple[Any, tuple[str, ...]] | KerberosError | None = None
        self._clock = clock
        self._again = 0.0  # when a failure is looked at anew

    def current(self) -> tuple[Any, tuple[str, ...]]:
        """The credentials and the realms that are accepted.

        Raises:
            KerberosError: the keytab is missing, unreadable, or has no such key.
        """
        with self._lock:
            now, made = _state_of(self._path), self._made
            failed = isinstance(made, KerberosError) and self._clock() >= self._again
            if made is None or now != self._seen or failed:
                before, made = made, self._make()
                if before is not None and not _same_trouble(before, made):
                    _tell(self._path, made)
                self._made, self._seen = made, now
                self._again = self._clock() + _AGAIN_AFTER
            if isinstance(made, KerberosError):
                raise KerberosError(*made.args)
            return made

    def _make(self) -> tuple[Any, tuple[str, ...]] | KerberosError:
        """Credentials, or why there are none."""
        raw = self._gssapi.raw
        problem = _problem_with(self._path)
        if problem:
            return KerberosError(problem)
        try:
            name = self._service and raw.import_name(
                self._service.encode(), self._gssapi.NameType.kerberos_principal
            )
            kerberos = self._gssapi.MechType.kerberos
            # Bytes that live until the call ends: gssapi (1.12) hands the C library pointers into
            # them. Text it would encode and free before: then another keytab, the machine's own,
            # may be used.
            store = {b"keytab": b"FILE:" + os.fsencode(self._path)}
            credentials = raw.acquire_cred_from(
                store,
                name or None,
                mechs=[kerberos, self._gssapi.OID.from_int_seq(_SPNEGO)],
                usage="accept",
            ).creds
            # Within SPNEGO too, nothing but Kerberos: no NTLM, whatever this machine has installed.
            raw.set_neg_mechs(credentials, [kerberos])
            principal = raw.display_name(raw.inquire_cred(credentials).name, name_type=False).name
        except raw.GSSError as error:
            # nobody gets in: there is no key, or the library could not read it
            which = f" for {self._service}" if self._service else ""
            return KerberosError(
                f"the keytab {self._path} holds no key{which}; `klist -ek` shows what is in it"
                f" (Kerberos says: {library_says(error)})"
            )
        own = principal.decode(errors="replace").rpartition("@")[2]
        return credentials, self._realms or (own,)


def library() -> Any:
    """The package gssapi, with the extensions that are needed here."""
    try:
        import gssapi  # noqa: PLC0415 - gateways without Kerberos do not have it
        import gssapi.raw  # noqa: PLC0415 - as above
    except ImportError as error:
        # the gateway does not start
        msg = (
            "identity.kerberos.keytab is set, but the package gssapi is not there"
            f" ({type(error).__name__}); see docs/identity.md for how to install it"
        )
        raise KerberosError(msg) from None
    if not hasattr(gssapi.raw, "acquire_cred_from") or not hasattr(gssapi.raw, "set_neg_mechs"):
        msg = (
            "the package gssapi was built without cred_store or rfc4178; build it with MIT Kerberos"
        )
        raise KerberosError(msg)
    return gssapi


def _state_of(path: Path) -> tuple[int, ...] | None:
    """What changes when a file is replaced, written or made readable."""
    try:
        state = path.stat()
    except OSError:
        return None  # `_problem_with` says what is wrong
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def _problem_with(path: Path) -> str | None:
    """Why a file is no keytab that can be read, or None."""
    try:
        with path.open("rb") as file:
            begins = file.read(2)
    except OSError as error:
        return (
            f"the keytab {path} cannot be read ({error.strerror}):"
            " it must be there and readable by the gateway's user"
        )
    if begins not in _KEYTAB_BEGINS:
        return f"{path} is not a keytab; make one with ktpass, msktutil or ktutil"
    return None


def _same_trouble(before: object, now: object) -> bool:
    """Whether both are failures, and for the same reason."""
    return (
        isinstance(before, KerberosError)
        and isinstance(now, KerberosError)
        and before.args == now.args
    )


def _tell(path: Path, made: tuple[Any, tuple[str, ...]] | KerberosError) -> None:
    """Say that the keytab was replaced: each process once, not for each sign-in."""
    if isinstance(made, KerberosError):
        reporter().error("keytab-unusable", file=str(path), problem=str(made))
    else:
        reporter().info("keytab-replaced", file=str(path))


def library_says(error: Any) -> str:
    """Its own words for an error, which may hold names out of a ticket: printable, and not long.

    To be called in the thread that got it: the library keeps its texts by thread.
    """
    said = " ".join(error.get_all_statuses(error.min_code, is_maj=False))
    return re.sub(r"[^ -~]", "?", said)[:200]
