"""Which form an answer of ours takes: a page, JSON, or a tiny body of the type that was expected.

In: the request's Sec-Fetch-Dest (Fetch Metadata) and Accept (RFC 9110, 12.5.1) headers.
Out: a `Form`. Must never: raise, or take more than linear time on a hostile header.

A browser says in Sec-Fetch-Dest what it will do with the answer; it does so for secure addresses
only, so Accept decides elsewhere. `*/*` alone, or no Accept, gets the page: it may be a browser's
frame as well as curl, and only the page says everything. Git shows text, and nothing else.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Form(StrEnum):
    """The forms of an answer, the preferred first where a client likes several equally."""

    HTML = "html"
    JSON = "json"
    TEXT = "text"
    STYLE = "style"
    SCRIPT = "script"
    IMAGE = "image"


# Destinations that decide alone (Fetch standard, "destination"). Those not listed are asked by
# Accept: `empty` (fetch and XMLHttpRequest) and whatever comes in later versions of the standard.
_DESTINATIONS: dict[str, Form] = {
    "document": Form.HTML,
    "iframe": Form.HTML,
    "frame": Form.HTML,
    "fencedframe": Form.HTML,
    "embed": Form.HTML,
    "object": Form.HTML,
    "image": Form.IMAGE,
    "style": Form.STYLE,
    "script": Form.SCRIPT,
    "worker": Form.SCRIPT,
    "sharedworker": Form.SCRIPT,
    "serviceworker": Form.SCRIPT,
    "audioworklet": Form.SCRIPT,
    "paintworklet": Form.SCRIPT,
    "json": Form.JSON,
    "manifest": Form.JSON,
    "report": Form.JSON,
    "webidentity": Form.JSON,
    # A browser throws away the body of a refused font or film; the words are for whoever debugs.
    "font": Form.TEXT,
    "audio": Form.TEXT,
    "video": Form.TEXT,
    "track": Form.TEXT,
    "xslt": Form.TEXT,
}

_TYPES: dict[str, Form] = {
    "text/html": Form.HTML,
    "application/xhtml+xml": Form.HTML,
    "application/json": Form.JSON,
    "text/json": Form.JSON,
    "text/plain": Form.TEXT,
    "text/css": Form.STYLE,
    "text/javascript": Form.SCRIPT,
    "application/javascript": Form.SCRIPT,
    "application/x-javascript": Form.SCRIPT,
    "application/ecmascript": Form.SCRIPT,
}

_FAMILY: dict[Form, str] = {
    Form.HTML: "text",
    Form.JSON: "application",
    Form.TEXT: "text",
    Form.STYLE: "text",
    Form.SCRIPT: "text",
    Form.IMAGE: "image",
}

# Browsers send under 200 characters. What lies beyond is not read: the answer is then a page.
_LONGEST_ACCEPT = 2_000

_EXACT, _FAMILY_WILDCARD, _ANYTHING = 3, 2, 1

# What Git asks for first, with `*/*`, and later on (gitprotocol-http(5)).
_OF_GIT = re.compile(r"[^?]*/info/refs(?:\?service=git-[a-z-]+)?")
_GITS = "application/x-git-"


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                quality = float(value.strip())
            except ValueError:  # q=high: the client's slip; the type counts as refused
                return 0.0
            return min(quality, 1.0) if quality >= 0 else 0.0  # also turns nan into 0
    return 1.0


def _exact_form(media_type: str) -> Form | None:
    if media_type in _TYPES:
        return _TYPES[media_type]
    if media_type.startswith("image/"):
        return Form.IMAGE
    if media_type.startswith(_GITS):
        return Form.TEXT
    return Form.JSON if media_type.endswith("+json") else None


def _liking(accept: str) -> dict[Form, tuple[int, float]]:
    """For each form the most specific range that names it: (specificity, quality)."""
    liking: dict[Form, tuple[int, float]] = {}
    for part in accept[:_LONGEST_ACCEPT].lower().split(","):
        media_type, *parameters = part.split(";")
        media_type = media_type.strip()
        quality = _quality(parameters)
        if media_type in {"*/*", "*"}:
            forms, specificity = list(Form), _ANYTHING
        elif media_type.endswith("/*"):
            family = media_type.removesuffix("/*")
            forms, specificity = [f for f in Form if _FAMILY[f] == family], _FAMILY_WILDCARD
        else:
            form = _exact_form(media_type)
            forms, specificity = [form] if form else [], _EXACT
        for form in forms:
            liking[form] = max(liking.get(form, (0, 0.0)), (specificity, quality))
    return liking


def is_git(url: str, sec_fetch_dest: str = "") -> bool:
    """Whether it is Git that asks, by the address: it shows the words of a text, and of no page.

    Args:
        url: as it was asked for.
        sec_fetch_dest: the Sec-Fetch-Dest header, or "", as Git has it.
    """
    return not sec_fetch_dest.strip() and _OF_GIT.fullmatch(url) is not None


def form_for(accept: str, sec_fetch_dest: str = "", url: str = "") -> Form:
    """The form of the answer.

    The client's quality decides, then how exactly it named the type (`application/json, */*` means
    JSON), then the order of `Form`. Where nothing of ours is acceptable it is the page all the
    same (RFC 9110, 12.4.1, allows that): an explanation in the wrong form beats none.

    Args:
        accept: the Accept header, or "".
        sec_fetch_dest: the Sec-Fetch-Dest header, or "".
        url: as it was asked for.
    """
    if is_git(url, sec_fetch_dest):
        return Form.TEXT
    destination = sec_fetch_dest.strip().lower()
    if destination in _DESTINATIONS:
        return _DESTINATIONS[destination]
    liking = _liking(accept)
    # A script that asks for anything can read JSON; it could only print a page.
    fallback = Form.JSON if destination in {"empty", "websocket"} else Form.HTML
    best, best_rank = fallback, (0.0, 0)
    for form in (fallback, *Form):
        specificity, quality = liking.get(form, (0, 0.0))
        if quality > 0 and (quality, specificity) > best_rank:
            best, best_rank = form, (quality, specificity)
    return best
