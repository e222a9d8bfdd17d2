"""Reviews on both engines: asking, deciding, and what no decision can do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from proxy_addons.standing import Actor, StaleViewError, StepRefusedError, UnknownReferenceError
from proxy_addons.standing.review import ReviewState
from proxy_addons.standing.review_rules import OPEN_AT_MOST, sites
from proxy_addons.standing.reviews import Reviews
from proxy_addons.standing.tables_shifts import reviews as table
from proxy_addons.standing.tables_shifts import site_categories

if TYPE_CHECKING:
    from collections.abc import Collection

    from proxy_addons.standing import Store
    from proxy_addons.standing.review import Review
    from proxy_addons.urlkey import UrlKey

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")
JANE = Actor("jane", frozenset({"staff"}), "proxy")
INES = Actor("ines", frozenset({"information-security"}), "kerberos")
WHY = "The leaflet for Operation Larch is here."
ANSWER = "Looked at: a charity with leaflets."
LISTED = {
    "shop.example": {"shopping"},
    "trap.example": {"malware"},
    "forum.example": {"forums"},
}


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


def listed(key: UrlKey) -> Collection[str]:
    found = [v for k, v in LISTED.items() if key.host == k or key.host.endswith("." + k)]
    return found[0] if found else ()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(store: Store, clock: Clock) -> Reviews:
    return Reviews(
        store,
        threats={"malware", "phishing"},
        zone=LONDON,
        catalogue={"shopping", "forums", "charity", "malware"},
        categories_of=listed,
        clock=clock,
    )


def asked(queue: Reviews, url: str = "https://www.shop.example/leaflet", **more: object) -> Review:
    fields = {"url": url, "why": WHY, "rule": "default-block", **more}
    return queue.ask(JANE, **fields)  # type: ignore[arg-type]


def test_asking_is_recorded_without_what_the_address_carries(queue: Reviews) -> None:
    made = asked(queue, "https://jane:pw@www.Shop.example:8443/leaflet?session=1234#top")
    assert made.reference == "RV-2026-0001"
    assert (made.site, made.url) == ("www.shop.example", "https://www.shop.example:8443/leaflet")
    assert made.categories == {"shopping"}
    assert made.state_at(NOW) is ReviewState.OPEN
    (step,) = queue.steps(made.reference)
    assert (step.kind, step.who, step.how, step.note) == ("review-request", "jane", "proxy", WHY)
    assert queue.waiting() == (made,)
    assert queue.count_waiting() == 1


def test_asking_twice_gives_the_one_that_waits(queue: Reviews, store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: asked(queue), range(8)))
    assert len({each.reference for each in made}) == 1
    assert len(queue.steps(made[0].reference)) == 1
    # Another site, another person, or after an answer: another review.
    other = asked(queue, "forum.example")
    assert other.url == "https://forum.example/"
    theirs = queue.ask(Actor("tom"), url="https://www.shop.example/", why=WHY)
    queue.decline(INES, made[0].reference, seen=1, why=ANSWER)
    again = asked(queue)
    assert len({made[0].reference, other.reference, theirs.reference, again.reference}) == 4
    assert store.shift_version() > 1


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"url": "not an address"}, "url"),
        ({"url": "ftp://shop.example/"}, "url"),
        ({"url": ""}, "url"),
        ({"why": "please"}, "reason"),
        ({"why": "x" * 5000}, "length"),
        ({"why": "a bell \x07 rings in here"}, "text"),
        ({"rule": "<script>"}, "rule"),
    ],
)
def test_what_is_asked_wrongly_is_not_in_the_queue(
    queue: Reviews, fields: dict[str, str], rule: str
) -> None:
    with pytest.raises(StepRefusedError) as refused:
        asked(queue, **fields)
    assert refused.value.rule == rule
    assert queue.waiting() == ()


def test_one_person_does_not_fill_the_queue(queue: Reviews) -> None:
    for number in range(OPEN_AT_MOST):
        asked(queue, f"https://s{number}.example/")
    with pytest.raises(StepRefusedError) as refused:
        asked(queue, "https://one-more.example/")
    assert refused.value.rule == "many"
    assert asked(queue, "https://s0.example/").reference == "RV-2026-0001"


def test_allowing_for_a_time(queue: Reviews, clock: Clock) -> None:
    made = asked(queue)
    until = NOW + timedelta(days=7)
    found = queue.allow(INES, made.reference, seen=1, why=ANSWER, until=until, site="shop.example")
    assert (found.site, found.until, found.everybody) == ("shop.example", until, False)
    assert (found.decided_by, found.answer) == ("ines", ANSWER)
    assert queue.of("JANE ")[0] == found, "it is how jane is told"
    step = queue.steps(made.reference)[-1]
    assert step.kind == "review-allowed"
    assert step.changes == {
        "site": "shop.example", "for": "jane", "ends": "2026-11-30T12:00:00+00:00"
    }  # fmt: skip
    assert found.state_at(until - timedelta(seconds=1)) is ReviewState.ALLOWED
    assert found.state_at(until) is ReviewState.ENDED
    assert queue.waiting() == ()
    assert queue.decided() == (found,)
    clock.now += timedelta(days=1)
    ended = queue.end(INES, made.reference, seen=2, why="The operation is over.")
    assert ended.until == clock.now
    with pytest.raises(StepRefusedError) as refused:
        queue.end(INES, made.reference, seen=3, why="The operation is over.")
    assert refused.value.rule == "state"


def test_other_categories_and_back(queue: Reviews, store: Store, clock: Clock) -> None:
    made = asked(queue)
    queue.recategorise(INES, made.reference, seen=1, why=ANSWER, categories=["Charity", " "])
    assert row(store, "www.shop.example") == (["charity"], made.reference)
    # A later decision on the same site takes its place, and the first cannot undo it.
    later = asked(queue)
    queue.recategorise(INES, later.reference, seen=1, why=ANSWER, categories=["forums"])
    with pytest.raises(StepRefusedError) as refused:
        queue.end(INES, made.reference, seen=2, why="It was a mistake.")
    assert later.reference in str(refused.value)
    clock.now += timedelta(hours=1)
    ended = queue.end(INES, later.reference, seen=2, why="It was a mistake.")
    assert ended.state_at(clock.now) is ReviewState.ENDED
    assert row(store, "www.shop.example") == (None, later.reference)


def row(store: Store, host: str) -> tuple[object, str]:
    with store.reading() as connection:
        found = connection.execute(
            select(site_categories).where(site_categories.c.host == host)
        ).one()
    assert found.change == store.shift_version(), "workers see it"
    return found.categories, found.review


def test_declining_says_why(queue: Reviews) -> None:
    made = asked(queue)
    with pytest.raises(StepRefusedError):
        queue.decline(INES, made.reference, seen=1, why="no")
    found = queue.decline(INES, made.reference, seen=1, why=ANSWER)
    assert (found.state_at(NOW), found.answer, found.until) == ("declined", ANSWER, None)


STEPS = {
    "allow": {"until": NOW + timedelta(days=1)},
    "recategorise": {"categories": ["charity"]},
    "decline": {},
    "end": {},
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("actor", "rule"),
    [
        (Actor("jane", frozenset({"information-security"}), "kerberos"), "own"),
        (Actor("jane", frozenset({"operator"}), "command-line"), "own"),
        (Actor("mona", frozenset({"line-manager"}), "kerberos", frozenset({"jane"})), "role"),
        (Actor("paul", frozenset({"psd", "auditor", "operator"}), "kerberos"), "role"),
    ],
)
def test_nobody_decides_without_the_right(
    queue: Reviews, step: str, actor: Actor, rule: str
) -> None:
    made = asked(queue)
    with pytest.raises(StepRefusedError) as refused:
        getattr(queue, step)(actor, made.reference, seen=1, why=ANSWER, **STEPS[step])
    assert refused.value.rule == rule
    assert queue.get(made.reference) == made


@pytest.mark.parametrize("step", ["allow", "recategorise"])
@pytest.mark.parametrize(
    ("url", "categories"),
    [
        ("https://www.trap.example/", ()),
        ("https://www.shop.example/", ("phishing", "shopping")),
        ("https://www.shop.example/", ("malware",)),
    ],
)
def test_no_review_opens_a_threat(
    queue: Reviews, store: Store, step: str, url: str, categories: tuple[str, ...]
) -> None:
    made = asked(queue, url, categories=categories)
    with pytest.raises(StepRefusedError) as refused:
        getattr(queue, step)(INES, made.reference, seen=1, why=ANSWER, **STEPS[step])
    assert (refused.value.rule, refused.value.clause) == ("threat", "Inf/27 5.1")
    with store.reading() as connection:
        assert connection.execute(select(site_categories)).all() == []
    assert queue.decline(INES, made.reference, seen=1, why=ANSWER).decision == "declined"


def test_a_site_that_has_become_a_threat_since(
    queue: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = asked(queue)
    monkeypatch.setitem(LISTED, "shop.example", {"malware"})
    with pytest.raises(StepRefusedError) as refused:
        queue.allow(INES, made.reference, seen=1, why=ANSWER, until=NOW + timedelta(days=1))
    assert refused.value.rule == "threat"


@pytest.mark.parametrize(
    ("step", "fields", "rule"),
    [
        ("allow", {"until": NOW}, "until"),
        ("allow", {"until": NOW + timedelta(days=366)}, "until"),
        ("allow", {"until": NOW + timedelta(days=1), "site": "example"}, "site"),
        ("allow", {"until": NOW + timedelta(days=1), "site": "other.example"}, "site"),
        ("recategorise", {"categories": []}, "category"),
        ("recategorise", {"categories": ["no-such-list"]}, "category"),
    ],
)
def test_what_a_decision_has_to_hold(
    queue: Reviews, step: str, fields: dict[str, object], rule: str
) -> None:
    made = asked(queue)
    with pytest.raises(StepRefusedError) as refused:
        getattr(queue, step)(INES, made.reference, seen=1, why=ANSWER, **fields)
    assert refused.value.rule == rule
    assert queue.get(made.reference) == made


def test_a_review_is_decided_once_and_on_what_was_seen(queue: Reviews) -> None:
    made = asked(queue)
    queue.decline(INES, made.reference, seen=1, why=ANSWER)
    until = NOW + timedelta(days=1)
    with pytest.raises(StaleViewError) as stale:
        queue.allow(INES, made.reference, seen=1, why=ANSWER, until=until)
    assert [each.kind for each in stale.value.changed] == ["review-declined"]
    with pytest.raises(StepRefusedError) as refused:
        queue.allow(INES, made.reference, seen=2, why=ANSWER, until=until)
    assert refused.value.rule == "state"
    with pytest.raises(UnknownReferenceError):
        queue.get("RV-2026-0002")


def test_the_store_itself_refuses_what_no_step_does(queue: Reviews, store: Store) -> None:
    made = asked(queue)
    for statement in (
        "UPDATE review_steps SET note = 'x'",
        "DELETE FROM review_steps",
        "UPDATE reviews SET state = 'declined', decided_by = 'jane', decided_at = asked_at",
        "UPDATE reviews SET state = 'allowed', decided_by = 'ines', decided_at = asked_at",
    ):
        with pytest.raises(DBAPIError), store.noting() as connection:
            connection.execute(text(statement))
    assert queue.get(made.reference) == made
    with store.reading() as connection:
        assert connection.execute(select(table.c.change)).scalar_one() == store.shift_version()


SITES = {
    "www.shop.example.co.uk": ("www.shop.example.co.uk", "shop.example.co.uk", "example.co.uk"),
    "example.com": ("example.com",),
    "co.uk": ("co.uk",),
    "jane.github.io": ("jane.github.io",),
    "a.jane.github.io": ("a.jane.github.io", "jane.github.io"),
    "192.0.2.7": ("192.0.2.7",),
    "2001:db8::1": ("2001:db8::1",),
    "intranet": ("intranet",),
    "www.met.police.uk": ("www.met.police.uk", "met.police.uk"),
}


@pytest.mark.parametrize("host", SITES)
def test_what_a_decision_can_be_about(host: str) -> None:
    assert sites(host) == SITES[host]


@given(
    st.lists(st.sampled_from(["a", "www", "co", "uk", "com", "github", "io", "police"]),
             min_size=1, max_size=6)
)  # fmt: skip
def test_a_site_is_the_host_or_above_it(labels: list[str]) -> None:
    host = ".".join(labels)
    found = sites(host)
    assert found[0] == host
    assert all(host == each or host.endswith("." + each) for each in found)
    assert {"uk", "com", "io", "co.uk", "github.io"} & set(found[1:]) == set()
