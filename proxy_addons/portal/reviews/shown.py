"""Reviews as pages show them: states and times in words, and what the person is told.

In: a review, the time, the policy's rules. Out: a `ShownReview`.
Must never: say by colour alone what it does not also say in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.portal.register.shown import moment_words, until_words
from proxy_addons.standing.dates import end_of, last_day
from proxy_addons.standing.review import ReviewState

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from proxy_addons.identity.entries import Entry
    from proxy_addons.policy.compiled import Rule
    from proxy_addons.standing.review import Review

WORDS: Final = {
    ReviewState.OPEN: ("Waiting for an answer", "wait"),
    ReviewState.ALLOWED: ("Allowed for a time", "good"),
    ReviewState.RECATEGORISED: ("Given other categories", "good"),
    ReviewState.DECLINED: ("Declined", "not"),
    ReviewState.ENDED: ("Ended", "gone"),
}
"""State → what people read, and the look of it."""


@dataclass(frozen=True, slots=True)
class ShownReview:
    """One review, for people.

    Attributes:
        it: the review.
        state: what it is now.
        words: of the state.
        look: class of the state's tag.
        display: the person's name for people.
        asked: when, in words.
        waits: how long it has waited, in words; empty once it is decided.
        told: what the person is told, in one sentence.
        summary: the same for others.
        rule: that refused it; None where it is not known, or no longer in the policy.
    """

    it: Review
    state: ReviewState
    words: str
    look: str
    display: str
    asked: str
    waits: str
    told: str
    summary: str
    rule: Rule | None = None


def shown_review(
    review: Review,
    now: datetime,
    zone: tzinfo,
    *,
    entry: Entry | None = None,
    rule: Rule | None = None,
) -> ShownReview:
    """A review in words.

    Args:
        review: the review.
        now: aware.
        zone: the force's.
        entry: of the person, from the directory.
        rule: the policy's rule of `review.rule`.
    """
    state = review.state_at(now)
    words, look = WORDS[state]
    display = (entry.display if entry else None) or review.person
    return ShownReview(
        review,
        state,
        words,
        look,
        display,
        moment_words(review.asked_at, zone),
        _waits(review, now) if state is ReviewState.OPEN else "",
        _told(review, state, zone, "you"),
        _told(review, state, zone, display),
        rule,
    )


def _waits(review: Review, now: datetime) -> str:
    days = (now - review.asked_at).days
    return "today" if days < 1 else "1 day" if days == 1 else f"{days} days"


def _told(review: Review, state: ReviewState, zone: tzinfo, person: str) -> str:
    if state is ReviewState.OPEN:
        who = "Information security has not" if person == "you" else "Nobody has"
        return f"{who} answered yet: {review.site} stays as it is."
    if state is ReviewState.DECLINED:
        return f"{review.site} stays as it is."
    if state is ReviewState.RECATEGORISED:
        return f"{review.site} has other categories now. The policy goes by those."
    assert review.until is not None  # the table's own rule for what is allowed or ended
    if state is ReviewState.ENDED:
        return f"{review.site} is as it was before, since {moment_words(review.until, zone)}."
    whom = "everybody" if review.everybody else person
    return f"{review.site} is open to {whom} until {_until(review.until, zone)}."


def _until(ends: datetime, zone: tzinfo) -> str:
    if end_of(last_day(ends, zone), zone) == ends:
        return f"{until_words(ends, zone)}, that day included"
    return moment_words(ends, zone)
