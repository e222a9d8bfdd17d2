"""Reviews: somebody asks to have a refused site looked at; information security decides.

In: who asks or decides, which site, why. Out: the review as it is then; its steps, for good; for
workers, sites that are open for a time and sites that have other categories.
Must never: let somebody decide on what they asked for; open a security threat; leave a step without
a record.

All methods block: callers in an event loop use a thread. A decision holds on every worker within
two seconds: it is written in the transaction that gives `shifts` its next version.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from proxy_addons.standing import review_rows, review_rules, rules
from proxy_addons.standing.numbering import next_reference
from proxy_addons.standing.problems import (
    StaleViewError,
    StepRefusedError,
)
from proxy_addons.standing.review import Review, ReviewState
from proxy_addons.standing.steps import Step, append, steps_of
from proxy_addons.standing.tables_shifts import review_steps, reviews, site_categories

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from datetime import tzinfo

    from sqlalchemy import Connection

    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.store import Store
    from proxy_addons.urlkey import UrlKey

PREFIX: Final = "RV"


def _unknown(key: UrlKey) -> frozenset[str]:
    del key
    return frozenset()


class Reviews:
    """The queue and what came of it.

    Every step may raise `StepRefusedError` (a rule; nothing is changed) and
    `StandingUnavailableError`.

    Args:
        store: where it is kept.
        threats: categories that no review opens (`Policy.stays`).
        zone: the force's.
        catalogue: all categories; None when no list can be read: then names are not checked.
        categories_of: what the lists say of an address now; a site that has become a threat since
            somebody asked is not opened.
        clock: the time now, aware.
    """

    def __init__(
        self,
        store: Store,
        *,
        threats: Collection[str],
        zone: tzinfo,
        catalogue: Collection[str] | None = None,
        categories_of: Callable[[UrlKey], Collection[str]] = _unknown,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._threats = frozenset(threats)
        self._zone = zone
        self._catalogue = catalogue
        self._categories_of = categories_of
        self._clock = clock

    # --- questions --------------------------------------------------------------------------------

    def get(self, reference: str) -> Review:
        """One review.

        Raises:
            UnknownReferenceError: there is none of this reference.
        """
        with self._store.reading() as connection:
            return review_rows.get(connection, reference)

    def waiting(self) -> tuple[Review, ...]:
        """Those that nobody has decided on; who has waited longest comes first."""
        with self._store.reading() as connection:
            return review_rows.some(connection, reviews.c.state == ReviewState.OPEN)

    def decided(self, *, most: int = 500) -> tuple[Review, ...]:
        """Those that were decided on; the newest decision first, at most so many."""
        with self._store.reading() as connection:
            return review_rows.some(
                connection, reviews.c.state != ReviewState.OPEN, most=most, newest=True
            )

    def of(self, person: str, *, most: int = 50) -> tuple[Review, ...]:
        """What one person asked for; the newest first. It is how they are told the answer."""
        name = rules.name_of(person)
        with self._store.reading() as connection:
            return review_rows.some(connection, reviews.c.person == name, most=most, newest=True)

    def count_waiting(self) -> int:
        """How many nobody has decided on."""
        with self._store.reading() as connection:
            return review_rows.count(connection, reviews.c.state == ReviewState.OPEN)

    def steps(self, reference: str) -> tuple[Step, ...]:
        """Its steps, oldest first.

        Raises:
            UnknownReferenceError: there is none of this reference.
        """
        with self._store.reading() as connection:
            return steps_of(connection, review_steps, review_rows.get(connection, reference).id)

    # --- steps ------------------------------------------------------------------------------------

    def ask(
        self, actor: Actor, *, url: str, why: str, rule: str = "", categories: Iterable[str] = ()
    ) -> Review:
        """Ask to have a refused site looked at, for oneself.

        Who asks twice for one site, or clicks twice, gets the review that waits already.

        Args:
            actor: who asks.
            url: the address that was refused, or a host; its query is not kept.
            why: what it is needed for, at least 10 characters.
            rule: id of the rule that refused it, where known.
            categories: the site's, where known; else the lists are asked.
        """
        person = rules.name_of(actor.name)
        key, shown = review_rules.address(url)
        rule = review_rules.rule_id(rule)
        why = rules.reason(why, clause="")
        known = frozenset(categories) or frozenset(self._categories_of(key))
        with self._store.shifting() as (connection, change):
            now = self._clock()
            own = (reviews.c.person == person) & (reviews.c.state == ReviewState.OPEN)
            if same := review_rows.some(connection, own & (reviews.c.url_host == key.host)):
                return same[0]
            review_rules.not_too_many(review_rows.count(connection, own))
            number = connection.execute(
                insert(reviews)
                .values(
                    reference=next_reference(connection, PREFIX, now.astimezone(UTC).year),
                    person=person,
                    url_host=key.host,
                    url=shown,
                    rule=rule,
                    categories=sorted(known),
                    why=why,
                    asked_at=now,
                    state=ReviewState.OPEN,
                    everybody=False,
                    change=change,
                )
                .returning(reviews.c.id)
            ).scalar_one()
            append(
                connection,
                review_steps,
                number,
                Step.by(actor, now, "review-request", why, {"site": key.host}),
            )
            return review_rows.by_id(connection, number)

    def allow(
        self,
        actor: Actor,
        reference: str,
        *,
        seen: int,
        why: str,
        until: datetime,
        everybody: bool = False,
        site: str | None = None,
    ) -> Review:
        """Open the site for a time.

        Args:
            actor: of information security.
            reference: of the review.
            seen: the revision that the actor looked at.
            why: what the person is told.
            until: aware, excluded; at most 12 months from now.
            everybody: whether for everybody; else for the person who asked.
            site: what is opened, with all below it; None for the host that was asked about.
        """
        why = rules.reason(why)
        with self._step(actor, reference, seen, "allow a site") as (connection, found, now, change):
            review_rules.undecided(found)
            opened = review_rules.site(site, found.site)
            self._no_threat(found, opened)
            review_rules.period(until, now, self._zone)
            values = {"state": "allowed", "until": until, "everybody": everybody}
            changes = {
                "site": opened,
                "for": "everybody" if everybody else found.person,
                "ends": until,
            }
            decision = _Decision(actor, now, "review-allowed", why, change, opened)
            return decision.take(connection, found, values, changes)

    def recategorise(
        self,
        actor: Actor,
        reference: str,
        *,
        seen: int,
        why: str,
        categories: Iterable[str],
        site: str | None = None,
    ) -> Review:
        """Give the site other categories, for everybody, until somebody undoes it.

        Args:
            actor: of information security.
            reference: of the review.
            seen: the revision that the actor looked at.
            why: what the person is told.
            categories: all that the site has from now on.
            site: what has them, with all below it; None for the host that was asked about.
        """
        why = rules.reason(why)
        wanted = review_rules.known(categories, self._catalogue)
        doing = "give a site other categories"
        with self._step(actor, reference, seen, doing) as (connection, found, now, change):
            review_rules.undecided(found)
            opened = review_rules.site(site, found.site)
            self._no_threat(found, opened)
            _set_categories(connection, opened, sorted(wanted), found, actor, now, change)
            changes = {"site": opened, "categories": ", ".join(sorted(wanted))}
            decision = _Decision(actor, now, "review-recategorised", why, change, opened)
            return decision.take(connection, found, {"state": "recategorised"}, changes)

    def decline(self, actor: Actor, reference: str, *, seen: int, why: str) -> Review:
        """Leave it shut. The person is told why."""
        why = rules.reason(why)
        doing = "decline a review"
        with self._step(actor, reference, seen, doing) as (connection, found, now, change):
            review_rules.undecided(found)
            decision = _Decision(actor, now, "review-declined", why, change, found.site)
            return decision.take(connection, found, {"state": "declined"})

    def end(self, actor: Actor, reference: str, *, seen: int, why: str) -> Review:
        """End at once what a review opened: the policy and the lists hold again as they are."""
        why = rules.reason(why)
        with self._step(actor, reference, seen, "end a review") as (connection, found, now, change):
            review_rules.holding(found, now)
            if found.decision == ReviewState.RECATEGORISED:
                self._take_back(connection, found, actor, now, change)
            connection.execute(
                update(reviews).where(reviews.c.id == found.id).values(until=now, change=change)
            )
            append(connection, review_steps, found.id, Step.by(actor, now, "review-ended", why))
            return review_rows.by_id(connection, found.id)

    # --- parts of steps ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def _step(
        self, actor: Actor, reference: str, seen: int, doing: str
    ) -> Iterator[tuple[Connection, Review, datetime, int]]:
        """One transaction on one review, which is as the actor saw it and stays so meanwhile."""
        with self._store.shifting() as (connection, change):
            found = review_rows.get(connection, reference)
            review_rules.may_decide(actor, found, doing)
            if found.revision != seen:
                steps = steps_of(connection, review_steps, found.id)
                raise StaleViewError(found.reference, steps[max(0, seen) :])
            yield connection, found, self._clock(), change

    def _no_threat(self, found: Review, opened: str) -> None:
        review_rules.no_threat(found.categories, self._threats)
        for place in (found.url, f"https://{opened}/"):
            key, _ = review_rules.address(place)
            review_rules.no_threat(self._categories_of(key), self._threats)

    @staticmethod
    def _take_back(
        connection: Connection, found: Review, actor: Actor, now: datetime, change: int
    ) -> None:
        row = connection.execute(
            select(site_categories).where(site_categories.c.host == found.site)
        ).one_or_none()
        if row is None or row.review != found.reference:
            raise StepRefusedError(
                "state",
                f"The categories of {found.site} are by {row.review if row else 'no review'} now;"
                " that is the one to end.",
            )
        _set_categories(connection, found.site, None, found, actor, now, change)


class _Decision:
    """What a decision writes, whichever it is.

    Args:
        actor: who decides.
        now: when.
        kind: of the step.
        why: what the person is told.
        change: the version of `shifts`.
        site: that it is about.
    """

    def __init__(
        self, actor: Actor, now: datetime, kind: str, why: str, change: int, site: str
    ) -> None:
        self._actor = actor
        self._now = now
        self._kind = kind
        self._why = why
        self._change = change
        self._site = site

    def take(
        self,
        connection: Connection,
        found: Review,
        values: Mapping[str, Any],
        changes: Mapping[str, Any] | None = None,
    ) -> Review:
        """Change the row and append the step."""
        connection.execute(
            update(reviews)
            .where(reviews.c.id == found.id)
            .values(
                decided_by=self._actor.name,
                decided_at=self._now,
                answer=self._why,
                url_host=self._site,
                change=self._change,
                **values,
            )
        )
        append(
            connection,
            review_steps,
            found.id,
            Step.by(self._actor, self._now, self._kind, self._why, changes),
        )
        return review_rows.by_id(connection, found.id)


def _set_categories(
    connection: Connection,
    host: str,
    categories: list[str] | None,
    found: Review,
    actor: Actor,
    now: datetime,
    change: int,
) -> None:
    values = {
        "categories": categories,
        "review": found.reference,
        "set_by": actor.name,
        "set_at": now,
        "change": change,
    }
    # No other is beside this one (Store.shifting), so that looking first is safe on both engines.
    done = connection.execute(
        update(site_categories).where(site_categories.c.host == host).values(**values)
    )
    if not done.rowcount:
        connection.execute(insert(site_categories).values(host=host, **values))
