"""What came of credentials: a proof of who sent them, or why they prove nothing.

In: nothing. Out: frozen values that kerberos.py and basic.py give, and the gate acts on.
Must never: hold a credential, or let a name that was only claimed pass for one that was proven.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Proof:
    """Somebody has proven who they are.

    Attributes:
        name: canonical login name (policy/people.py).
        how: `kerberos` or `basic`.
        answer: Kerberos: the token for the client (mutual authentication), raw bytes.
        until: wall-clock seconds at which the proof ends (the ticket's end), or None.
    """

    name: str
    how: str
    answer: bytes = b""
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """They have not.

    Attributes:
        kind: `expired`, `skew`, `replay`, `wrong-realm`, `wrong-key`, `ntlm`, `malformed`,
            `wrong-password`, `locked`, `unfinished` or `not-allowed`: the client is asked anew.
            `unavailable` and `busy`: it could not be checked; nothing is let through.
        problem: in plain words of ours for log and page; never quotes the credential or an
            unescaped name.
        claimed: the name that was claimed (canonical if it can be), evidence of nothing.
    """

    kind: str
    problem: str
    claimed: str | None = None


type Outcome = Proof | Rejection

UNCHECKED = frozenset({"unavailable", "busy"})
"""Kinds of rejection that say nothing about the credentials."""
