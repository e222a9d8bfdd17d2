"""Own doing: whether a request is something that the person opened, or their browser's own work.

In: the facts of a request. Out: yes or no.
Must never: decide what passes. It says which minutes count as personal use, and which refusals are
told (docs/personal-use.md).

Browsers say how a request came about in the Fetch Metadata headers, on secure addresses only; what
sends none is judged by its `Accept`. A page that loads itself anew is not the person's doing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy_addons.gate.facts import RequestFacts

_PAGES = ("text/html", "application/xhtml+xml")
_METHODS = frozenset({"GET", "POST"})
_ICONS = ("/favicon.", "/apple-touch-icon")


def is_navigation(facts: RequestFacts) -> bool:
    """Whether the answer is to be a page in a window of its own, not a part of another.

    True where nothing speaks against it: the page that is shown then harms nobody.
    """
    destination = facts.fetch_dest.strip().lower()
    mode = facts.fetch_mode.strip().lower()
    return destination in {"", "document"} and mode in {"", "navigate"}


def is_own_doing(facts: RequestFacts) -> bool:
    """Whether a request is something that the person opened.

    Args:
        facts: of a request that is let through, or refused by a rule.
    """
    if facts.upgrade or facts.method not in _METHODS or _fetches_ahead(facts):
        return False
    mode = facts.fetch_mode.strip().lower()
    if mode or facts.fetch_dest:
        if mode != "navigate" or facts.fetch_dest.strip().lower() != "document":
            return False
        # Without a click, a key or a word in the address bar (Sec-Fetch-User) it is a redirection
        # from elsewhere, which ends what the person began, or the page loads itself anew.
        by_hand = facts.fetch_user.strip() == "?1"
        return by_hand or facts.fetch_site.strip().lower() != "same-origin"
    first = facts.accept.partition(",")[0].partition(";")[0].strip().lower()
    return first in _PAGES and not facts.path.lower().startswith(_ICONS)


def _fetches_ahead(facts: RequestFacts) -> bool:
    purpose = facts.purpose.lower()
    return any(word in purpose for word in ("prefetch", "prerender", "preview"))
