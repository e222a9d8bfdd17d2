"""The block page: an answer of ours that says what was refused, why, and what helps.

In: a `Refusal`. Out: an `Answer` in the form the client can use (negotiate.py).
Must never: echo anything unescaped, name the person, load anything from elsewhere, or be cached.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, NamedTuple

from proxy_addons.gate.certificates import wording_for
from proxy_addons.gate.echo import address, plain, sf_string, visible
from proxy_addons.gate.negotiate import Form, form_for, is_git
from proxy_addons.gate.pages import (
    CONTENT_SECURITY_POLICY,
    CONTENT_SECURITY_POLICY_OF_BUTTONS,
    environment,
)
from proxy_addons.gate.refusal import Answer, Kind, Refusal
from proxy_addons.gate.wording import WORDING, Wording, date_words, when_words, why_then
from proxy_addons.policy.findings import OF_ANSWERS, OF_REQUESTS, parted, words_of

if TYPE_CHECKING:
    from datetime import datetime

_TEMPLATE = environment().get_template("block.html")

# A transparent image of one pixel: a refused advertisement leaves a gap, not a notice in each.
_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

_CONTENT_TYPES: dict[Form, str] = {
    Form.HTML: "text/html; charset=utf-8",
    Form.JSON: "application/json",
    Form.TEXT: "text/plain; charset=utf-8",
    Form.STYLE: "text/css; charset=utf-8",
    Form.SCRIPT: "text/javascript; charset=utf-8",
    Form.IMAGE: "image/gif",
}

_BY_RULE = frozenset(
    {
        Kind.POLICY, Kind.COACH, Kind.STATEMENT, Kind.DESTINATION_DENIED, Kind.PORT_DENIED,
        Kind.METHOD_DENIED, Kind.BREAK_UNAVAILABLE,
    }
)  # fmt: skip
# What the person has to do something about: programs must see that they cannot.
_WAITS = frozenset({Kind.COACH, Kind.STATEMENT})
_DONE = frozenset({Kind.REVIEW_ASKED, Kind.SEND_AGAIN})
_PAGES = frozenset({"", "document"})  # Sec-Fetch-Dest

# `<`, `>` and `&` too, so that the JSON is harmless in whatever it is pasted into.
_JSON_SAFE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})

_GROUP = 4
_LONGEST_PHRASE = 300


class _Time(NamedTuple):
    iso: str
    words: str
    is_now: bool = False
    why: str = ""


def reference_groups(reference: str | None) -> list[str]:
    """A reference number in groups of four for the eye; one group where it has its own divisions.

    The page sets the groups apart by style alone, so that copying gives the number itself.
    """
    if not reference:
        return []
    shown = visible(reference, 80)
    if not shown.isalnum():
        return [shown]
    return [shown[i : i + _GROUP] for i in range(0, len(shown), _GROUP)]


def kind_of(refusal: Refusal) -> Kind:
    """The kind as this module knows it."""
    try:
        return Kind(refusal.kind)
    except ValueError:
        # A kind that this module was not taught: the request stays refused, as undecided.
        return Kind.UNDECIDED


def _reason(refusal: Refusal, wording: Wording) -> str:
    decision = refusal.decision
    if refusal.kind in _BY_RULE and decision is not None and decision.reason:
        return visible(decision.reason, 600)
    if refusal.kind == Kind.BREAK_UNAVAILABLE and refusal.detail:
        return visible(refusal.detail, 600)
    if refusal.kind == Kind.REVIEW_ASKED:
        return f"{wording.summary} The question is {visible(refusal.detail, 80)}."
    return wording.summary


def _facts(refusal: Refusal) -> list[tuple[str, str]]:
    facts = [("Address", address(refusal.url, 200)), ("Refused because of", refusal.judged)]
    decision = refusal.decision
    if refusal.kind in _BY_RULE and decision is not None:
        names = ", ".join(name.replace("-", " ") for name in decision.categories)
        what = ", ".join(words_of(each) for each in decision.findings)
        facts += [
            ("Found", what),
            ("Category", names),
            ("Rule", decision.rule),
            ("Policy clause", decision.clause),
        ]
    if refusal.kind != Kind.BREAK_UNAVAILABLE:
        facts.append(("Review" if refusal.kind in _DONE else "Technical detail", refusal.detail))
    return [(name, visible(value, 400)) for name, value in facts if value]


def _retry(refusal: Refusal) -> _Time | None:
    decision = refusal.decision
    if refusal.kind != Kind.POLICY or decision is None or decision.retry_at is None:
        return None
    words = when_words(decision.retry_at, refusal.moment)
    iso = decision.retry_at.isoformat()
    if words == "now":  # the window opened between the decision and this page
        return _Time(iso, "Now: load the page again", is_now=True)
    return _Time(iso, words, why=why_then(decision.retry_ended))


def _whom(refusal: Refusal) -> str:
    """The heading above whom to ask."""
    if refusal.kind in _WAITS | _DONE | {Kind.BREAK_UNAVAILABLE}:
        return "If you have a question"
    return "If you need it for your work" if refusal.kind in _BY_RULE else "If it stays like this"


def _moment(refusal: Refusal) -> _Time:
    decision, moment = refusal.decision, refusal.moment
    if decision is not None and decision.retry_at is not None:
        moment = moment.astimezone(decision.retry_at.tzinfo)
    return _Time(moment.isoformat(timespec="seconds"), _clock_words(moment))


def _clock_words(moment: datetime) -> str:
    return f"{date_words(moment)}, {moment:%H:%M:%S} {moment.tzname() or ''}".rstrip()


def _title(refusal: Refusal, wording: Wording, *, waits: bool = False) -> str:
    """The heading. What was found in what is sent says nothing against the page it was for."""
    found = refusal.decision.findings if refusal.decision is not None else ()
    if refusal.kind == Kind.POLICY and any(parted(each)[0] in OF_REQUESTS for each in found):
        return "This was not sent"
    return f"{wording.title} at the moment" if waits else wording.title


def _steps(refusal: Refusal, wording: Wording) -> list[str]:
    """What has happened, as it was: a file that came back was asked for, what is sent was not."""
    steps = list(wording.steps)
    if refusal.kind not in {Kind.POLICY, Kind.COACH}:
        return steps
    decision = refusal.decision
    if decision is not None and any(parted(each)[0] in OF_ANSWERS for each in decision.findings):
        steps[0] = "The site was asked for it. What it sent has not been passed on to you."
    elif refusal.method == "POST" and refusal.sec_fetch_dest.strip().lower() in _PAGES:
        steps.append("Your browser's Back button leads back to what you wrote.")
    return steps


def _html(refusal: Refusal, wording: Wording) -> str:
    retry = _retry(refusal)
    steps = _steps(refusal, wording)
    offer = refusal.help
    if refusal.kind == Kind.POLICY and retry is None and not offer.breaks and not offer.words:
        steps.append("This rule is the same at every time of day: waiting will not change it.")
    if refusal.kind in _WAITS and offer.confirm is None:
        steps.append("To go on, open the address in a window of its own.")
    if refusal.reference:
        steps.append("This request was recorded, as all web requests are, allowed or not.")
    if refusal.kind in _BY_RULE and not offer.clickable:
        steps.append("There is nothing else to do: you can close this page and carry on.")
    return _TEMPLATE.render(
        page=refusal.page,
        title=offer.title or _title(refusal, wording, waits=retry is not None),
        host=visible(refusal.host, 260),
        reason=_reason(refusal, wording),
        retry=retry,
        whom=_whom(refusal),
        help=offer,
        groups=reference_groups(refusal.reference),
        steps=steps,
        facts=_facts(refusal),
        moment=_moment(refusal),
    )


def _well_formed(text: str) -> str:
    """Without unpaired surrogates, which strict JSON readers refuse."""
    return text.encode("utf-8", "replace").decode()


def _json(refusal: Refusal, wording: Wording) -> str:
    decision = refusal.decision if refusal.kind in _BY_RULE else None
    retry_at = decision.retry_at if decision and refusal.kind == Kind.POLICY else None
    fields = {
        "error": str(kind_of(refusal)),
        "action": _action(refusal),
        "rule": _well_formed(decision.rule) if decision else None,
        "clause": _well_formed(decision.clause) if decision else None,
        "reason": _reason(refusal, wording),
        "categories": [_well_formed(name) for name in decision.categories] if decision else [],
        "findings": list(decision.findings) if decision else [],
        "retry_at": retry_at.isoformat() if retry_at else None,
        "reference": _well_formed(refusal.reference) if refusal.reference else None,
        "contact": _well_formed(refusal.page.contact),
    }
    return json.dumps(fields).translate(_JSON_SAFE) + "\n"


def _action(refusal: Refusal) -> str:
    kind = kind_of(refusal)
    # The gateway did not refuse what a server failed to answer.
    if kind.startswith("upstream-") or kind in _DONE:
        return "allow"
    return "coach" if kind is Kind.COACH else "block"


def _form(refusal: Refusal) -> Form:
    """The form of the answer.

    What waits for a person is a page for whoever asks for one: a program that takes anything has
    to see by the form that this is not the site's answer.
    """
    form = form_for(refusal.accept, refusal.sec_fetch_dest, refusal.url)
    if is_git(refusal.url, refusal.sec_fetch_dest):
        return form  # it shows this one as what it is
    if refusal.kind not in _WAITS or form in {Form.IMAGE, Form.STYLE, Form.SCRIPT, Form.JSON}:
        return form
    wanted = "html" in refusal.accept.lower() or refusal.sec_fetch_dest.strip()
    return Form.HTML if form is Form.HTML and wanted else Form.JSON


def _comment(refusal: Refusal) -> str:
    rule = plain(refusal.decision.rule) if refusal.decision else "none"
    reference = plain(refusal.reference or "none")
    kind = plain(str(refusal.kind))
    return f"/* Watchhouse: refused, {kind}, rule {rule}, reference {reference} */\n"


def _text(refusal: Refusal, wording: Wording) -> str:
    lines = [f"{_title(refusal, wording)}: {visible(refusal.host, 260)}", _reason(refusal, wording)]
    retry = _retry(refusal)
    if retry:
        lines.append(f"Allowed from: {retry.iso}")
    lines += [f"{name}: {value}" for name, value in _facts(refusal)]
    if refusal.reference:
        lines.append(f"Reference: {visible(refusal.reference, 80)}")
    lines.append(f"Ask: {visible(refusal.page.contact, 600)}")
    return "\n".join(lines) + "\n"


def _body(form: Form, refusal: Refusal, wording: Wording) -> bytes:
    match form:
        case Form.HTML:
            text = _html(refusal, wording)
        case Form.JSON:
            text = _json(refusal, wording)
        case Form.TEXT:
            text = _text(refusal, wording)
        case Form.IMAGE:
            return _PIXEL
        case Form.STYLE | Form.SCRIPT:
            text = _comment(refusal)
    # Nothing unpaired is left by now except what the settings brought; a page beats an exception.
    return text.encode("utf-8", "replace")


def _proxy_status(refusal: Refusal, wording: Wording) -> str:
    decision = refusal.decision
    if refusal.kind in _BY_RULE and decision is not None:
        details = f"rule {decision.rule}"
    else:
        details = refusal.detail or str(refusal.kind)
    error = f"; error={wording.error}" if wording.error else ""
    return f"watchhouse{error}; details={sf_string(details)}"


def render(refusal: Refusal) -> Answer:
    """The answer to send instead of the site's.

    Args:
        refusal: what was refused and why.

    Returns:
        Status, headers and body. The body of HEAD is the caller's to leave out.
    """
    kind = kind_of(refusal)
    wording = wording_for(refusal.detail) if kind is Kind.UPSTREAM_CERTIFICATE else WORDING[kind]
    form = _form(refusal)
    buttons = form is Form.HTML and refusal.help.clickable
    headers = [
        ("Content-Type", _CONTENT_TYPES[form]),
        ("Cache-Control", "no-store"),
        ("Proxy-Status", _proxy_status(refusal, wording)),
        (
            "Content-Security-Policy",
            CONTENT_SECURITY_POLICY_OF_BUTTONS if buttons else CONTENT_SECURITY_POLICY,
        ),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Vary", "Accept, Sec-Fetch-Dest"),
    ]
    if form in {Form.HTML, Form.TEXT, Form.JSON}:
        headers.append(("Content-Language", "en-GB"))
    if wording.retry_after is not None:
        headers.append(("Retry-After", str(wording.retry_after)))
    return Answer(wording.status, tuple(headers), _body(form, refusal, wording), _phrase(refusal))


def _phrase(refusal: Refusal) -> str:
    """What a downloader says of it: apt, pip and wget show the status line and nothing else."""
    decision = refusal.decision
    if decision is None or not decision.findings:
        return ""
    text = f"Forbidden: {decision.reason} Reference {refusal.reference or 'none'}"
    return "".join(c if " " <= c <= "~" else "?" for c in text[:_LONGEST_PHRASE])
