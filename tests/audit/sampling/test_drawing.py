"""Allocation and draw: sums, minima, order, chance; the replay by somebody who trusts nobody."""

from __future__ import annotations

import hmac
import json
import random
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.audit.sampling.allocation import allocate
from proxy_addons.audit.sampling.commitment import Party, Secret, SecretError, commitment, keeps
from proxy_addons.audit.sampling.drawing import draw
from proxy_addons.audit.sampling.octets import packed
from proxy_addons.audit.sampling.record import HOW_TO_REPLAY, DrawRecord, ReplayError, replay
from proxy_addons.audit.sampling.roster import snapshot
from proxy_addons.audit.sampling.strata import Entry, RosterError, Stratum, strata_of, weeks_of
from proxy_addons.standing.weeks import Week

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WEEK = Week.parse("2026-W47")
STRATA = st.builds(Stratum, st.sampled_from(["officer", "staff"]), st.sampled_from("abcdefgh"))
SIZES = st.dictionaries(STRATA, st.integers(1, 500), min_size=1)


def roster(*sizes: int) -> tuple[Entry, ...]:
    return tuple(
        Entry.of(f"p{number}-{person}", ("officer", "staff")[number % 2], f"unit {number}")
        for number, size in enumerate(sizes)
        for person in range(size)
    )


def entropy(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


# --- allocation -----------------------------------------------------------------------------------


@given(SIZES, st.integers(0, 3000))
def test_shares_sum_up_and_nobody_is_left_out(sizes: Mapping[Stratum, int], total: int) -> None:
    shares = allocate(sizes, total)
    assert list(shares) == sorted(sizes)
    assert sum(shares.values()) == min(max(total, len(sizes)), sum(sizes.values()))
    assert all(1 <= shares[each] <= size for each, size in sizes.items())


@given(SIZES, st.integers(0, 3000))
def test_shares_are_in_proportion(sizes: Mapping[Stratum, int], total: int) -> None:
    """A larger stratum never gives less, and of two that give several, neither is a whole one
    further from its share of what both give."""
    shares = allocate(sizes, total)
    several = [each for each in sizes if shares[each] > 1]
    for one in sizes:
        for other in sizes:
            if sizes[one] > sizes[other]:
                assert shares[one] >= shares[other]
    given_, size = sum(shares[each] for each in several), sum(sizes[each] for each in several)
    for each in several:
        assert abs(shares[each] - given_ * sizes[each] / size) < 2


@pytest.mark.parametrize(
    ("sizes", "total", "shares"),
    [
        ({"a": 60, "b": 40}, 10, {"a": 6, "b": 4}),
        ({"a": 990, "b": 10}, 10, {"a": 9, "b": 1}),  # a tenth of one is one
        ({"a": 1, "b": 1, "c": 98}, 3, {"a": 1, "b": 1, "c": 1}),
        ({"a": 1, "b": 1, "c": 98}, 1, {"a": 1, "b": 1, "c": 1}),  # one each, at least
        ({"a": 2, "b": 1}, 99, {"a": 2, "b": 1}),  # all of them, at most
        ({"a": 50, "b": 50}, 5, {"a": 3, "b": 2}),  # the same remainder: by name
        ({"b": 30, "a": 10}, 6, {"a": 1, "b": 5}),  # the same remainder: the larger one
        ({"a": 334, "b": 333, "c": 333}, 100, {"a": 34, "b": 33, "c": 33}),
        # After the small one has its own, another falls below one.
        ({"a": 1, "b": 26, "c": 73}, 4, {"a": 1, "b": 1, "c": 2}),
        ({"a": 1, "b": 32, "c": 67}, 3, {"a": 1, "b": 1, "c": 1}),
    ],
)
def test_shares_as_counted_by_hand(
    sizes: dict[str, int], total: int, shares: dict[str, int]
) -> None:
    found = allocate({Stratum("staff", unit): size for unit, size in sizes.items()}, total)
    assert {each.unit: share for each, share in found.items()} == shares


# --- encoding, commitments ------------------------------------------------------------------------


@given(st.lists(st.text(max_size=3), max_size=4), st.lists(st.text(max_size=3), max_size=4))
def test_different_lists_are_different_octets(one: list[str], other: list[str]) -> None:
    assert (packed(*one) == packed(*other)) == (one == other)


def test_a_commitment_is_for_one_party_draw_and_plan() -> None:
    secret = Secret.new(entropy(1))
    shown = commitment("DS-2026-0001", 1, Party.PSD, secret)
    assert keeps(shown, "DS-2026-0001", 1, Party.PSD, secret)
    assert not keeps(shown, "DS-2026-0001", 1, Party.SECOND, secret), "a copy is no promise"
    assert not keeps(shown, "DS-2026-0001", 2, Party.PSD, secret)
    assert not keeps(shown, "DS-2026-0002", 1, Party.PSD, secret)
    assert not keeps(shown, "DS-2026-0001", 1, Party.PSD, replace(secret, salt=bytes(32)))
    assert not keeps(shown, "DS-2026-0001", 1, Party.PSD, replace(secret, secret=bytes(32)))
    assert Secret.parse(f" {secret.text[:64]}\n{secret.text[64:].upper()}") == secret
    assert secret.text[70:] not in repr(secret)


@pytest.mark.parametrize("text", ["", "00", "x" * 128, "0" * 126, "0" * 130, "sesame"])
def test_what_is_no_secret(text: str) -> None:
    with pytest.raises(SecretError) as caught:
        Secret.parse(text)
    assert "sesame" not in str(caught.value)


# --- rosters --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ((), "nobody"),
        ((Entry.of("a", "staff", "x"), Entry.of("a", "officer", "y")), "twice"),
        ((Entry.of("a", "cadet", "x"),), "'cadet'"),
        ((Entry.of("", "staff", "x"),), "no name"),
    ],
)
def test_rosters_that_cannot_be_drawn_from(entries: tuple[Entry, ...], said: str) -> None:
    with pytest.raises(RosterError, match=said):
        strata_of(entries)


