"""What stands for a person: from facts, minutes and a moment. No store, no clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy_addons.policy import states
from proxy_addons.settings.shifts import Allowances, Breaks, Shifts
from proxy_addons.standing.dayfacts import Allowed, Duty, Facts, LiveBreak, Remaining, Sites, Used
from proxy_addons.standing.dayreading import News
from proxy_addons.standing.dayview import DayView

if TYPE_CHECKING:
    from collections.abc import Mapping

LONDON = ZoneInfo("Europe/London")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NO_DAY = date(2000, 1, 1)


def local(text: str) -> datetime:
    """A time on the wall, as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=LONDON).astimezone(UTC)


def period(begins: str, ends: str) -> tuple[datetime, datetime]:
    return local(begins), local(ends)


def view_of(
    facts: Mapping[str, Facts] | None = None,
    *,
    sites: Sites | None = None,
    horizon: datetime | None = None,
    **settings: Any,
) -> DayView:
    view = DayView(Shifts(**settings), LONDON)
    view.take(News(1, whole=True, facts=facts or {}, sites=sites, used={}, horizon=horizon))
    return view


def booked(begins: datetime, ends: datetime, day: date, number: int = 1) -> Facts:
    return Facts(breaks={number: LiveBreak(begins, ends, day, int((ends - begins) / MINUTE))})


def use(view: DayView, person: str, first: datetime, minutes: int, *, social: bool = False) -> None:
    for number in range(minutes):
        view.count(person, first + number * MINUTE, social=social)


# Where nothing is known.


def test_nothing_is_known_before_the_first_reading() -> None:
    view = DayView(Shifts(), LONDON)
    now = local("2026-11-23 12:00")
    use(view, "jane", now, 90)
    assert view.states("jane", now) == {states.NO_ROTA}
    assert view.changes("jane", now) is None
    assert view.left("jane", now).break_minutes == 0
    assert not view.acknowledged("jane", "abc", now)
    before = view.stamp("jane")
    view.take(News(1, whole=True, facts={}, sites=None, used={}))
    assert view.stamp("jane") != before
    assert view.states("jane", now) == {states.NO_ROTA, states.ALLOWANCE_USED}


def test_a_nameless_person_has_no_day() -> None:
    view = view_of()
    now = local("2026-11-23 12:00")
    assert view.states(None, now) == {states.NO_ROTA}
    assert view.changes(None, now) is None
    assert view.allowed_site(None, "example.org", now) is None
    assert view.stamp(None) == view.stamp("somebody else")


# Duties.

EARLY = ("2026-11-23 07:00", "2026-11-23 15:00")
NIGHT = ("2026-11-23 22:00", "2026-11-24 07:00")


