"""iCalendar files: events, repeated ones, time zones, whose they are, and what is wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.rotas import duties, problems

from proxy_addons.standing.rota_entries import Options
from proxy_addons.standing.rota_ics import read_ics
from proxy_addons.standing.rota_problems import RotaFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy_addons.standing.rota_entries import RotaFile

LONDON = ZoneInfo("Europe/London")
JANE = "ATTENDEE;CN=Jane Doe:mailto:Jane@force.example"
EARLY = (
    "DTSTART;TZID=Europe/London:20261201T070000",
    "DTEND;TZID=Europe/London:20261201T170000",
    JANE,
    "SUMMARY:Early",
)
# By these rules it is always an hour later than in London.
PARIS = (
    *("BEGIN:VTIMEZONE", "TZID:Ours", "BEGIN:STANDARD", "DTSTART:19700101T000000"),
    *("TZOFFSETFROM:+0100", "TZOFFSETTO:+0100", "END:STANDARD", "END:VTIMEZONE"),
)


def event(*lines: str) -> tuple[str, ...]:
    return ("BEGIN:VEVENT", *lines, "END:VEVENT")


def calendar(*lines: str) -> str:
    all_of_it = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Test//EN", *lines, "END:VCALENDAR")
    return "\r\n".join((*all_of_it, ""))


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., RotaFile]:
    def work(text: str | bytes, **options: object) -> RotaFile:
        path = tmp_path / "duties.ics"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_ics(path, LONDON, Options(**options))  # type: ignore[arg-type]

    return work


def test_an_event(read: Callable[..., RotaFile]):
    file = read(calendar(*event("UID:1", *EARLY)))
    assert duties(file) == ["12-01 07:00 12-01 17:00 early"]
    assert (file.rows, file.first, file.last) == (1, date(2026, 12, 1), date(2026, 12, 1))
    assert file.people["jane"].duties[0].row == 4


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("DTSTART:20260701T070000Z", "DTEND:20260701T170000Z"), "07-01 07:00 07-01 17:00"),
        # Without a zone: the force's.
        (("DTSTART:20260701T070000", "DTEND:20260701T170000"), "07-01 06:00 07-01 16:00"),
        (("DTSTART:20260701T070000", "DURATION:PT9H30M"), "07-01 06:00 07-01 15:30"),
        (("DTSTART;TZID=Europe/Paris:20260701T070000", "DURATION:PT1H"), "07-01 05:00 07-01 06:00"),
        # Outlook's names, and those that are unique in the world.
        (
            ("DTSTART;TZID=GMT Standard Time:20260701T070000", "DURATION:PT1H"),
            "07-01 06:00 07-01 07:00",
        ),
        (
            ('DTSTART;TZID="/example.org/Europe/London":20260701T070000', "DURATION:PT1H"),
            "07-01 06:00 07-01 07:00",
        ),
        (("DTSTART;TZID=Ours:20260701T070000", "DURATION:PT1H"), "07-01 06:00 07-01 07:00"),
        # Hours are hours in the night when the clocks change; days are days; an end is a time.
        (("DTSTART:20270327T220000", "DURATION:PT8H"), "03-27 22:00 03-28 06:00"),
        (("DTSTART:20270327T220000", "DURATION:P1D"), "03-27 22:00 03-28 21:00"),
        (("DTSTART:20270327T220000", "DTEND:20270328T070000"), "03-27 22:00 03-28 06:00"),
        (("DTSTART:20271030T220000", "DTEND:20271031T070000"), "10-30 21:00 10-31 07:00"),
        (("DTSTART:20280228T220000", "DTEND:20280229T060000"), "02-28 22:00 02-29 06:00"),
    ],
)
def test_when(read: Callable[..., RotaFile], lines: tuple[str, ...], expected: str):
    zones = PARIS if "Ours" in lines[0] else ()
    assert duties(read(calendar(*zones, *event(*lines, JANE)))) == [f"{expected} duty"]
    # A zone may be defined behind the events.
    assert duties(read(calendar(*event(*lines, JANE), *zones))) == [f"{expected} duty"]


def test_times_in_doubt(read: Callable[..., RotaFile]):
    gone = event("DTSTART:20270327T173000", "DTEND:20270328T013000", JANE)
    twice = event("DTSTART;TZID=Europe/London:20271031T013000", "DTEND:20271031T070000Z", JANE)
    file = read(calendar(*gone, *twice))
    assert duties(file)[0] == "03-27 17:30 03-28 01:30 duty"
    assert duties(file)[1] == "10-31 00:30 10-31 07:00 duty"
    assert [note.text for note in file.notes] == [
        "01:30 on 28 March 2027 does not exist (the clocks go forward): read as 02:30",
        "01:30 on 31 October 2027 is twice (the clocks go back): read as the first",
    ]
    assert [note.row for note in file.notes] == [4, 9]


def test_the_calendars_own_zone(read: Callable[..., RotaFile]):
    inside = event("DTSTART:20260701T070000", "DURATION:PT1H", JANE)
    text = calendar("X-WR-TIMEZONE:Europe/Paris", *inside) + calendar(*inside)
    assert duties(read(text)) == ["07-01 05:00 07-01 06:00 duty", "07-01 06:00 07-01 07:00 duty"]


def test_zones_of_one_calendar_are_not_those_of_another(read: Callable[..., RotaFile]):
    inside = event("DTSTART;TZID=Ours:20260701T070000", "DURATION:PT1H", JANE)
    other = [line.replace("+0100", "-0500") for line in PARIS]
    file = read(calendar(*PARIS, *inside) + calendar(*other, *inside))
    assert duties(file) == ["07-01 06:00 07-01 07:00 duty", "07-01 12:00 07-01 13:00 duty"]
    assert (
        "the time zone 'Ours' is not known"
        in problems(read, calendar(*PARIS, *inside) + calendar(*inside))[0]
    )


WEEKLY = (
    "UID:w",
    "DTSTART;TZID=Europe/London:20270322T220000",
    "DTEND;TZID=Europe/London:20270323T070000",
    "RRULE:FREQ=WEEKLY;BYDAY=MO,SA;COUNT=4",
    "SUMMARY:Night",
    JANE,
)


def test_repeated(read: Callable[..., RotaFile]):
    """Over the beginning of summer time the clock on the wall is kept."""
    assert duties(read(calendar(*event(*WEEKLY)))) == [
        "03-22 22:00 03-23 07:00 night",
        "03-27 22:00 03-28 06:00 night",
        "03-29 21:00 03-30 06:00 night",
        "04-03 21:00 04-04 06:00 night",
    ]


def test_one_of_a_series_moved_one_taken_out_one_cancelled_one_more(
    read: Callable[..., RotaFile],
):
    master = event(
        *WEEKLY,
        "EXDATE;TZID=Europe/London:20270322T220000",
        "RDATE;TZID=Europe/London:20270401T220000",
    )
    moved = event(
        "UID:w",
        "RECURRENCE-ID;TZID=Europe/London:20270329T220000",
        "DTSTART;TZID=Europe/London:20270330T080000",
        "DTEND;TZID=Europe/London:20270330T160000",
        "SUMMARY:Court",
        JANE,
    )
    cancelled = event(
        "UID:w",
        "RECURRENCE-ID;TZID=Europe/London:20270403T220000",
        "DTSTART;TZID=Europe/London:20270403T220000",
        "DTEND;TZID=Europe/London:20270404T070000",
        "STATUS:CANCELLED",
        JANE,
    )
    file = read(calendar(*moved, *master, *cancelled))
    assert duties(file) == [
        "03-27 22:00 03-28 06:00 night",
        "03-30 07:00 03-30 15:00 court",
        "04-01 21:00 04-02 06:00 night",
    ]
    # The cancelled one's day is in the file's period: what was on it goes.
    assert (file.first, file.last) == (date(2027, 3, 27), date(2027, 4, 3))


def test_without_end(read: Callable[..., RotaFile]):
    endless = calendar(
        *event("UID:1", "DTSTART:20200106T070000", "DURATION:PT8H", "RRULE:FREQ=WEEKLY", JANE)
    )
    assert problems(read, endless)[0] == (
        "duties.ics:4: RRULE: it is repeated without end:"
        " say with --until DAY how far the rota goes"
    )
    file = read(endless, first=date(2026, 12, 1), last=date(2026, 12, 20))
    assert duties(file) == ["12-07 07:00 12-07 15:00 duty", "12-14 07:00 12-14 15:00 duty"]
    assert (file.first, file.last) == (date(2026, 12, 1), date(2026, 12, 20))
    assert "more than 400 days" in problems(read, endless, last=date(2026, 12, 20))[0]


@pytest.mark.parametrize(
    ("lines", "person"),
    [
        ((JANE,), ["jane"]),
        ((JANE, "ATTENDEE:MAILTO:pc1@force.example"), ["jane", "pc1"]),
        ((JANE, JANE), ["jane"]),
        ((JANE, "ATTENDEE;CUTYPE=ROOM:mailto:hall@force.example"), ["jane"]),
        ((JANE, "ATTENDEE;PARTSTAT=DECLINED:mailto:pc1@force.example"), ["jane"]),
        (('ATTENDEE;CN="Doe: Jane; PC":mailto:jd@force.example',), ["jd"]),
        ((JANE, "X-WATCHHOUSE-PERSON:PC1"), ["pc1"]),
        (("ATTENDEE;CN=Long\r\n  name:mailto:ja\r\n ne@force.example",), ["jane"]),
    ],
)
def test_whose(read: Callable[..., RotaFile], lines: tuple[str, ...], person: list[str]):
    assert sorted(read(calendar(*event(*EARLY[:2], *lines))).people) == person


def test_whose_calendar(read: Callable[..., RotaFile]):
    nobody = event(*EARLY[:2])
    both = calendar("X-WATCHHOUSE-PERSON:pc1", *nobody, *event(*EARLY)) + calendar(*nobody)
    assert sorted(read(both, person="ann").people) == ["ann", "jane", "pc1"]
    assert problems(read, both) == [
        "duties.ics:19: ATTENDEE: there is no name: give the person's login name, or --person"
    ]


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ((), "duty"),
        (("SUMMARY:Late\\, Response",), "late-response"),
        (("SUMMARY:x", "CATEGORIES:Overtime,Paid"), "overtime"),
        (("SUMMARY;LANGUAGE=en:Early",), "early"),
        (("SUMMARY:Rest Day",), None),
        (("STATUS:CANCELLED",), None),
        (("STATUS:TENTATIVE",), "duty"),
    ],
)
def test_kinds(read: Callable[..., RotaFile], lines: tuple[str, ...], kind: str | None):
    file = read(calendar(*event(*EARLY[:3], *lines)))
    person = file.people["jane"]
    assert [each.kind for each in person.duties] == ([kind] if kind else [])
    assert list(person.off) == ([] if kind else [date(2026, 12, 1)])


def test_days_off(read: Callable[..., RotaFile]):
    leave = event("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227", JANE, "SUMMARY:Leave")
    until = event("DTSTART:20261228T220000", "DTEND:20261230T000000", JANE, "SUMMARY:TOIL")
    night = event("DTSTART:20270101T220000", "DTEND:20270102T070000", JANE, "SUMMARY:RD")
    file = read(calendar(*leave, *until, *night))
    assert [day.day for day in file.people["jane"].off] == [24, 25, 26, 28, 29, 1]
    assert file.rows == 3
    away = event("DTSTART;VALUE=DATE:20261224", JANE, "SUMMARY:Aid")
    assert problems(read, calendar(*away))[0] == (
        "duties.ics:4: DTSTART: it is for whole days, and 'aid' is not known as time off: give it"
        " times, or say --off aid"
    )
    assert list(read(calendar(*away), off=("Aid",)).people["jane"].off) == [date(2026, 12, 24)]


ALARM = ("BEGIN:VALARM", "TRIGGER:-PT15M", "DTSTART:rubbish", "END:VALARM")


def test_what_is_not_wanted_is_not_looked_at(read: Callable[..., RotaFile]):
    todo = ("BEGIN:VTODO", "DTSTART:rubbish", *ALARM, "END:VTODO")
    inside = event(*EARLY, *ALARM, "DESCRIPTION:x", "X-THING;A=B:c", "GEO:1;2")
    assert len(duties(read(calendar("X-WR-CALNAME:Duties", *todo, *inside)))) == 1


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("DTSTART:20261301T070000",), "DTSTART: Wrong datetime format"),
        (("DTSTART:rubbish\x1b[2J",), "DTSTART: "),
        (("DTEND:20261201T070000",), "DTSTART: there is none"),
        (("DTSTART:20261201T070000",), "DTEND: the end is not after the beginning"),
        (("DTSTART:20261201T070000", "DTEND:20261201T060000"), "the end is not after"),
        (("DTSTART:20261201T070000", "DTEND:20261208T060000"), "DTEND: it lasts 167 hours"),
        (("DTSTART:20261201T070000", "DTSTART:20261202T070000"), "DTSTART: it is there more than"),
        (("DTSTART:20261201T070000", "DURATION:8 hours"), "DURATION: "),
        (("DTSTART:10260101T070000", "DURATION:PT1H"), "DTSTART: the year is 1026"),
        (("DTSTART:20261201T070000", "DTEND:00010101T000000Z"), "DTEND: the year is 1"),
        (("DTSTART:20261201T070000", "DURATION:P9999999D"), "its time cannot be read"),
        (("DTSTART;TZID=Nowhere:20261201T070000", "DURATION:PT1H"), "zone 'Nowhere' is not known"),
        (("DTSTART:20261201T070000", "DURATION:PT1H", "RRULE:FREQ=SECONDLY"), "no rule for duties"),
        (
            ("DTSTART:20261201T070000", "DURATION:PT1H", "RRULE:FREQ=DAILY;INTERVAL=0;COUNT=9"),
            "no rule for duties",
        ),
        (("DTSTART:20261201T070000", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=x"), "RRULE: "),
        (("DTSTART:20261201T070000", "DURATION:PT1H", "RRULE:COUNT=3"), "no rule for duties"),
        # The libraries would look for the first day of these until the year 9999.
        (
            (*EARLY[:2], "RRULE:FREQ=DAILY;COUNT=3;BYMONTH=2;BYMONTHDAY=30"),
            "no rule for duties",
        ),
        ((*EARLY[:2], "RRULE:FREQ=DAILY;COUNT=3;BYMONTH=13"), "no rule for duties"),
        ((*EARLY[:2], "RRULE:FREQ=DAILY;COUNT=3;BYWEEKNO=53"), "no rule for duties"),
        (("DTSTART:20261201T070000", "DURATION:PT1H", "ATTENDEE:Jane"), "ATTENDEE: 'Jane' is no"),
        (("DTSTART:20261201T070000", "DURATION:PT1H", "ATTENDEE"), "is no line of an iCalendar"),
    ],
)
def test_wrong_events(read: Callable[..., RotaFile], lines: tuple[str, ...], said: str):
    people = () if any(line.startswith("ATTENDEE") for line in lines) else (JANE,)
    found = problems(read, calendar(*event(*lines, *people), *event(*EARLY)))
    assert len(found) == 1, found
    assert said in found[0]
    assert found[0].startswith("duties.ics:")
    assert found[0].isprintable()


def test_all_that_is_wrong_at_once(read: Callable[..., RotaFile]):
    bad = event("DTSTART:20261201T070000", "DTEND:20261201T060000")
    found = problems(
        read,
        calendar(*bad, *event("UID:1", *EARLY), *event("UID:1", *EARLY), *bad, "METHOD:CANCEL"),
    )
    assert [line.split(": ")[:2] for line in found] == [
        ["duties.ics:4", "ATTENDEE"],
        ["duties.ics:4", "DTEND"],
        ["duties.ics:15", "UID"],
        ["duties.ics:22", "ATTENDEE"],
        ["duties.ics:22", "DTEND"],
        ["duties.ics:26", "METHOD"],
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("\r\n\r\n", "the file is empty"),
        ("person,date,from,to\n", "is no line of an iCalendar file"),
        ("BEGIN:VEVENT\nEND:VEVENT\n", "is outside of any calendar"),
        ("BEGIN:VCALENDAR\n", "the calendar has no end"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "an event has no end"),
        ("BEGIN:VCALENDAR\nBEGIN:VTODO\n", "a component has no end"),
        ("BEGIN:VCALENDAR\n" + "BEGIN:X\n" * 20, "too deep"),
        ("BEGIN:VCALENDAR\nX:" + "\n  x" * 40_000, "the line is too long"),
        (calendar(), "there is no entry to import"),
        (b"BEGIN:VCALENDAR\nX:\xff\n", "a character is not UTF-8"),
        (calendar("X-WR-TIMEZONE:Nowhere"), "the time zone 'Nowhere' is not known"),
    ],
)
def test_no_calendars(read: Callable[..., RotaFile], text: str | bytes, said: str):
    found = problems(read, text)
    assert len(found) == 1
    assert said in found[0]


FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 400 * 24 * 4).map(
                lambda quarters: FIRST + timedelta(minutes=15 * quarters)
            ),
            st.integers(1, 48 * 4),
            st.sampled_from(("Europe/London", "Europe/Paris", "America/New_York")),
            st.sampled_from(("utc", "zone", "lasts")),
        ),
        min_size=1,
        max_size=5,
        unique_by=lambda each: each[0],
    )
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, moments: list[tuple[datetime, int, str, str]]
):
    """Any moment, written in UTC, in a zone, or with how long it lasts."""
    inside: list[str] = []
    expected = []
    for begins, quarters, zone_name, how in moments:
        ends = begins + timedelta(minutes=15 * quarters)
        zone = ZoneInfo(zone_name)
        if how == "utc" or begins.astimezone(zone).fold or ends.astimezone(zone).fold:
            lines = (f"DTSTART:{begins:%Y%m%dT%H%M%SZ}", f"DTEND:{ends:%Y%m%dT%H%M%SZ}")
        else:
            start = f"DTSTART;TZID={zone_name}:{begins.astimezone(zone):%Y%m%dT%H%M%S}"
            end = f"DTEND;TZID={zone_name}:{ends.astimezone(zone):%Y%m%dT%H%M%S}"
            lines = (start, end if how == "zone" else f"DURATION:PT{15 * quarters}M")
        inside += event(*lines, JANE)
        expected.append((begins, ends))
    path = tmp_path_factory.mktemp("ics") / "x.ics"
    path.write_text(calendar(*inside))
    days = [begins.astimezone(LONDON).date() for begins, _ in expected]
    if (max(days) - min(days)).days >= 400:
        with pytest.raises(RotaFileError, match="more than 400 days"):
            read_ics(path, LONDON)
        return
    found = read_ics(path, LONDON).people["jane"].duties
    assert [each[:2] for each in found] == sorted(expected)
