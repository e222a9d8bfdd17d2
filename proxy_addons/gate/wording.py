"""What is said of each kind of refusal: one table, so that nobody hunts for sentences.

In: a `Kind`. Out: status, RFC 9209 error and plain sentences; times in people's words.
Must never: blame the reader, or promise what the gateway does not do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from proxy_addons.gate.refusal import Kind
from proxy_addons.policy.states import ALLOWANCE_USED, ON_DUTY, SOCIAL_USED

if TYPE_CHECKING:
    from datetime import date, datetime

_NOT_SENT = "Your request was not sent to the site."
_OUR_FAULT = "This is a fault on our side. You have done nothing wrong."


@dataclass(frozen=True, slots=True)
class Wording:
    """What one kind of refusal says.

    Attributes:
        status: HTTP status code (RFC 9110; 451 is for legal demands, so never used).
        error: the Proxy-Status error (RFC 9209, section 2.3).
        title: the page's heading.
        summary: one sentence in plain words, where the policy has none of its own.
        steps: what happened and happens next.
        retry_after: seconds for `Retry-After`, or None.
    """

    status: int
    error: str
    title: str
    summary: str
    steps: tuple[str, ...]
    retry_after: int | None = None


WORDING: dict[Kind, Wording] = {
    Kind.POLICY: Wording(
        403,
        "http_request_denied",
        "This page is not available",
        "The acceptable-use policy does not allow this address.",
        (_NOT_SENT,),
    ),
    Kind.DESTINATION_DENIED: Wording(
        403,
        "destination_ip_prohibited",
        "This address is not available",
        "It leads into a private network, and the web gateway does not connect there.",
        (_NOT_SENT,),
    ),
    Kind.PORT_DENIED: Wording(
        403,
        "http_request_denied",
        "This address is not available",
        "It uses a port number that the web gateway does not connect to.",
        (_NOT_SENT,),
    ),
    Kind.BAD_REQUEST: Wording(
        400,
        "http_request_error",
        "The address could not be read",
        "The gateway could not tell which site was meant, so it did not send the request on.",
        (_NOT_SENT, "Check the address for mistakes and try again."),
    ),
    Kind.METHOD_DENIED: Wording(
        403,
        "http_request_denied",
        "This kind of request is not allowed",
        "It asks the site for something that browsing does not need, by a method of its own.",
        (_NOT_SENT,),
    ),
    Kind.LOOP: Wording(
        508,
        "proxy_loop_detected",
        "The request goes round in a circle",
        "It had already been through this gateway and came back to it.",
        (_NOT_SENT, "The address, or another proxy on the way, is set up wrongly."),
    ),
    Kind.UNDECIDED: Wording(
        503,
        "proxy_internal_error",
        "This page cannot be checked just now",
        "A part of the gateway that is needed to check pages is not working.",
        (_OUR_FAULT, _NOT_SENT, "Try again in a few minutes."),
        retry_after=60,
    ),
    Kind.LOG_UNAVAILABLE: Wording(
        503,
        "proxy_internal_error",
        "Web access is paused",
        "The gateway cannot keep its records just now, and lets nothing through without them.",
        (_OUR_FAULT, _NOT_SENT, "Try again in a few minutes."),
        retry_after=60,
    ),
    Kind.STANDING_UNAVAILABLE: Wording(
        503,
        "proxy_internal_error",
        "Web access is paused",
        "The gateway cannot tell just now who may use the web, and lets nothing through.",
        (_OUR_FAULT, _NOT_SENT, "Try again in a few minutes."),
        retry_after=30,
    ),
    Kind.SIGN_IN_REQUIRED: Wording(
        407,
        "http_request_denied",
        "The gateway needs to know who you are",
        "Browsers of the force sign in by themselves; yours has not.",
        (
            _NOT_SENT,
            "Load the page again. If your browser asks, give your name and password.",
            "If it goes on like this, sign out of the computer and in again.",
        ),
    ),
    Kind.SIGN_IN_FAILED: Wording(
        407,
        "http_request_denied",
        "The sign-in did not work",
        "What your browser sent does not prove who you are.",
        (
            _NOT_SENT,
            "If your browser asked for a name and password, check them and load the page again.",
            "If it did not, sign out of the computer and in again: that renews your sign-in.",
        ),
    ),
    Kind.SIGN_IN_IMPOSSIBLE: Wording(
        403,
        "http_request_denied",
        "You cannot sign in this way",
        "The gateway needs to know who you are, and takes no password over this connection.",
        (_NOT_SENT, "The browser must be set up with the gateway's PAC file or secure address."),
    ),
    Kind.SIGN_IN_UNAVAILABLE: Wording(
        503,
        "proxy_internal_error",
        "The sign-in cannot be checked just now",
        "A part of the gateway that checks who people are does not answer.",
        (_OUR_FAULT, _NOT_SENT, "Try again in a few minutes."),
        retry_after=10,
    ),
    Kind.SIGN_IN_ENDED: Wording(
        403,
        "http_request_denied",
        "Your sign-in has ended",
        "The gateway has to ask again who you are, as it does from time to time.",
        (_NOT_SENT, "Load the page again."),
    ),
    Kind.OVERLOADED: Wording(
        503,
        "proxy_internal_response",
        "The gateway is busy",
        "There are more requests than the gateway can take at this moment.",
        (_NOT_SENT, "Try again in a minute."),
        retry_after=10,
    ),
    Kind.COACH: Wording(
        403,
        "http_request_denied",
        "Before you go on",
        "Sites like this one ask for some care.",
        (
            "Nothing has been sent to the site yet.",
            "If you go on, that is recorded. You are not asked again for this site for a while.",
        ),
    ),
    Kind.STATEMENT: Wording(
        403,
        "http_request_denied",
        "How the web may be used here",
        "Please read this and confirm it. Then you can browse.",
        (
            "Nothing has been sent to the site yet.",
            "That you have confirmed it is recorded. You are asked again when the words change.",
        ),
    ),
    Kind.ACTION_UNKNOWN: Wording(
        404,
        "http_request_denied",
        "There is nothing here",
        "This address is one of the gateway's own. Its buttons lead here, nothing else does.",
        ("No site was contacted.", "Open the site's own address again."),
    ),
    Kind.ACTION_REFUSED: Wording(
        403,
        "http_request_denied",
        "That did not work",
        "The button that led here cannot be used any more.",
        ("Nothing was changed.", "Open the site's own address again, and use the button there."),
    ),
    Kind.ACTION_FAILED: Wording(
        503,
        "proxy_internal_error",
        "That cannot be done just now",
        "A part of the gateway that is needed for it does not answer.",
        (_OUR_FAULT, "Try again in a few minutes."),
        retry_after=30,
    ),
    Kind.BREAK_UNAVAILABLE: Wording(
        403,
        "http_request_denied",
        "A break cannot start now",
        "The rules for breaks are against it.",
        ("No break was started.",),
    ),
    Kind.REVIEW_ASKED: Wording(
        200,
        "",
        "Your question has been sent",
        "Information security will look at this site. You find their answer on My browsing.",
        ("The site stays as it is until then.", "You need not ask again."),
    ),
    Kind.SEND_AGAIN: Wording(
        200,
        "",
        "You can send it now",
        "What you sent before has not reached the site, and the gateway has not kept it.",
        (
            "Press your browser's Back button twice: that leads back to what you wrote.",
            "Then send it again.",
        ),
    ),
    Kind.UPSTREAM_FAILED: Wording(
        502,
        "destination_unavailable",
        "The site cannot be reached",
        "The policy allows this page, but the gateway could not connect to the site.",
        ("The site or the line to it may be out of order. Try again in a few minutes.",),
    ),
    Kind.UPSTREAM_TIMEOUT: Wording(
        504,
        "connection_timeout",
        "The site did not answer in time",
        "The policy allows this page, but the site took too long to answer.",
        ("The site may be busy or out of order. Try again in a few minutes.",),
    ),
    Kind.UPSTREAM_NAME: Wording(
        502,
        "dns_error",
        "The site cannot be found",
        "No site with this name was found.",
        (_NOT_SENT, "Check the address for mistakes and try again."),
    ),
    Kind.UPSTREAM_TLS: Wording(
        502,
        "tls_protocol_error",
        "A secure connection was not possible",
        "The gateway and the site could not agree on a secure connection.",
        (
            _NOT_SENT,
            "The site may be set up wrongly or out of date; that is for its owner.",
        ),
    ),
    Kind.UPSTREAM_CERTIFICATE: Wording(
        502,
        "tls_certificate_error",
        "The site could not prove who it is",
        "The site's certificate is not valid, so the connection was stopped to protect you.",
        (
            _NOT_SENT,
            "If you expected it to work, ask before you try another way to reach it.",
        ),
    ),
    Kind.UPSTREAM_RESPONSE: Wording(
        502,
        "http_protocol_error",
        "The site's answer could not be read",
        "The policy allows this page, but what the site sent back was not a valid answer.",
        ("The site may be out of order. Try again in a few minutes.",),
    ),
}

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def date_words(day: date) -> str:
    """The date as people write it: `Monday 23 November 2026`, whatever the process's locale."""
    return f"{_DAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]} {day.year}"