@pytest.mark.parametrize(
    ("duties", "cover", "moment", "expected"),
    [
        # Begin included, end excluded.
        ([EARLY], ("2026-11-01", "2026-11-30"), "2026-11-23 06:59:59", "off-duty"),
        ([EARLY], ("2026-11-01", "2026-11-30"), "2026-11-23 07:00", "on-duty"),
        ([EARLY], ("2026-11-01", "2026-11-30"), "2026-11-23 14:59:59", "on-duty"),
        ([EARLY], ("2026-11-01", "2026-11-30"), "2026-11-23 15:00", "off-duty"),
        # Over midnight, and over the hour at which the duty day turns.
        ([NIGHT], ("2026-11-01", "2026-11-30"), "2026-11-24 00:00", "on-duty"),
        ([NIGHT], ("2026-11-01", "2026-11-30"), "2026-11-24 06:59", "on-duty"),
        ([NIGHT], ("2026-11-01", "2026-11-30"), "2026-11-24 07:00", "off-duty"),
        # On the last day that the rota knows: a duty that runs on counts, then it says nothing.
        ([NIGHT], ("2026-11-01", "2026-11-23"), "2026-11-24 04:59", "on-duty"),
        ([NIGHT], ("2026-11-01", "2026-11-23"), "2026-11-24 06:59", "on-duty"),
        ([NIGHT], ("2026-11-01", "2026-11-23"), "2026-11-24 07:00", "no-rota"),
        ([EARLY], ("2026-11-01", "2026-11-23"), "2026-11-24 04:59", "off-duty"),
        ([EARLY], ("2026-11-24", "2026-11-30"), "2026-11-23 05:00", "no-rota"),
        # Overlapping ones are one: the end of the first is not the end.
        ([EARLY, ("2026-11-23 14:00", "2026-11-23 18:00")], None, "2026-11-23 15:00", "on-duty"),
        ([("2026-11-23 06:00", "2026-11-23 18:00"), EARLY], None, "2026-11-23 16:00", "on-duty"),
        ([EARLY, ("2026-11-23 15:00", "2026-11-23 18:00")], None, "2026-11-23 15:00", "on-duty"),
        # The night of the 25-hour day: 01:30 comes twice, and both are in it.
        ([("2026-10-25 01:00", "2026-10-25 02:00")], None, "2026-10-25 01:30", "on-duty"),
        # A leap day.
        ([("2028-02-29 23:00", "2028-03-01 01:00")], None, "2028-02-29 23:59", "on-duty"),
        ([("2028-02-29 23:00", "2028-03-01 01:00")], None, "2028-03-01 00:59", "on-duty"),
        ([], ("2028-02-29", "2028-02-29"), "2028-02-29 05:00", "off-duty"),
        ([], ("2028-02-29", "2028-02-29"), "2028-03-01 04:59", "off-duty"),
        ([], ("2028-02-29", "2028-02-29"), "2028-03-01 05:00", "no-rota"),
        ([], None, "2026-11-23 12:00", "no-rota"),
    ],
)
def test_duties(
    duties: list[tuple[str, str]], cover: tuple[str, str] | None, moment: str, expected: str
) -> None:
    known = None if cover is None else (date.fromisoformat(cover[0]), date.fromisoformat(cover[1]))
    facts = Facts(duties=tuple(Duty(*period(*each)) for each in duties), cover=known)
    assert view_of({"jane": facts}).states("jane", local(moment)) == {expected}


def test_an_hour_that_comes_twice_is_twice_on_duty() -> None:
    begins, ends = datetime(2026, 10, 25, 0, tzinfo=UTC), datetime(2026, 10, 25, 2, tzinfo=UTC)
    view = view_of({"jane": Facts(duties=(Duty(begins, ends),))})
    first = datetime(2026, 10, 25, 1, 30, tzinfo=LONDON)
    for moment in (first, first.replace(fold=1)):
        assert view.states("jane", moment.astimezone(UTC)) == {states.ON_DUTY}


def test_who_is_off_duty_is_not_known_for_ever() -> None:
    horizon = local("2026-11-25 12:00")
    facts = Facts(cover=(date(2026, 1, 1), date(2026, 12, 31)))
    view = view_of({"jane": facts}, horizon=horizon)
    before = horizon - timedelta(seconds=1)
    assert view.states("jane", before) == {states.OFF_DUTY}
    assert view.changes("jane", before) == horizon
    assert view.states("jane", horizon) == {states.NO_ROTA}


def test_what_will_stand_as_far_as_duties_are_known() -> None:
    horizon = local("2026-11-25 12:00")
    duties = (Duty(*period(*EARLY)), Duty(*period("2026-11-23 14:00", "2026-11-23 18:00")))
    facts = Facts(duties=duties, cover=(date(2026, 11, 1), date(2026, 11, 24)))
    view = view_of({"jane": facts}, horizon=horizon, allowances=Allowances(personal=30))
    now = local("2026-11-23 16:30:30")
    use(view, "jane", local("2026-11-23 15:30"), 30)
    used = {states.ALLOWANCE_USED}
    before = view.states("jane", now)
    found = [(each.until, each.states) for each in view.ahead("jane", now)]
    assert found == [
        (local("2026-11-23 18:00"), {states.ON_DUTY} | used),
        (local("2026-11-24 05:00"), {states.OFF_DUTY} | used),  # a new day, its minutes unused
        (local("2026-11-25 05:00"), {states.OFF_DUTY}),
        (horizon, {states.NO_ROTA}),
    ]
    assert view.states("jane", now) == before


