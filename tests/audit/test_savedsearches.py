"""Saved searches: whose they are, how many, and when they go; on both engines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from support.authority import ACU, DAY, HEAD, KIM, NOW, PAT, SAM, World, live, person, wanted

from proxy_addons.audit.retention.certificates import Certificates
from proxy_addons.audit.retention.details import Details
from proxy_addons.audit.retention.holds import Holds, WantedHold
from proxy_addons.audit.retention.schedule import Class, Schedule
from proxy_addons.audit.retention.scope import Scope
from proxy_addons.audit.savedsearches import LONGEST, MOST, SavedSearches
from proxy_addons.settings.retention import Retention
from proxy_addons.standing import Actor, StepRefusedError, UnknownReferenceError
from proxy_addons.standing.tables_searches import saved_searches

if TYPE_CHECKING:
    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.standing import Store

LONDON = ZoneInfo("Europe/London")
SCHEDULE = Schedule.of(Retention(authorisations=12), LONDON)
ERASER = Actor("watchhouse", how="clock")


class Room(World):
    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.saved = SavedSearches(store, clock=lambda: self.now)
        self.details = Details(store, SCHEDULE, clock=lambda: self.now)

    def names(self, actor: Actor = PAT, reference: str = "") -> list[str]:
        return [each.name for each in self.saved.of(actor, reference)]

    def rows(self) -> int:
        with self.store.reading() as connection:
            return len(connection.execute(select(saved_searches)).all())


@pytest.fixture
def room(store: Store) -> Room:
    return Room(store)


@pytest.fixture
def held(room: Room) -> Authorisation:
    return room.approved()


def test_each_person_has_their_own(room: Room, held: Authorisation) -> None:
    made = room.saved.save(PAT, held.reference, "  News of Monday ", "host=news.test")
    assert (made.name, made.query, made.saved_at) == ("News of Monday", "host=news.test", NOW)
    room.saved.save(SAM, held.reference, "News of Monday", "")
    (sams,) = room.saved.of(SAM)
    for other, number in ((SAM, made.id), (PAT, sams.id), (HEAD, made.id), (KIM, made.id)):
        with pytest.raises(UnknownReferenceError):
            room.saved.get(other, number)
        with pytest.raises(UnknownReferenceError):
            room.saved.rename(other, number, "Mine")
        with pytest.raises(UnknownReferenceError):
            room.saved.delete(other, number)
    assert room.names() == room.names(SAM) == ["News of Monday"]
    assert room.names(HEAD) == room.names(KIM) == []
    renamed = room.saved.rename(PAT, made.id, "Monday")
    assert (renamed.id, renamed.name, renamed.query) == (made.id, "Monday", "host=news.test")
    assert room.saved.rename(PAT, made.id, "Monday") == renamed
    room.saved.delete(PAT, made.id)
    assert room.names() == []
    assert room.names(SAM) == ["News of Monday"]


def test_they_are_of_one_authorisation(room: Room, held: Authorisation) -> None:
    other = room.approved(wanted(allegation="CM/9/26"))
    room.saved.save(PAT, held.reference, "One", "")
    room.saved.save(PAT, other.reference, "One", "")
    room.saved.save(PAT, other.reference, "and two", "")
    assert room.names() == ["One", "and two", "One"]
    assert room.names(reference=held.reference) == ["One"]


def test_who_does_not_look_saves_nothing(room: Room, held: Authorisation) -> None:
    for who in (KIM, HEAD, ACU, person("jane", roles=("psd",))):
        told = set()
        for reference in (held.reference, "AU-2026-0999"):
            with pytest.raises(UnknownReferenceError) as refused:
                room.saved.save(who, reference, "One", "")
            told.add(str(refused.value).replace(reference, ""))
        assert len(told) == 1
    assert room.rows() == 0


def test_an_authorisation_that_does_not_hold_opens_none(room: Room, held: Authorisation) -> None:
    waits = room.applied(wanted(allegation="CM/9/26"))
    lives = room.take("approve", person("dcc", "deputy-chief-constable"), room.applied(live()))
    for reference in (waits.reference, lives.reference):
        with pytest.raises(UnknownReferenceError):
            room.saved.save(PAT, reference, "One", "")
    made = room.saved.save(PAT, held.reference, "One", "")
    assert room.saved.of(Actor("pat", frozenset({"staff"}), "kerberos")) == ()  # no role any more
    room.now = held.valid_until - timedelta(microseconds=1)
    assert room.names() == ["One"]
    room.now = held.valid_until
    assert room.names() == []
    for step in (room.saved.get, room.saved.delete):
        with pytest.raises(UnknownReferenceError):
            step(PAT, made.id)
    assert room.rows() == 1


def test_who_declares_a_conflict_has_none(room: Room, held: Authorisation) -> None:
    room.saved.save(SAM, held.reference, "One", "")
    room.take("declare_conflict", SAM, held)
    assert room.names(SAM) == []


NAMES = {
    "": "Give the search a name",
    " \t ": "Give the search a name",
    "n" * 81: "at most 80",
    "two\nlines": "printable",
    "\u202etxt.": "printable",
    "nul\x00": "printable",
    "Taken": "already",
}


def test_names(room: Room, held: Authorisation) -> None:
    room.saved.save(PAT, held.reference, "Taken", "")
    other = room.saved.save(PAT, held.reference, "ä" * 80, "")
    for name, says in NAMES.items():
        with pytest.raises(StepRefusedError, match=says):
            room.saved.save(PAT, held.reference, name, "")
        with pytest.raises(StepRefusedError, match=says):
            room.saved.rename(PAT, other.id, name)
    assert room.names() == ["Taken", "ä" * 80]


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_there_are_limits(room: Room, held: Authorisation) -> None:
    with pytest.raises(StepRefusedError, match="too long"):
        room.saved.save(PAT, held.reference, "Long", "x" * (LONGEST + 1))
    for number in range(MOST):
        room.saved.save(PAT, held.reference, f"Search {number}", "")
    with pytest.raises(StepRefusedError, match="50 saved searches"):
        room.saved.save(PAT, held.reference, "One more", "")
    room.saved.save(SAM, held.reference, "One more", "")
    room.saved.save(PAT, room.approved(wanted(allegation="CM/9/26")).reference, "One more", "")
    room.saved.delete(PAT, room.saved.of(PAT, held.reference)[0].id)
    room.saved.save(PAT, held.reference, "One more", "x" * LONGEST)
    assert len(room.names(reference=held.reference)) == MOST


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE saved_searches SET name = ''",
        "UPDATE saved_searches SET authorisation = 99",
        (
            "INSERT INTO saved_searches (authorisation, person, name, query, saved_at)"
            " SELECT authorisation, person, name, query, saved_at FROM saved_searches"
        ),
    ],
)
def test_the_table_holds_what_it_can(room: Room, held: Authorisation, statement: str) -> None:
    room.saved.save(PAT, held.reference, "One", "")
    with pytest.raises(DBAPIError, match=r"(?i)constraint"), room.store.noting() as connection:
        connection.execute(text(statement))


# --- when they go ---------------------------------------------------------------------------------


def test_they_go_with_the_period_of_the_authorisation(room: Room, held: Authorisation) -> None:
    room.saved.save(PAT, held.reference, "One", "")
    room.saved.save(SAM, held.reference, "Two", "")
    assert room.details.inventory() == ()
    room.now = datetime(2027, 12, 21, 23, 59, 59, tzinfo=UTC)  # it ended on 21 December 2026
    assert [each.name for each in room.details.inventory()] == [held.reference]
    assert room.details.erase_due(ERASER) == []
    assert room.rows() == 2
    room.now = datetime(2027, 12, 22, tzinfo=UTC)
    (made,) = room.details.erase_due(ERASER)
    assert (made.kind, made.records, made.by) == (Class.DETAILS, 2, "watchhouse")
    assert "pat" not in f"{made.subject} {made.rule}"
    assert room.rows() == 0
    assert room.details.erase_due(ERASER) == []
    assert Certificates(room.store).all(Class.DETAILS) == (made,)
    assert room.now_of(held).reference == held.reference


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("way", ["withdraw", "cancel", "unwritten"])
def test_each_way_to_end_counts(room: Room, way: str) -> None:
    if way == "unwritten":
        asked = room.applied(wanted(urgent=True))
        held = room.take("approve_orally", KIM, asked, by="acu")
    else:
        held = room.approved()
    room.saved.save(PAT, held.reference, "One", "")
    room.now = NOW + 10 * DAY
    if way != "unwritten":
        room.take(way, PAT if way == "withdraw" else ACU, held)
    (item,) = room.details.inventory()
    assert item.counted_from == (held.written_by if way == "unwritten" else room.now)
    assert item.counted_from < held.valid_until


def test_a_hold_wins(room: Room, held: Authorisation) -> None:
    other = room.approved(wanted(allegation="CM/9/26"))
    for each in (held, other):
        room.saved.save(PAT, each.reference, "One", "")
    room.now = NOW + 800 * DAY
    holds = Holds(room.store, zone=LONDON, clock=lambda: room.now)
    wanted_hold = WantedHold(
        scope=Scope(authorisation=held.reference),
        case_reference="CM/1",
        owner="kim",
        why="The hearing is not over.",
        review_at=room.now + 30 * DAY,
    )
    holds.place(KIM, wanted_hold)
    assert len(room.details.erase_due(ERASER)) == 1
    with room.store.reading() as connection:
        left = connection.execute(select(saved_searches.c.authorisation)).scalars().all()
    assert left == [held.id]
