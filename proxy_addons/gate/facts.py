"""The facts of one decision point, and the verdict on them.

In: what a lane of the engine saw of a connection or request, as plain strings and numbers.
Out: frozen or slotted values; a `Verdict` is the only thing a lane acts on.
Must never: know mitmproxy or aiohttp: every lane asks the same gate (two lanes, one gate).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy_addons.accesslog import Transaction
    from proxy_addons.gate.changes import HeadChanges
    from proxy_addons.gate.refusal import Answer
    from proxy_addons.gate.sending import Sending
    from proxy_addons.gate.watching import Watch
    from proxy_addons.identity.proof import Proof
    from proxy_addons.policy.model import Person
    from proxy_addons.urlkey import UrlKey


class Course(StrEnum):
    """What a lane has to do next."""

    PASS = "pass"  # noqa: S105 - not a password: let the request go on
    REFUSE = "refuse"
    SPLICE = "splice"
    INSPECT = "inspect"


@dataclass(slots=True)
class Visitor:
    """One client connection, and what its decision points have shown so far.

    Attributes:
        client_ip: numeric address of the client.
        client_port: its port.
        person: who it is at present (people.py).
        basis: the gate's basis under which `person` was looked up.
        connect_host: canonical host of the CONNECT in force; None outside a tunnel.
        connect_port: its port; 0 outside a tunnel.
        sni: canonical server name of the ClientHello inside the tunnel, or None.
        tls: whether the requests now read come out of an inspected TLS connection.
        tunnel_started: wall-clock seconds at which the tunnel was asked for.
        requests: number of requests seen inside the tunnel.
        spliced: whether the tunnel is relayed encrypted.
        tunnel: whether its CONNECT counts in the client's tally (clients.py).
        half_open: whether its unfinished handshake does.
        open: the records still open on this connection, by the id of their flow; whatever is left
            when the connection ends is finished then.
        secure: whether the connection to the gateway itself is by TLS.
        balancer: numeric address of the load balancer that said who the client is, or None.
        shared: whether that speaks for somebody else with each request (`X-Forwarded-For`).
        counted_as: the address that the connection counts for in the tallies (clients.py).
        snapshot: the standing facts under which `person` was looked up.
        latest: the number of what was known of anybody's duty day when that was last looked at.
        stamp: the number of what was known of the person's when they were looked up (today.py).
        until: wall-clock seconds at which `person` has to be looked up anew.
        entry: what the directory said of the person then, or None.
        proof: who has signed in, or None.
        proof_ends: wall-clock seconds at which that ends.
        sticky: whether it counts for further requests of the connection.
        lapsed: whether it has ended, and nobody has signed in since.
        challenges: how often it was asked who this is, without an answer since.
        asked_for: method and address of the last such request.
        failures: sign-ins that failed on this connection.
        before: who it was when what is open was let through, if it has become another since and
            that has not been judged anew yet (reconsidering.py); else None.
        agent: what its latest request says of the program that sends it; None: nothing yet.
    """

    client_ip: str
    client_port: int
    person: Person
    basis: object
    connect_host: str | None = None
    connect_port: int = 0
    sni: str | None = None
    tls: bool = False
    tunnel_started: float = 0.0
    requests: int = 0
    spliced: bool = False
    tunnel: bool = False
    half_open: bool = False
    open: dict[str, Transaction] = field(default_factory=dict)
    secure: bool = False
    balancer: str | None = None
    shared: bool = False
    counted_as: str = ""
    snapshot: object = None
    latest: int = 0
    stamp: int = 0
    until: float = 0.0
    entry: object = None
    proof: Proof | None = None
    proof_ends: float = 0.0
    sticky: bool = False
    lapsed: bool = False
    challenges: int = 0
    asked_for: tuple[str, UrlKey | None] = ("", None)
    failures: int = 0
    before: Person | None = None
    agent: str | None = None


@dataclass(slots=True)  # not frozen: that would double the time it takes to make one
class RequestFacts:
    """One request, as its head said.

    Attributes:
        method: as sent.
        target_authority: authority of an absolute-form target (plain proxy request), else "".
        authority: `Host` or `:authority`, else "".
        authorities: how many `Host` headers came.
        path: origin-form target, path and query.
        scheme: `http` or `https`; empty at a tunnel's set-up.
        accept: the `Accept` header, else "".
        fetch_dest: the `Sec-Fetch-Dest` header, else "".
        upgrade: the `Upgrade` header in lower case, else "".
        content_type: the `Content-Type` header, else "".
        via: all `Via` headers, else "".
        login: the `Proxy-Authorization` header of a request outside tunnels, else ""; taken out as
            soon as it has been looked at.
        forwarded_for: all `X-Forwarded-For` headers of such a request, else "".
        fetch_mode: the `Sec-Fetch-Mode` header, else "".
        fetch_site: the `Sec-Fetch-Site` header, else "".
        fetch_user: the `Sec-Fetch-User` header, else "".
        range: the `Range` header, else "".
        purpose: all headers by which browsers say that they fetch ahead (`Sec-Purpose` and its
            forerunners), else "".
        body: the fields that say what its body is, by their names in lower case, as
            `content.uploads.Upload` has them; None: it has no body.
        user_agent: the `User-Agent` header, else "". A claim: it proves nobody.
        length: bytes of its body, as its head says; None: only its end tells, or it has none.
    """

    method: str
    target_authority: str
    authority: str
    authorities: int
    path: str
    accept: str = ""
    fetch_dest: str = ""
    upgrade: str = ""
    scheme: str = "http"
    content_type: str = ""
    via: str = ""
    login: str = field(default="", repr=False)
    forwarded_for: str = ""
    fetch_mode: str = ""
    fetch_site: str = ""
    fetch_user: str = ""
    purpose: str = ""
    range: str = ""
    body: Mapping[str, str] | None = field(default=None, repr=False)
    user_agent: str = ""
    length: int | None = None


@dataclass(slots=True)  # not frozen, as above
class Verdict:
    """What the gate says of one decision point.

    Attributes:
        course: what to do.
        answer: the page to give, when refused; None where no page can be shown.
        transaction: the log record of this request, still open; None where none begins here.
        host: the host that was judged and must be the one connected to; "" where none is.
        port: its port.
        close: whether the connection ends with the answer.
        watch: looks at the answer as it passes, and says which part of a file to ask for; None
            where nothing has to be looked at.
        sending: looks at the request's body before it is sent on; None where none is looked at.
        changes: what rules change about its head as it is sent on; None where they do not.
    """

    course: Course
    answer: Answer | None = None
    transaction: Transaction | None = None
    host: str = ""
    port: int = 0
    close: bool = False
    watch: Watch | None = None
    sending: Sending | None = None
    changes: HeadChanges | None = None