def test_what_will_stand_is_what_stands_then() -> None:
    duties = (Duty(*period(*EARLY)), Duty(*period(*NIGHT)))
    breaks = booked(*period("2026-11-23 10:00", "2026-11-23 10:30"), date(2026, 11, 23)).breaks
    cover = (date(2026, 11, 23), date(2026, 11, 24))
    facts = Facts(breaks=breaks, duties=duties, cover=cover)
    view = view_of({"jane": facts}, horizon=local("2026-11-26 12:00"))
    use(view, "jane", local("2026-11-23 09:00"), 70)
    at = now = local("2026-11-23 09:00")
    for until, standing in list(view.ahead("jane", now)):
        while at < until:
            assert view.states("jane", at) == standing
            at += MINUTE
    assert at == local("2026-11-26 12:00")


def test_of_who_is_on_no_rota_is_known_what_the_clock_brings() -> None:
    view = view_of(horizon=local("2026-11-25 12:00"))
    coming = view.ahead("jane", local("2026-11-23 12:00"))
    days = [next(coming) for _ in range(11)]  # the horizon is one of them
    assert {each.states for each in days} == {frozenset({states.NO_ROTA})}
    assert days[-1].until == local("2026-12-03 05:00")
    assert list(DayView(Shifts(), LONDON).ahead("jane", local("2026-11-23 12:00"))) == []


# Breaks.


def test_a_break_begins_and_ends_by_itself() -> None:
    begins, ends = period("2026-11-23 12:00", "2026-11-23 12:30")
    view = view_of({"jane": booked(begins, ends, date(2026, 11, 23))})
    assert states.ON_BREAK not in view.states("jane", begins - timedelta(microseconds=1))
    assert states.ON_BREAK in view.states("jane", begins)
    assert states.ON_BREAK in view.states("jane", ends - timedelta(microseconds=1))
    assert states.ON_BREAK not in view.states("jane", ends)
    assert view.changes("jane", begins) == ends
    running = view.break_of("jane", begins)
    assert running is not None
    assert (running.begins, running.ends) == (begins, ends)
    assert view.break_of("jane", ends) is None
    assert view.break_of("john", begins) is None


def test_a_break_over_the_turn_of_the_day_takes_from_the_day_in_which_it_began() -> None:
    begins, ends = period("2026-11-23 04:40", "2026-11-23 05:10")
    view = view_of({"jane": booked(begins, ends, date(2026, 11, 22))})
    turn = local("2026-11-23 05:00")
    assert view.left("jane", turn - MINUTE).break_minutes == 30
    assert view.left("jane", turn).break_minutes == 60
    assert states.ON_BREAK in view.states("jane", turn)
    assert view.changes("jane", begins) == turn
    assert view.changes("jane", turn) == ends


def test_no_break_is_offered_where_there_are_none() -> None:
    view = view_of(breaks=Breaks(enabled=False))
    assert view.left("jane", local("2026-11-23 12:00")).break_minutes == 0


# Minutes.


