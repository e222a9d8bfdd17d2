"""The nouns of the policy: who asks, for what, when, and what is decided.

In: nothing. Out: frozen values that every room above this one shares.
Must never: do I/O, read a clock or log.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.policy.effects import Change
    from proxy_addons.urlkey import UrlKey


RESERVED_RULES = frozenset(
    {
        "no-rule-matched",
        # Refusals that the gate makes before or after the policy is asked.
        "bad-request",
        "break-unavailable",
        "destination-denied",
        "gateway-action",
        "index-missing",
        "inner-address",
        "log-unavailable",
        "loop",
        "method-denied",
        "not-acknowledged",
        "not-tls-in-tunnel",
        "overloaded",
        "port-denied",
        "review-allowed",
        "marked-in-clear",
        "sign-in-failed",
        "sign-in-required",
        "sign-in-unavailable",
        "standing-unavailable",
        "threat-not-exempted",
        "tunnel-without-request",
        "undecided",
        "upstream-failed",
    }
)
"""Rule ids in the log that are not from `policy.yaml`; it may not use them for its own."""

TRAITS = frozenset({"dns-over-https", "websocket"})
"""Categories that a request can have by its form, whatever lists say of its address."""


class Action(StrEnum):
    """What a rule does. Of what decides, whatever is not `ALLOW` does not pass; see `STRICTNESS`.

    `MODIFY`, `SPLICE` and `INSPECT` decide nothing: no decision and no record has them.
    """

    ALLOW = "allow"
    COACH = "coach"
    REDIRECT = "redirect"
    BLOCK = "block"
    MODIFY = "modify"
    SPLICE = "splice"
    INSPECT = "inspect"


STRICTNESS = {Action.ALLOW: 0, Action.COACH: 1, Action.REDIRECT: 2, Action.BLOCK: 3}
"""Of several names of one request, the one with the strictest decision counts. All that decide."""

OPENING = frozenset({Action.ALLOW, Action.SPLICE})
"""What opens something: what is not known never makes such a rule match. Any other it does."""

REFUSALS = frozenset({Action.REDIRECT, Action.BLOCK})
"""What refuses, whatever the person does about it."""

AFTER_ALL = frozenset({Action.ALLOW, Action.REDIRECT, Action.BLOCK})
"""What ends the search for a rule: nothing after it is looked at."""

OF_TUNNELS = frozenset({Action.SPLICE, Action.INSPECT})
"""What rules say on whether a tunnel is decrypted; what else is decided is nothing to them."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks.

    Attributes:
        name: the proven name, or None for somebody unknown. Never a claimed one.
        how: how the name is known: `address` (client address map), `kerberos`, `basic` or
            `unidentified`.
        profile: the id of the profile that applies.
        claimed: a name that was claimed but not proven, for the log only.
        exemption: reference of the live exemption that gives the profile or `exempted`, if any.
        exempted: categories that the live exemption opens although rules block or coach them.
        states: what stands for the person now (states.py), for rules to look at.
        groups: of the directory, folded, those that rules name; None: not known.
    """

    name: str | None
    how: str
    profile: str
    claimed: str | None = None
    exemption: str | None = None
    exempted: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    groups: frozenset[str] | None = None


class Resource(NamedTuple):
    """What is asked for, under one name. A tuple, as one is made for every name of a request.

    Attributes:
        key: the canonical address.
        categories: ids of the categories of that address; empty for an uncategorised one.
        method: HTTP method in upper case; `CONNECT` at tunnel set-up.
        about: what is known of client and program (`Policy.about`); None: nothing.
    """

    key: UrlKey
    categories: frozenset[str]
    method: str = "GET"
    about: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is asked.

    Attributes:
        local: aware time in the policy's time zone.
    """

    local: datetime


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One rule of a decision's trace.

    Attributes:
        rule: the rule's id.
        matched: whether it decided.
        why: what matched, or the first condition that did not, in plain words.
    """

    rule: str
    matched: bool
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy says of one resource.

    Attributes:
        action: allow, coach, redirect or block. A coach does not pass by itself: the gate passes it
            once the person has confirmed.
        rule: id of the rule that decided; the same in the configuration, log, block page and tests.
        clause: the clause of the force's policy that the rule carries out, e.g. `Inf/27 2.10.1`.
        reason: a plain sentence for the person refused.
        categories: the categories that made the rule match (all of the resource's for a catch-all).
        profile: the profile under which it was decided.
        inspect: False when the connection must stay encrypted end to end (privacy categories).
        exempted: whether it rests on the person's exemption: without that, it would be another.
        retry_at: when the same request would first be allowed or coached by the passing of time
            (aware, the policy's time zone), None when waiting does not help, and for what is not
            blocked. With what stands for the person as it is, unless `retry.retry_ahead` was told
            what will.
        looks: kinds of findings (findings.py) in a body that could make it another decision.
        findings: of what was found, that which made the rule match.
        retry_ended: states (states.py) whose end it is that opens it then; else empty.
        to: where a rule that redirects leads, as it is written; else "".
        final: whether nothing the person or anybody else does opens it (`never_overridden`).
        changes: what rules change about the request if it passes, in their order.
        would_block: id of the first rule on trial that would not have let it pass, if it passes;
            else "".
        trace: rule by rule, filled only on request (`explain`).
    """

    action: Action
    rule: str
    clause: str
    reason: str
    categories: tuple[str, ...]
    profile: str
    inspect: bool = True
    exempted: bool = False
    retry_at: datetime | None = None
    retry_ended: frozenset[str] = frozenset()
    looks: frozenset[str] = frozenset()
    findings: tuple[str, ...] = ()
    to: str = ""
    final: bool = False
    changes: tuple[Change, ...] = ()
    would_block: str = ""
    trace: tuple[TraceStep, ...] = ()
