"""The nouns of a refusal: what was refused and why, and the answer that says so.

In: nothing. Out: frozen values that the gate fills and `blockpage.render` turns into bytes.
Must never: do I/O, or hold a cookie, a password or an `Authorization` value.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from markupsafe import Markup

    from proxy_addons.policy.model import Decision
    from proxy_addons.settings.model import Page


class Kind(StrEnum):
    """Why there is an answer of ours instead of the site's. What each says is in wording.py."""

    POLICY = "policy"
    DESTINATION_DENIED = "destination-denied"
    PORT_DENIED = "port-denied"
    BAD_REQUEST = "bad-request"
    METHOD_DENIED = "method-denied"
    LOOP = "loop"
    UNDECIDED = "undecided"
    LOG_UNAVAILABLE = "log-unavailable"
    STANDING_UNAVAILABLE = "standing-unavailable"
    SIGN_IN_REQUIRED = "sign-in-required"
    SIGN_IN_FAILED = "sign-in-failed"
    SIGN_IN_IMPOSSIBLE = "sign-in-impossible"
    SIGN_IN_UNAVAILABLE = "sign-in-unavailable"
    SIGN_IN_ENDED = "sign-in-ended"
    OVERLOADED = "overloaded"
    COACH = "coach"
    STATEMENT = "not-acknowledged"
    ACTION_UNKNOWN = "action-unknown"
    ACTION_REFUSED = "action-refused"
    ACTION_FAILED = "action-failed"
    BREAK_UNAVAILABLE = "break-unavailable"
    REVIEW_ASKED = "review-asked"
    SEND_AGAIN = "send-again"
    UPSTREAM_FAILED = "upstream-failed"
    UPSTREAM_TIMEOUT = "upstream-timeout"
    UPSTREAM_NAME = "upstream-name"
    UPSTREAM_TLS = "upstream-tls"
    UPSTREAM_CERTIFICATE = "upstream-certificate"
    UPSTREAM_RESPONSE = "upstream-response"


@dataclass(frozen=True, slots=True)
class Button:
    """Something that the person can do about it, by one click.

    Attributes:
        label: what it says.
        action: where it leads, on the refused site's own origin; the gateway answers there.
        short: a part of the label that is enough to show beneath a heading with the rest; or "".
    """

    label: str
    action: str
    short: str = ""


@dataclass(frozen=True, slots=True)
class Help:
    """What a page offers to a person who is known, in a window of its own.

    Attributes:
        confirm: goes on after a page that coaches, or acknowledges the statement.
        breaks: start breaks.
        words: what there is to say of breaks.
        end_break: ends the one that is running.
        reviews: ask for a review.
        title: of the statement, in place of the page's own; or "".
        statement: the statement as a part of a page; ours, and safe.
        back: where to go on to; or "".
    """

    confirm: Button | None = None
    breaks: tuple[Button, ...] = ()
    words: str = ""
    end_break: Button | None = None
    reviews: tuple[Button, ...] = ()
    title: str = ""
    statement: Markup | None = None
    back: str = ""

    @property
    def clickable(self) -> bool:
        """Whether there is anything to click."""
        return bool(self.confirm or self.breaks or self.end_break or self.reviews)


NO_HELP = Help()


@dataclass(frozen=True, slots=True)
class Refusal:
    """One request that gets an answer of ours.

    Attributes:
        url: the address as the client asked for it; any text, shown escaped and without its query.
        host: the host that was judged; any text, shown escaped.
        method: HTTP method.
        decision: what the policy said, or None where it was not reached.
        kind: why there is an answer of ours: a `Kind` or its text; an unknown one counts as
            `undecided`.
        reference: the id of the log record, or None where none could be written.
        person: who asked, for the caller's own use. Never rendered: the answer belongs to the
            refused site's origin, whose scripts could read it and carry the name away.
        page: the force's name, whom to ask, and the monitoring notice.
        moment: when it was refused (aware, in the policy's time zone, in which it is shown).
        judged: the host that decided, where it is not `host`: one of the request's other names, or
            that of an address inside it; else "". Any text, shown escaped.
        detail: a technical detail for the service desk, or "". Rendered: no secrets in it.
        accept: the request's Accept header, or "".
        sec_fetch_dest: the request's Sec-Fetch-Dest header, or "".
        help: what the person can do about it here and now.
    """

    url: str
    host: str
    method: str
    decision: Decision | None
    kind: Kind | str
    reference: str | None
    person: str | None
    page: Page
    moment: datetime
    judged: str = ""
    detail: str = ""
    accept: str = ""
    sec_fetch_dest: str = ""
    help: Help = NO_HELP


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer, without Content-Length.

    Attributes:
        status: HTTP status code.
        headers: (name, value) pairs, visible ASCII and spaces only.
        body: the bytes; the caller leaves them out for HEAD.
        phrase: the status line's words (RFC 9112 4), visible ASCII and spaces; "" for the status's
            own. HTTP/2 has none. Package managers and downloaders show them, and no page.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    phrase: str = ""