def why_then(ended: frozenset[str]) -> str:
    """What ends at the moment from which something is allowed, to stand behind that moment.

    Args:
        ended: states (policy/states.py).
    """
    if ON_DUTY in ended:
        return ", when your duty ends"
    if not ended.isdisjoint({ALLOWANCE_USED, SOCIAL_USED}):
        return ", with the minutes of the next day"
    return ""


def when_words(then: datetime, now: datetime) -> str:
    """A coming time in people's words, in the time zone of `then`.

    Args:
        then: aware, in the zone to speak in.
        now: aware, any zone.

    Returns:
        `today at 12:00`, `tomorrow at 07:00`, `Monday 23 November at 17:00` (with the year where it
        is not this year's); with the zone's name where the clocks change in between or the hour
        occurs twice, and with `midnight` where the hour is 00:00. `now` for a time that has come.
    """
    here = now.astimezone(then.tzinfo)
    # Compared as instants: two times of one zone would otherwise be compared as wall clocks.
    if then.timestamp() <= here.timestamp():
        return "now"
    days = (then.date() - here.date()) / timedelta(days=1)
    if days == 0:
        day = "today"
    elif days == 1:
        day = "tomorrow"
    else:
        day = date_words(then)
        if then.year == here.year:
            day = day.rpartition(" ")[0]
    words = f"{day} at {then:%H:%M}"
    if (then.hour, then.minute) == (0, 0):
        words += " (midnight)"
    twice = then.replace(fold=0).utcoffset() != then.replace(fold=1).utcoffset()
    if twice or then.utcoffset() != here.utcoffset():
        words += f" {then.tzname()}"
    return words