@pytest.mark.parametrize(
    ("personal", "social", "used", "expected", "left"),
    [
        (60, 20, (0, 0), set(), (60, 20)),
        (60, 20, (49, 0), set(), (11, 11)),
        (60, 20, (50, 0), {"allowance-low"}, (10, 10)),
        (60, 20, (59, 0), {"allowance-low"}, (1, 1)),
        (60, 20, (60, 0), {"allowance-used"}, (0, 0)),
        (60, 20, (61, 0), {"allowance-used"}, (0, 0)),
        (60, 20, (0, 9), set(), (51, 11)),
        (60, 20, (0, 10), {"social-low"}, (50, 10)),
        (60, 20, (0, 20), {"social-used"}, (40, 0)),
        (60, 20, (30, 20), {"social-used", "allowance-low"}, (10, 0)),
        (None, 20, (500, 20), {"social-used"}, (None, 0)),
        (60, None, (0, 60), {"allowance-used"}, (0, None)),
        (None, None, (500, 500), set(), (None, None)),
        (5, 5, (0, 0), {"allowance-low", "social-low"}, (5, 5)),
    ],
)
def test_minutes_against_the_allowance(
    personal: int | None,
    social: int | None,
    used: tuple[int, int],
    expected: set[str],
    left: tuple[int | None, int | None],
) -> None:
    view = view_of(allowances=Allowances(personal, social, low=10))
    first = local("2026-11-23 05:00")
    use(view, "jane", first, used[0])
    use(view, "jane", first + used[0] * MINUTE, used[1], social=True)
    after = first + sum(used) * MINUTE
    assert view.states("jane", after) == {states.NO_ROTA, *expected}
    assert view.left("jane", after) == Remaining(60, *left)
    assert view.states("john", after) == {states.NO_ROTA} | (
        {"allowance-low", "social-low"} if personal == 5 else set()
    )


def test_the_last_minute_is_a_whole_one() -> None:
    view = view_of(allowances=Allowances(3, None, low=1))
    first = local("2026-11-23 12:00")
    use(view, "jane", first, 3)
    last = first + 2 * MINUTE
    end = last + MINUTE
    assert view.states("jane", last) == {states.NO_ROTA, states.ALLOWANCE_LOW}
    assert view.changes("jane", last) == end
    assert view.states("jane", end - timedelta(microseconds=1)) == view.states("jane", last)
    assert view.states("jane", end) == {states.NO_ROTA, states.ALLOWANCE_USED}


def test_a_minute_counts_once() -> None:
    view = view_of()
    now = local("2026-11-23 12:00")
    assert view.count("jane", now, social=False)
    assert not view.count("jane", now + timedelta(seconds=59.999), social=False)
    assert view.count("jane", now, social=True)  # it is one of social networks as well
    assert not view.count("jane", now, social=False)
    assert view.left("jane", now) == Remaining(60, 59, 19)


def test_a_new_day_has_a_new_allowance() -> None:
    view = view_of()
    turn = local("2026-11-23 05:00")
    use(view, "jane", turn - 61 * MINUTE, 61)
    assert view.changes("jane", turn - 2 * MINUTE) == turn
    assert states.ALLOWANCE_USED in view.states("jane", turn - timedelta(microseconds=1))
    assert view.changes("jane", turn - MINUTE) == turn
    assert view.states("jane", turn) == {states.NO_ROTA}
    assert view.left("jane", turn) == Remaining(60, 60, 20)


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-28", 23), ("2026-10-24", 25), ("2028-02-29", 24)]
)
def test_every_minute_of_a_day_counts_apart(day: str, hours: int) -> None:
    view = view_of(allowances=Allowances(hours * 60, None, low=0))
    first = local(f"{day} 05:00")
    use(view, "jane", first, hours * 60 - 1)
    last = first + hours * HOUR - MINUTE
    assert view.states("jane", last) == {states.NO_ROTA}
    assert view.left("jane", last).personal_minutes == 1
    use(view, "jane", last, 1)
    assert view.left("jane", last).personal_minutes == 0
    assert view.left("jane", last + MINUTE).personal_minutes == hours * 60


# Confirmations, acknowledgements, reviews.


def test_a_confirmation_counts_for_its_rule_and_site_and_time() -> None:
    now = local("2026-11-23 12:00")
    view = view_of({"jane": Facts(confirmed={("ai", "chat.example.org"): now + HOUR})})
    assert view.confirmed("jane", "ai", "chat.example.org", now)
    assert not view.confirmed("jane", "ai", "chat.example.org", now + HOUR)
    assert not view.confirmed("jane", "ai", "example.org", now)
    assert not view.confirmed("jane", "auctions", "chat.example.org", now)
    assert not view.confirmed("john", "ai", "chat.example.org", now)