def test_a_snapshot_tells_whether_somebody_was_in_it() -> None:
    entries = roster(3, 2)
    seen = snapshot(entries, b"s" * 32)
    assert all(map(seen.has, entries))
    assert not seen.has(Entry.of("p9", "staff", "unit 1"))
    assert not seen.has(replace(entries[0], stratum=Stratum("officer", "unit 1")))
    assert snapshot(entries[::-1], b"s" * 32) == seen
    assert snapshot(entries[1:], b"s" * 32).digest != seen.digest
    assert snapshot(entries, b"t" * 32).digest != seen.digest


# --- the draw -------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32), st.integers(0, 30), st.integers(1, 3), st.randoms())
def test_the_order_of_the_roster_says_nothing(
    seed: bytes, size: int, weeks: int, chance: random.Random
) -> None:
    entries = list(roster(7, 1, 12, 4))
    period = weeks_of(WEEK, weeks)
    first = draw(seed, entries, period, size)
    chance.shuffle(entries)
    assert draw(seed, entries, period[::-1], size) == first
    counted = Counter(each.stratum for each in first)
    assert counted == allocate({s: len(p) * weeks for s, p in strata_of(entries).items()}, size)
    assert len({(each.person, each.week) for each in first}) == len(first)
    assert [each.ticket for each in first] == sorted(each.ticket for each in first)


def test_the_lowest_tickets_are_taken() -> None:
    entries = roster(9)
    every = draw(bytes(32), entries, (WEEK,), 9)
    assert draw(bytes(32), entries, (WEEK,), 4) == every[:4]
    assert {each.person for each in every} == {each.person for each in entries}


def test_everybody_is_as_likely_as_others() -> None:
    """Chi-square over 2,000 fixed seeds: for 39 degrees of freedom 72.1 is exceeded by chance once
    in a thousand. 40 people, of whom 4 are drawn."""
    entries = roster(40)
    counted: Counter[str] = Counter()
    for number in range(2000):
        seed = sha256(f"seed {number}".encode()).digest()
        counted.update(each.person for each in draw(seed, entries, (WEEK,), 4))
    expected = 2000 * 4 / 40
    statistic = sum((counted[each.person] - expected) ** 2 / expected for each in entries)
    # Of draws without replacement the statistic is smaller by (40 - 4) / 39.
    assert 10 < statistic * 39 / 36 < 72.1


def test_weeks_and_seeds_make_other_draws() -> None:
    entries = roster(200)
    people = [
        frozenset(each.person for each in draw(seed, entries, (week,), 20))
        for seed in (bytes(32), b"1" * 32)
        for week in (WEEK, WEEK.later(1))
    ]
    assert len(set(people)) == 4


# --- the record -----------------------------------------------------------------------------------


def recorded(entries: tuple[Entry, ...], size: int = 6, weeks: int = 2) -> DrawRecord:
    psd, second = Secret.new(entropy(1)), Secret.new(entropy(2))
    seen = snapshot(entries, entropy(3)(32))
    plan = "DS-2026-0001"
    return DrawRecord(
        plan=plan,
        number=1,
        reason="",
        first_week=WEEK,
        weeks=weeks,
        size=size,
        roster_digest=seen.digest,
        roster_salt=seen.salt.hex(),
        roster_hashes=seen.hashes,
        psd_commitment=commitment(plan, 1, Party.PSD, psd),
        second_commitment=commitment(plan, 1, Party.SECOND, second),
        psd_secret=psd.text,
        second_secret=second.text,
        tickets=tuple(each["ticket"] for each in _by_the_text(plan, 1, psd, second, entries, size,
                                                              weeks)),
    )  # fmt: skip


