"""Actions: what the buttons of our pages do, at addresses of our own on every host.

In: `POST …/.well-known/watchhouse/<action>?token=…` of a person who is known. Out: a coroutine that
does it and ends in the answer: back to the page that was asked for, or a page that says why not.
Must never: be sent on to any site, in whatever spelling; do anything without a token that counts
(tokens.py), or by a script; put a token into a record.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import quote, unquote

from proxy_addons.gate import metrics
from proxy_addons.gate.blockpage import render
from proxy_addons.gate.facts import Course, RequestFacts, Verdict
from proxy_addons.gate.refusal import NO_HELP, Answer, Help, Kind
from proxy_addons.gate.rules import RULE_BREAK_UNAVAILABLE, RULE_GATEWAY_ACTION
from proxy_addons.gate.tokens import TokenError
from proxy_addons.standing.problems import StepRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.accesslog import Transaction
    from proxy_addons.gate.facts import Visitor
    from proxy_addons.gate.judge import Judgement
    from proxy_addons.gate.recording import Recorder
    from proxy_addons.gate.tokens import Deed, Tokens
    from proxy_addons.urlkey import UrlKey

PREFIX = "/.well-known/watchhouse/"
START_BREAK, END_BREAK, CONFIRM = "start-break", "end-break", "confirm"
ACKNOWLEDGE, ASK_REVIEW = "acknowledge", "ask-review"
ACTIONS = frozenset({START_BREAK, END_BREAK, CONFIRM, ACKNOWLEDGE, ASK_REVIEW})
REASONS = {
    "work": ("I need this site for my work", "I need this site for my work."),
    "category": ("Its category looks wrong", "The category of this site looks wrong."),
}
"""Why somebody asks for a review: what the button says, what the review says."""

_OURS = PREFIX.rstrip("/")
_QUERY = re.compile(r"token=([A-Za-z0-9_-]{1,6000})")
_UNRESERVED = "".join(chr(code) for code in range(0x21, 0x7F))
_LONGEST_WAIT = 20.0  # seconds


class Who(NamedTuple):
    """Who does something.

    Attributes:
        name: canonical.
        how: how the name is known.
        address: numeric address of their client.
    """

    name: str
    how: str
    address: str


class Deeds(Protocol):
    """Does it (engine/deeds.py). All may raise StepRefusedError, with words for the person."""

    async def start_break(self, who: Who, minutes: int) -> None:
        """Start a break."""

    async def end_break(self, who: Who) -> None:
        """End the one that is running."""

    async def confirm(self, who: Who, rule: str, site: str) -> None:
        """Note that somebody has read what a rule expects of them at a site."""

    async def acknowledge(self, who: Who, version: str) -> None:
        """Note that somebody has acknowledged the statement."""

    async def ask_review(
        self, who: Who, url: str, rule: str, categories: tuple[str, ...], why: str
    ) -> str:
        """Ask for a review. Gives its reference."""


def is_ours(path: str) -> bool:
    """Whether a path leads to the gateway itself, in any spelling that a server might take for it.

    Args:
        path: origin-form target, path and query.
    """
    path = path.partition("?")[0].partition("#")[0]
    if "%" not in path and "watchhouse" not in path.lower():  # nearly always
        return False
    for _ in range(3):  # encoded once, twice, three times
        plain = unquote(path, errors="replace")
        if plain == path:
            break
        path = plain
    steps: list[str] = []
    for step in re.split(r"[/\\]+", path.lower()):
        if step == "..":
            del steps[-1:]
        elif step not in {"", "."}:
            steps.append(step.partition(";")[0].strip())
    return f"/{'/'.join(steps[:2])}" == _OURS


def action_of(facts: RequestFacts) -> str | None:
    """The action that a request asks for; None: it asks for none, or not as our pages do."""
    if facts.method != "POST" or not facts.path.startswith(PREFIX):
        return None
    name = facts.path.partition("?")[0].removeprefix(PREFIX)
    return name if name in ACTIONS else None


def address_of(action: str, token: str) -> str:
    """Where a button leads."""
    return f"{PREFIX}{action}?token={token}"


class Actions:
    """Does what buttons ask for.

    Args:
        recorder: begins records, makes refusals.
        judge: judges an address for a visitor as a page that is asked for now; None where it
            cannot be judged.

    Attributes:
        tokens: read what buttons carry; None: there are no buttons.
        deeds: do it; None: nothing can be done.
    """

    def __init__(
        self, recorder: Recorder, judge: Callable[[Visitor, UrlKey, str], Judgement | None]
    ) -> None:
        self._recorder = recorder
        self._judge = judge
        self.tokens: Tokens | None = None
        self.deeds: Deeds | None = None

    def unknown(self, visitor: Visitor, facts: RequestFacts, asked: UrlKey) -> Verdict:
        """Answer what leads to the gateway but asks for nothing that it does."""
        clean = replace(facts, path=facts.path.partition("?")[0])
        return self._recorder.refuse(
            visitor, clean, asked, Kind.ACTION_UNKNOWN, RULE_GATEWAY_ACTION, "no such action"
        )

    async def perform(
        self, visitor: Visitor, facts: RequestFacts, asked: UrlKey, action: str, query: str
    ) -> Verdict:
        """Do what a button asks for. Always ends in an answer of ours.

        Args:
            visitor: who clicked.
            facts: the request's head, without its query.
            asked: its address.
            action: of ACTIONS.
            query: with the token.
        """
        transaction = self._recorder.begin(
            visitor, facts, asked, kind="https" if visitor.tls else "http", handling="none"
        )
        transaction.rule = RULE_GATEWAY_ACTION
        transaction.action = "block"
        transaction.reason = action
        doing = _Doing(visitor, facts, asked, transaction)
        try:
            return await self._perform(doing, query, action)
        except asyncio.CancelledError:
            # The client has gone. What was begun in the store may be done: its own rows say.
            transaction.finish(error="the client left before it was answered")
            raise
        except Exception as problem:
            # Refused as undecided, with a record of its own (engine/failclosed.py).
            transaction.finish(error=type(problem).__name__)
            raise

    async def _perform(self, doing: _Doing, query: str, action: str) -> Verdict:
        try:
            who, deed = self._asked_for(doing, query, action)
        except TokenError as problem:
            return self._refuse(doing, Kind.ACTION_REFUSED, str(problem))
        assert self.deeds is not None
        doing.transaction.reason = f"{action} {deed.argument}".strip()
        try:
            async with asyncio.timeout(_LONGEST_WAIT):
                reference = await self._do(self.deeds, who, doing, deed)
        except StepRefusedError as problem:
            kind = Kind.ACTION_REFUSED
            if action == START_BREAK:
                doing.transaction.rule, kind = RULE_BREAK_UNAVAILABLE, Kind.BREAK_UNAVAILABLE
            return self._refuse(doing, kind, str(problem), back=deed.back)
        except Exception as problem:  # noqa: BLE001 - not known to be done, and said so
            # Whatever it is, it is not known to be done: the person is told so, and may try again.
            return self._refuse(doing, Kind.ACTION_FAILED, type(problem).__name__)
        doing.transaction.action = "allow"
        metrics.count("allow", RULE_GATEWAY_ACTION)
        if reference:
            return self._page(doing, Kind.REVIEW_ASKED, reference, back=deed.back)
        if deed.again and action != END_BREAK:
            return self._page(doing, Kind.SEND_AGAIN, "")
        return Verdict(Course.REFUSE, _see_other(doing.asked, deed.back), doing.transaction)

    def _asked_for(self, doing: _Doing, query: str, action: str) -> tuple[Who, Deed]:
        """Who asks for what.

        Raises:
            TokenError: nobody who may ask for it.
        """
        visitor = doing.visitor
        found = _QUERY.fullmatch(query)
        if visitor.person.name is None:
            raise TokenError("It is not known who you are.")
        if not _by_hand(doing.facts):
            raise TokenError("It was not a click on a page of the gateway.")
        if found is None or self.tokens is None or self.deeds is None:
            raise TokenError("The button's address is not whole.")
        deed = self.tokens.read(visitor.person.name, doing.asked.host, found[1])
        if deed.action != action:
            raise TokenError("The button is for something else.")
        return Who(visitor.person.name, visitor.person.how, visitor.client_ip), deed

    async def _do(self, deeds: Deeds, who: Who, doing: _Doing, deed: Deed) -> str:
        """Do it. Gives the reference of a review, or ""."""
        match deed.action:
            case "start-break":
                await deeds.start_break(who, int(deed.argument))
            case "end-break":
                await deeds.end_break(who)
            case "confirm":
                rule, _, site = deed.argument.partition(" ")
                await deeds.confirm(who, rule, site)
            case "acknowledge":
                await deeds.acknowledge(who, deed.argument)
            case _:
                judgement = self._judge(doing.visitor, doing.asked, deed.back)
                rule = judgement.decision.rule if judgement else ""
                categories = judgement.categories if judgement else ()
                url = _url(doing.asked, deed.back)
                if judgement is not None:
                    url = self._recorder.recordable(url, judgement)
                return await deeds.ask_review(who, url, rule, categories, REASONS[deed.argument][1])
        return ""

    def _refuse(self, doing: _Doing, kind: Kind, problem: str, back: str = "") -> Verdict:
        doing.transaction.error = problem
        metrics.count("block", doing.transaction.rule or RULE_GATEWAY_ACTION)
        metrics.count_refusal(kind)
        return self._page(doing, kind, problem, back)

    def _page(self, doing: _Doing, kind: Kind, detail: str, back: str = "") -> Verdict:
        # What people asked for says more to them than where the button led; the record has that.
        url = _url(doing.asked, back or doing.facts.path)
        refusal = self._recorder.refusal(
            doing.visitor, doing.facts, url, doing.asked.host, kind, detail, doing.transaction.id
        )
        offer = Help(back=_url(doing.asked, back)) if back else NO_HELP
        return Verdict(Course.REFUSE, render(replace(refusal, help=offer)), doing.transaction)


class _Doing(NamedTuple):
    """A click in hand.

    Attributes:
        visitor: whose.
        facts: the request's head, without its query.
        asked: its address.
        transaction: its open record.
    """

    visitor: Visitor
    facts: RequestFacts
    asked: UrlKey
    transaction: Transaction


def _by_hand(facts: RequestFacts) -> bool:
    """Whether a click of the person sent it, as far as the browser says (Fetch Metadata).

    On secure addresses browsers always do. A script of the site cannot say so of its own requests.
    """
    said = (facts.fetch_mode, facts.fetch_dest, facts.fetch_site, facts.fetch_user)
    return not any(said) or said == ("navigate", "document", "same-origin", "?1")


def _url(asked: UrlKey, path: str) -> str:
    """The whole address of a path on the host that was asked, in visible ASCII."""
    bare = f"[{asked.host}]" if ":" in asked.host else asked.host
    usual = {"http": 80, "https": 443}.get(asked.scheme)
    port = "" if asked.port == usual else f":{asked.port}"
    shown = quote(path.encode("utf-8", "surrogateescape"), safe=_UNRESERVED)
    return f"{asked.scheme}://{bare}{port}{shown}"


def _see_other(asked: UrlKey, back: str) -> Answer:
    headers = (
        ("Location", _url(asked, back)),
        ("Cache-Control", "no-store"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Proxy-Status", 'watchhouse; details="done"'),
        ("Referrer-Policy", "no-referrer"),
    )
    return Answer(303, headers, b"Done.\n")