def test_an_acknowledgement_counts_for_its_version_and_time() -> None:
    now = local("2026-11-23 12:00")
    view = view_of({"jane": Facts(acknowledged={"0123456789ab": now + HOUR})})
    assert view.acknowledged("jane", "0123456789ab", now)
    assert not view.acknowledged("jane", "0123456789ab", now + HOUR)
    assert not view.acknowledged("jane", "ba9876543210", now)
    assert not view.acknowledged("john", "0123456789ab", now)


def test_sites_and_what_is_below_them() -> None:
    now = local("2026-11-23 12:00")
    sites = Sites(
        {"example.org": frozenset({"news"}), "chat.example.org": frozenset({"social"})},
        {2: Allowed("for-all.example", now + HOUR, "RV-2026-0002")},
    )
    own = Facts(allowed={1: Allowed("example.net", now + HOUR, "RV-2026-0001")})
    view = view_of({"jane": own}, sites=sites)
    assert view.site_categories("example.org") == {"news"}
    assert view.site_categories("www.example.org") == {"news"}
    assert view.site_categories("a.chat.example.org") == {"social"}
    assert view.site_categories("notexample.org") is None
    assert view.site_categories("org") is None
    assert view.allowed_site("jane", "example.net", now) == "RV-2026-0001"
    assert view.allowed_site("jane", "www.example.net", now) == "RV-2026-0001"
    assert view.allowed_site("jane", "anexample.net", now) is None
    assert view.allowed_site("jane", "net", now) is None
    assert view.allowed_site("jane", "example.net", now + HOUR) is None
    assert view.allowed_site("john", "example.net", now) is None
    for anybody in ("jane", "john", None):
        assert view.allowed_site(anybody, "for-all.example", now) == "RV-2026-0002"


# Stamps.


def test_stamps_change_with_what_is_said_of_the_person_alone() -> None:
    now = local("2026-11-23 12:00")
    view = view_of({"jane": Facts(1), "john": Facts(2)}, allowances=Allowances(2, None, low=0))

    seen: dict[int, tuple[int, int, int]] = {}

    def stamps() -> tuple[int, int, int]:
        found = view.stamp("jane"), view.stamp("john"), view.stamp("nobody")
        # Who looks at the latest number only must not miss a stamp.
        assert seen.setdefault(view.latest.number, found) == found
        return found

    jane, john, nobody = stamps()
    view.count("jane", now, social=False)
    view.count("jane", now + MINUTE, social=False)  # the last one: then none is left
    assert stamps()[0] > jane
    assert stamps()[1:] == (john, nobody)
    jane, _, _ = stamps()
    facts = {"john": Facts(view.new_stamp(), cover=(NO_DAY, NO_DAY))}
    assert view.take(News(2, whole=False, facts=facts, sites=None, used={}))
    assert stamps() == (jane, view.facts["john"].stamp, nobody)
    assert not view.take(News(3, whole=False, facts={}, sites=None, used={}))
    assert view.take(
        News(4, whole=False, facts={}, sites=Sites({"example.org": frozenset()}), used={})
    )
    assert min(stamps()) > max(jane, view.facts["john"].stamp, nobody)
    # A whole reading that finds the same changes nothing; one that misses somebody does.
    before = stamps()
    assert not view.take(News(5, whole=True, facts=dict(view.facts), sites=None, used={}))
    assert stamps() == before
    assert view.take(News(6, whole=True, facts={"jane": view.facts["jane"]}, sites=None, used={}))
    assert stamps()[1] > before[1]


