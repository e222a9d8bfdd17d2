"""What personal use asks of a request and offers its person: minutes, a page to read, buttons.

In: a judged request, its person's day. Out: minutes and refusals counted; whether it waits for the
statement; the `Help` that a page offers.
Must never: decide; offer anything to somebody who is not known, or to what is not a page in a
window of its own (scripts and frames could click for the person).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from markupsafe import Markup

from proxy_addons.gate.acknowledging import NO_STATEMENT, waits
from proxy_addons.gate.actions import (
    ACKNOWLEDGE,
    ASK_REVIEW,
    CONFIRM,
    END_BREAK,
    REASONS,
    START_BREAK,
    address_of,
)
from proxy_addons.gate.own_doing import is_navigation, is_own_doing
from proxy_addons.gate.refusal import NO_HELP, Button, Help
from proxy_addons.gate.rules import RULE_NOT_ACKNOWLEDGED, RULE_REVIEW_ALLOWED
from proxy_addons.gate.sites import site_of
from proxy_addons.gate.tokens import Deed
from proxy_addons.gate.wording import when_words
from proxy_addons.policy.model import Action, Decision
from proxy_addons.policy.states import ON_BREAK

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from proxy_addons.gate.basis import Basis
    from proxy_addons.gate.facts import RequestFacts, Visitor
    from proxy_addons.gate.judge import Judgement
    from proxy_addons.gate.people import People
    from proxy_addons.gate.tokens import Tokens
    from proxy_addons.standing.statement import Statement
    from proxy_addons.urlkey import UrlKey

_HOUR = 60
_ASKING = frozenset({"GET", "HEAD"})  # what can be asked for again by its address alone
_CLAUSE = "Inf/27 3.8"
_REASON = "Please read how the web may be used here, and confirm it. Then you can browse."


class Personal:
    """Personal use, as one worker sees it.

    Args:
        people: has their day.
        basis: gives the basis in force.

    Attributes:
        statement: the acceptable-use statement; None where it could not be read or is not asked.
        tokens: make pages' buttons; None: pages have none.
    """

    def __init__(self, people: People, basis: Callable[[], Basis]) -> None:
        self._people = people
        self._basis = basis
        self.statement: Statement | None = None
        self.tokens: Tokens | None = None

    def count(
        self, visitor: Visitor, facts: RequestFacts, judgement: Judgement, at: datetime
    ) -> bool:
        """A request is to be let through: count its minute if it is personal use, and say so."""
        policy, person = self._basis().settings.policy, visitor.person.name
        if person is None or policy.personal.isdisjoint(judgement.categories):
            return False
        decision = judgement.decision
        if decision.exempted or decision.rule == RULE_REVIEW_ALLOWED or not is_own_doing(facts):
            return False
        social = not policy.social.isdisjoint(judgement.categories)
        self._people.today.count(person, at, social)
        return True

    def refused(
        self, visitor: Visitor, facts: RequestFacts, judgement: Judgement, at: datetime
    ) -> None:
        """A rule of the policy refuses a request: count that if the person opened it.

        By the measure of minutes: what a page asks for by itself, refused a hundred times, says
        nothing of its person. Nor does a tunnel: nobody sees what was to go through it.
        """
        person = visitor.person.name
        if person is not None and is_own_doing(facts):
            self._people.today.refused(person, at, judgement.decision.rule)

    def waits(self, visitor: Visitor, judgement: Judgement, at: datetime) -> bool:
        """Whether a request waits until its person has acknowledged the statement."""
        version = self.statement.version if self.statement is not None else NO_STATEMENT
        return waits(visitor.person, judgement, self._basis(), self._people.today, version, at)

    @staticmethod
    def unread(judgement: Judgement) -> Judgement:
        """The judgement of what waits: the statement's, whatever the policy said."""
        decision = Decision(
            Action.BLOCK, RULE_NOT_ACKNOWLEDGED, _CLAUSE, _REASON, (), judgement.decision.profile
        )
        return replace(judgement, decision=decision)

    # --- what pages offer -----------------------------------------------------------------

    def to_read(self, visitor: Visitor, facts: RequestFacts, asked: UrlKey) -> Help:
        """The page with the statement."""
        make = self._maker(visitor, facts, asked)
        if make is None or self.statement is None:
            return NO_HELP
        statement = self.statement
        confirm = make("I have read this and will keep to it", ACKNOWLEDGE, statement.version)
        # Made of Markdown without markup of its own (standing/statement.py).
        text = Markup(statement.html)  # noqa: S704 - made of Markdown without markup of its own
        return Help(confirm=confirm, title=statement.title, statement=text)

    def to_confirm(
        self, visitor: Visitor, facts: RequestFacts, asked: UrlKey, judgement: Judgement
    ) -> Help:
        """The page that coaches."""
        make = self._maker(visitor, facts, asked)
        if make is None:
            return NO_HELP
        what = f"{judgement.decision.rule} {site_of(judgement.key.host)}"
        return Help(confirm=make("I understand: go on", CONFIRM, what))

    def instead(
        self,
        visitor: Visitor,
        facts: RequestFacts,
        asked: UrlKey,
        judgement: Judgement,
        at: datetime,
        in_a_break: Callable[[], bool],
    ) -> Help:
        """The page of what a rule blocks.

        Args:
            visitor: whose request it is.
            facts: its head.
            asked: its address.
            judgement: the refusal.
            at: now, aware.
            in_a_break: whether it would be let through in a break.
        """
        make = self._maker(visitor, facts, asked)
        if make is None:
            return NO_HELP
        settings, person = self._basis().settings, visitor.person
        assert person.name is not None
        policy, breaks = settings.policy, settings.shifts.breaks
        today = self._people.today
        starts: tuple[Button, ...] = ()
        end, words = None, ""
        running = today.break_of(person.name, at)
        if running is not None:
            ends = running.ends.astimezone(policy.time_zone)
            words = f"Your break runs until {ends:%H:%M}. It does not open this site."
            end = make("End my break now", END_BREAK)
        elif breaks.enabled and ON_BREAK not in person.states and in_a_break():
            left = today.breaks_left(person.name, at)
            words = f"This site is open to you in a break. {_left(left.minutes)}"
            if left.may_start_at > at:
                then = left.may_start_at.astimezone(policy.time_zone)
                words += f" The next one can start {when_words(then, at)}."
            starts = tuple(
                replace(
                    make(f"Start my break: {_long(minutes)}", START_BREAK, str(minutes)),
                    short=_long(minutes).replace("minutes", "min"),
                )
                for minutes in left.offered
            )
        reviews: tuple[Button, ...] = ()
        # What a review may not open is not asked about (judge.py).
        may_ask = person.profile != policy.strictest_profile and not judgement.decision.final
        if may_ask and policy.by_name_only.isdisjoint(judgement.categories):
            reviews = tuple(make(label, ASK_REVIEW, why) for why, (label, _) in REASONS.items())
        return Help(breaks=starts, words=words, end_break=end, reviews=reviews)

    def _maker(
        self, visitor: Visitor, facts: RequestFacts, asked: UrlKey
    ) -> Callable[..., Button] | None:
        """What makes buttons for the page; None where it must not have any."""
        tokens, person = self.tokens, visitor.person.name
        if tokens is None or person is None or facts.method == "CONNECT":
            return None
        if not is_navigation(facts):
            return None

        def make(label: str, action: str, argument: str = "") -> Button:
            deed = Deed(action, argument, facts.path, again=facts.method not in _ASKING)
            token = tokens.make(person, asked.host, deed)
            return Button(label, address_of(action, token))

        return make


def _long(minutes: int) -> str:
    if minutes % _HOUR:
        return f"{minutes} minutes"
    return "1 hour" if minutes == _HOUR else f"{minutes // _HOUR} hours"


def _left(minutes: int) -> str:
    if minutes <= 0:
        return "No break time is left today."
    return f"You have {minutes} minute{'' if minutes == 1 else 's'} left today."