def _by_the_text(
    plan: str, number: int, psd: Secret, second: Secret, entries: Any, size: int, weeks: int
) -> list[dict[str, str]]:
    """What `HOW_TO_REPLAY` says, written from it by hand; nothing of the program is used."""

    def pack(*parts: str | bytes) -> bytes:
        octets = b""
        for part in parts:
            part = part.encode() if isinstance(part, str) else part  # noqa: PLW2901 - as octets
            octets += len(part).to_bytes(8, "big") + part
        return octets

    name = "watchhouse/dip-sample"
    seed = sha256(pack(f"{name}/seed/v1", plan, str(number), psd.secret, second.secret)).digest()
    names = [
        date.fromordinal(WEEK.monday.toordinal() + 7 * each).strftime("%G-W%V")
        for each in range(weeks)
    ]
    strata = defaultdict(list)
    for entry in entries:
        strata[entry.stratum.service, entry.stratum.unit].append(entry.person)
    sizes = {each: len(people) * weeks for each, people in strata.items()}
    whole = sum(sizes.values())
    most = min(max(size, len(sizes)), whole)
    shares: dict[tuple[str, str], int] = {}
    while True:
        small = [s for s in sizes if s not in shares and most * sizes[s] < whole]
        if not small:
            break
        for each in small:
            shares[each] = 1
        most -= len(small)
        whole -= sum(sizes[each] for each in small)
    rest = [each for each in sizes if each not in shares]
    if rest:
        left = most - sum(most * sizes[each] // whole for each in rest)
        order = sorted(rest, key=lambda s: (-(most * sizes[s] % whole), -sizes[s], s))
        for place, each in enumerate(order):
            shares[each] = most * sizes[each] // whole + (place < left)
    drawn = []
    for (service, unit), people in strata.items():
        tickets = sorted(
            (
                hmac.new(
                    seed, pack(f"{name}/ticket/v1", week, service, unit, person), sha256
                ).hexdigest(),
                person,
                week,
            )
            for week in names
            for person in people
        )
        drawn += tickets[: shares[service, unit]]
    return [{"ticket": t, "person": p, "week": w} for t, p, w in sorted(drawn)]


@pytest.mark.parametrize("size", [1, 6, 17, 60])
def test_whoever_reads_how_gets_the_same_people(size: int) -> None:
    entries = roster(7, 1, 12, 4)
    record = recorded(entries, size)
    psd, second = Secret.parse(record.psd_secret), Secret.parse(record.second_secret)
    ours = replay(DrawRecord.parse(record.as_json()), entries[::-1])
    theirs = _by_the_text(record.plan, 1, psd, second, entries, size, 2)
    assert [(each.ticket, each.person, each.week.name) for each in ours] == [
        (each["ticket"], each["person"], each["week"]) for each in theirs
    ]
    assert "largest remainder" in HOW_TO_REPLAY


FORGED: dict[str, tuple[dict[str, Any], str]] = {
    "another secret": ({"psd_secret": "0" * 128}, "party psd is not the one"),
    "half a secret": ({"second_secret": "0" * 64}, "party second is not whole"),
    "another plan": ({"plan": "DS-2026-0002"}, "party psd is not the one"),
    "another draw": ({"number": 2}, "party psd is not the one"),
    "another week": ({"first_week": WEEK.later(1)}, "other person-weeks"),
    "another size": ({"size": 7}, "other person-weeks"),
    "a longer period": ({"weeks": 3}, "other person-weeks"),
    "a ticket left out": ({"tickets": ()}, "other person-weeks"),
    "another digest": ({"roster_digest": "0" * 64}, "list of the roster"),
    "a hash left out": ({"roster_hashes": ()}, "list of the roster"),
}


@pytest.mark.parametrize("case", FORGED)
def test_what_was_forged_is_found(case: str) -> None:
    changes, said = FORGED[case]
    entries = roster(7, 1, 12, 4)
    with pytest.raises(ReplayError, match=said):
        replay(replace(recorded(entries), **changes), entries)


def test_nobody_is_left_out_afterwards() -> None:
    entries = roster(7, 1, 12, 4)
    record = recorded(entries)
    with pytest.raises(ReplayError, match="0 of its entries were not in it, and 1 that were"):
        replay(record, entries[1:])
    with pytest.raises(ReplayError, match="1 of its entries were not in it, and 0 that were"):
        replay(record, (*entries, Entry.of("new", "staff", "unit 1")))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 1}', "null"])
def test_what_is_no_record(text: str) -> None:
    with pytest.raises(ReplayError):
        DrawRecord.parse(text)


def test_a_record_of_another_form() -> None:
    said = json.loads(recorded(roster(3)).as_json()) | {"version": 2}
    with pytest.raises(ReplayError, match="form 2"):
        DrawRecord.parse(json.dumps(said))