def test_a_minute_that_makes_no_difference_gives_no_new_stamp() -> None:
    """Or all of a force's people would be looked up anew in each minute."""
    view = view_of({"jane": Facts(1)})
    first, before = local("2026-11-23 12:00"), view.latest.number
    stamps = []
    for number in range(70):
        view.count("jane", first + number * MINUTE, social=number % 2 == 0)
        stamps.append(view.stamp("jane"))
    turns = [number for number in range(1, 70) if stamps[number] != stamps[number - 1]]
    # 10 and 20 of social networks, 50 and 60 of all: once for the minute that is in hand, and once
    # where another is the last.
    assert turns == [18, 20, 38, 40, 49, 50, 59, 60]
    assert view.latest.number == before + len(turns)


minute_of_use = st.tuples(
    st.integers(-4, 14),  # how many minutes ago; some clocks are ahead
    st.booleans(),  # social
    st.booleans(),  # whether another worker counts it
)


@example([(25, [(1, True, True), (2, True, True)]), (35, [])], None, 2, 0, "2026-11-23 12:00")
@given(
    st.lists(st.tuples(st.integers(0, 45), st.lists(minute_of_use, max_size=3)), max_size=40),
    st.sampled_from([None, 0, 1, 4, 6]),
    st.sampled_from([None, 0, 2, 3]),
    st.integers(0, 5),
    st.sampled_from(["2026-11-23 12:00", "2026-11-23 04:55"]),
)
def test_what_was_held_by_stamp_and_moment_is_what_stands(
    steps: list[tuple[int, list[tuple[int, bool, bool]]]],
    personal: int | None,
    social: int | None,
    low: int,
    begin: str,
) -> None:
    """As the gate holds it: asked again only when the stamp or the moment says so."""
    settings = Shifts(allowances=Allowances(personal, social, low=low))
    now = local(begin)
    facts = {"jane": booked(now + 2 * MINUTE, now + 4.5 * MINUTE, date(2026, 11, 23))}
    news = News(1, whole=True, facts=facts, sites=None, used={})
    view = DayView(settings, LONDON)
    view.take(news)
    held, until = view.states("jane", now), view.changes("jane", now)
    stamp, latest = view.stamp("jane"), view.latest.number
    counted: list[tuple[datetime, bool]] = []
    for seconds, uses in steps:
        now += timedelta(seconds=seconds)
        for number, of_social, elsewhere in uses:
            at = now - number * MINUTE if elsewhere else now
            counted.append((at, of_social))
            day = view.days.at(at)
            if elsewhere:
                view.add(day.date, "jane", Used.of(day.minute(at), social=of_social))
            else:
                view.count("jane", at, social=of_social)
        if view.latest.number == latest:
            assert view.stamp("jane") == stamp
        latest = view.latest.number
        if view.stamp("jane") != stamp or (until is not None and now >= until):
            held, until = view.states("jane", now), view.changes("jane", now)
            stamp = view.stamp("jane")
        other = DayView(settings, LONDON)
        other.take(news)
        for at, of_social in counted:
            other.count("jane", at, social=of_social)
        assert held == other.states("jane", now)


def test_days_that_are_over_are_forgotten_and_nobodys_stamp_comes_again() -> None:
    view = view_of()
    now = local("2026-11-23 12:00")
    seen, gone = [0], [0]
    for number in range(40):
        at = now + number * timedelta(days=1)
        for minute in range(90):
            view.count("jane", at + minute * MINUTE, social=True)
            view.count(f"person-{number}", at + minute * MINUTE, social=False)
        seen.append(view.stamp("jane"))
        first = view.days.at(at).date - timedelta(days=1)
        view.take(News(number, whole=True, facts={}, sites=None, used={}, first_day=first))
        assert len(view._used) <= 2
        assert len(view._counted) <= 3
        seen.append(view.stamp("jane"))
        gone.append(view.stamp("person-0"))
    assert seen == sorted(seen)
    assert gone == sorted(gone)
    assert len(set(gone)) > 30


