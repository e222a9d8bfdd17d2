"""The rules of reviews: what a step needs, and why it is refused.

In: who acts, what the review is, what is decided, the time. Out: nothing, or a value made
canonical; or `StepRefusedError` with a sentence for people.
Must never: change anything; let somebody decide on what they asked for; let a review open a
category of security threats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import publicsuffix2  # type: ignore[import-untyped] # comes with mitmproxy

from proxy_addons.standing import rules
from proxy_addons.standing.actor import INFORMATION_SECURITY
from proxy_addons.standing.dates import months_later
from proxy_addons.standing.problems import StepRefusedError
from proxy_addons.standing.review import ReviewState
from proxy_addons.urlkey import UrlKeyError, url_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime, tzinfo

    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.review import Review
    from proxy_addons.urlkey import UrlKey

MONTHS: Final = 12
"""How long a review may open a site for, at most; the same as an exemption (Inf/27 2.13.1)."""
OPEN_AT_MOST: Final = 20
"""Reviews of one person that wait at a time: more would bury the others' in the queue."""
LONGEST_RULE: Final = 64
LONGEST_URL: Final = 2000


# --- asking ---------------------------------------------------------------------------------------


def address(url: str) -> tuple[UrlKey, str]:
    """The address to look at, and how it is kept.

    Returns:
        Its key; its text without user name, query and fragment: those can hold secrets of the
        person's, and the decision is about the site.
    """
    try:
        key = url_key(url.strip() if "://" in url else f"https://{url.strip()}")
    except UrlKeyError as problem:
        # Nothing is written: no site is meant.
        raise StepRefusedError("url", f"This is no web address: {problem}.") from problem
    if key.scheme in {"ws", "wss"}:
        key = key._replace(scheme="https" if key.scheme == "wss" else "http")
    return key, str(key._replace(query=""))[:LONGEST_URL]


def rule_id(rule: str) -> str:
    """The id of the rule that refused it; empty where the person does not know."""
    if len(rule) > LONGEST_RULE or not all(each.isalnum() or each in "-_." for each in rule):
        raise StepRefusedError("rule", "This is no rule of the policy.")
    return rule


def not_too_many(waiting: int) -> None:
    """A queue that one person fills helps nobody."""
    if waiting >= OPEN_AT_MOST:
        raise StepRefusedError(
            "many",
            f"You have {waiting} reviews that wait for an answer. Ask again when some of them have"
            " been answered.",
        )


# --- deciding -------------------------------------------------------------------------------------


def may_decide(actor: Actor, review: Review, doing: str) -> None:
    """Information security, and nobody on what they asked for themselves."""
    if not actor.may(INFORMATION_SECURITY):
        raise StepRefusedError(
            "role",
            f"Only information security may {doing}, and you do not have that role.",
            rules.EXCEPTIONS,
        )
    if actor.name == review.person:
        raise StepRefusedError(
            "own",
            f"Nobody may {doing} that they asked for themselves; a second person has to.",
            rules.EXCEPTIONS,
        )


def undecided(review: Review) -> None:
    """A review is decided once."""
    if review.decision != ReviewState.OPEN:
        raise StepRefusedError(
            "state", f"{review.reference} is {review.decision} already, by {review.decided_by}."
        )


def holding(review: Review, now: datetime) -> None:
    """It opened something, and still does."""
    if review.state_at(now) not in {ReviewState.ALLOWED, ReviewState.RECATEGORISED}:
        raise StepRefusedError(
            "state", f"{review.reference} is {review.state_at(now)}, and there is nothing to end."
        )


def no_threat(categories: Collection[str], threats: Collection[str]) -> None:
    """What no review opens stays shut: threats, and what the policy says is never overridden."""
    if found := sorted(set(categories) & set(threats)):
        raise StepRefusedError(
            "threat",
            f"This site is in the category {', '.join(found)}, which no review can open. If the"
            " list is wrong, have its maintainer take the site out; who needs a security threat for"
            " their work asks for an exemption.",
            rules.POST_HOLDERS,
        )


def known(categories: Iterable[str], catalogue: Collection[str] | None) -> frozenset[str]:
    """Categories that the lists have, at least one.

    Args:
        categories: as given.
        catalogue: all that there are; None when no list can be read: then nothing is checked.
    """
    found = frozenset(each.strip().casefold() for each in categories if each.strip())
    if not found:
        raise StepRefusedError("category", "Name at least one category for the site.")
    if catalogue is not None and (unknown := sorted(found.difference(catalogue))):
        shown = ", ".join(each if each.isprintable() else "(not shown)" for each in unknown)[:200]
        raise StepRefusedError("category", f"No list has a category {shown}.")
    return found


def sites(host: str) -> tuple[str, ...]:
    """What a decision can be about: the host, and the names above it as far as one owner's reach.

    Args:
        host: canonical.

    Returns:
        The host first. `www.shop.example.co.uk` gives that, `shop.example.co.uk` and
        `example.co.uk`: a public suffix such as `co.uk`, or the names that many people have below
        `github.io`, are nobody's site.
    """
    if ":" in host or host.replace(".", "").isdigit():
        return (host,)
    top, suffix = publicsuffix2.get_sld(host) or host, publicsuffix2.get_tld(host)
    if top == suffix and host.endswith(f".{suffix}"):
        # A top-level domain that the list does not have: the rule is then one label below it.
        top = f"{host.removesuffix(f'.{suffix}').rpartition('.')[2]}.{suffix}"
    found = [host]
    while found[-1] != top and found[-1].endswith("." + top):
        found.append(found[-1].partition(".")[2])
    return tuple(found)


def site(wanted: str | None, host: str) -> str:
    """The site that is decided on: the one asked about, or a name above it of the same owner."""
    if wanted is None or wanted == host:
        return host
    if wanted not in sites(host):
        raise StepRefusedError("site", f"The decision can be about {', '.join(sites(host))}.")
    return wanted


def period(until: datetime, now: datetime, zone: tzinfo) -> None:
    """To an end in the future, at most 12 months from now."""
    if until <= now:
        raise StepRefusedError("until", "The end is in the past.")
    if until > months_later(now, MONTHS, zone):
        raise StepRefusedError(
            "until",
            f"A review opens a site for at most {MONTHS} months; after that it is looked at again.",
            rules.EXCEPTIONS,
        )