def test_other_settings_count_at_once() -> None:
    view = view_of()
    now = local("2026-11-23 12:00")
    use(view, "jane", now - 30 * MINUTE, 30)
    stamp = view.stamp("jane")
    view.use(Shifts())
    assert view.stamp("jane") == stamp
    view.use(Shifts(allowances=Allowances(30, None)))
    assert view.stamp("jane") != stamp
    assert states.ALLOWANCE_USED in view.states("jane", now)
    view.use(Shifts(day_turns=time(12)))
    assert view.left("jane", now).personal_minutes == 60


# Whatever the facts: the states stay until `changes`, to the last moment.

BASES = st.sampled_from(
    [
        local(text)
        for text in (
            "2026-11-23 00:00",  # midnight
            "2026-11-23 05:00",  # the day turns
            "2026-03-29 01:00",  # an hour is left out
            "2026-10-25 01:00",  # an hour comes twice
            "2028-02-29 00:00",
            "2028-02-29 23:59",
            "2027-03-01 00:00",
        )
    ]
)
STEP = timedelta(seconds=30)


@st.composite
def situations(draw: st.DrawFn) -> tuple[DayView, datetime]:
    base = draw(BASES)

    def span() -> tuple[datetime, datetime]:
        begins = base + draw(st.integers(-120, 120)) * STEP
        return begins, begins + draw(st.integers(1, 120)) * STEP

    duties = tuple(Duty(*span()) for _ in range(draw(st.integers(0, 3))))
    breaks = {
        number: LiveBreak(*span(), date(2026, 11, 23), 15)
        for number in range(draw(st.integers(0, 2)))
    }
    day = base.astimezone(LONDON).date()
    cover = draw(
        st.none()
        | st.tuples(st.integers(-2, 0), st.integers(0, 2)).map(
            lambda each: (day + timedelta(days=each[0]), day + timedelta(days=each[1]))
        )
    )
    horizon = draw(st.none() | st.integers(-60, 120).map(lambda each: base + each * STEP))
    settings = Shifts(allowances=Allowances(draw(st.integers(0, 6)), draw(st.integers(0, 4)), 2))
    view = DayView(settings, LONDON)
    facts = Facts(1, breaks, duties, cover)
    view.take(News(1, whole=True, facts={"jane": facts}, sites=None, used={}, horizon=horizon))
    at = base + draw(st.integers(-80, 80)) * STEP
    for ago, social in draw(st.sets(st.tuples(st.integers(0, 40), st.booleans()), max_size=8)):
        view.count("jane", at - ago * MINUTE, social=social)
    return view, at


@given(situations())
def test_states_stay_until_they_change(situation: tuple[DayView, datetime]) -> None:
    view, at = situation
    before = view.states("jane", at)
    until = view.changes("jane", at)
    assert until is not None
    assert at < until <= at + 25 * HOUR
    moment = at
    while moment < min(until, at + 3 * HOUR):
        assert view.states("jane", moment) == before, moment
        moment += STEP
    assert view.states("jane", until - timedelta(microseconds=1)) == before


@given(situations())
def test_one_state_of_duty_and_one_of_each_allowance(situation: tuple[DayView, datetime]) -> None:
    view, at = situation
    found = view.states("jane", at)
    assert found <= states.STATES
    assert len(found & {states.ON_DUTY, states.OFF_DUTY, states.NO_ROTA}) == 1
    assert len(found & {states.ALLOWANCE_LOW, states.ALLOWANCE_USED}) <= 1
    assert len(found & {states.SOCIAL_LOW, states.SOCIAL_USED}) <= 1


@example(["a", "a.b"], "a.b")
@given(
    st.lists(st.from_regex(r"[ab](\.[ab]){0,3}", fullmatch=True)),
    st.from_regex(r"[ab](\.[ab]){0,4}", fullmatch=True),
)
def test_the_nearest_of_the_parents(given_hosts: list[str], host: str) -> None:
    view = view_of(sites=Sites({each: frozenset({each}) for each in given_hosts}))
    fitting = [each for each in given_hosts if host == each or host.endswith(f".{each}")]
    expected = {max(fitting, key=len)} if fitting else None
    assert view.site_categories(host) == expected
