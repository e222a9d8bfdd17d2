"""Reference numbers: unique, in order of time, and safe to read out on the telephone."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from proxy_addons.accesslog.reference import (
    ALPHABET,
    MAX_WORKER,
    ReferenceNumberError,
    References,
    issued_at,
    normalise,
    worker_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 21, 20, 15, tzinfo=UTC).timestamp()


def references(
    worker: int = 1, entropy: Callable[[int], bytes] = bytes, **options: float
) -> References:
    return References(worker, entropy=entropy, **options)


@st.composite
def numbers(draw: st.DrawFn) -> str:
    source = references(
        draw(st.integers(0, MAX_WORKER)), lambda _: draw(st.binary(min_size=2, max_size=2))
    )
    return source.next(NOW + draw(st.floats(0, 1e9)))


def test_form() -> None:
    number = references().next(NOW)
    assert [len(group) for group in number.split("-")] == [4, 4, 4]
    assert set(number) <= {*ALPHABET, "-"}
    assert not set("ILOU") & set(ALPHABET)


@settings(max_examples=50)
@given(st.lists(st.floats(NOW - 1e6, NOW + 1e6), min_size=2, max_size=200))
def test_numbers_rise_whatever_the_clock_does(times: list[float]) -> None:
    source = references()
    numbers = [source.next(now) for now in times]
    assert all(earlier < later for earlier, later in pairwise(numbers))


def test_numbers_stay_unique_and_in_order_when_a_second_is_used_up() -> None:
    source = references(entropy=lambda _: b"\xff\xff")
    numbers = [source.next(NOW) for _ in range(50_000)]
    assert numbers == sorted(set(numbers))
    assert (issued_at(numbers[-1]).timestamp() - NOW) < 5


def test_workers_never_share_a_number() -> None:
    sources = [references(worker) for worker in range(MAX_WORKER + 1)]
    assert len({source.next(NOW) for source in sources}) == MAX_WORKER + 1


def test_a_number_tells_its_second_and_its_worker() -> None:
    number = references(worker=77).next(NOW)
    assert issued_at(number).timestamp() == NOW
    assert worker_of(number) == 77


def test_none_is_issued_for_a_second_before_the_given_one() -> None:
    before = references()
    used = {before.next(NOW + 1) for _ in range(100)}
    after = references(not_before=NOW + 2)  # the clock was set back and the process restarted
    assert all(issued_at(after.next(NOW - 3600)).timestamp() == NOW + 2 for _ in range(100))
    assert not used & {after.next(NOW) for _ in range(100)}


def test_a_clock_before_the_epoch_of_numbers_still_gives_numbers_in_order() -> None:
    source = references()
    numbers = [source.next(0.0) for _ in range(3)]
    assert numbers == sorted(set(numbers))
    assert normalise(numbers[0]) == numbers[0]


@pytest.mark.parametrize("worker", [-1, MAX_WORKER + 1])
def test_a_worker_that_does_not_fit_is_refused(worker: int) -> None:
    with pytest.raises(ValueError, match=r"use 0 to 1023"):
        references(worker)


@settings(max_examples=100)
@given(numbers())
def test_any_way_of_writing_it_down_is_understood(number: str) -> None:
    dictated = number.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert normalise(dictated) == number
    assert normalise(number.replace("-", "").replace("1", "I").replace("0", "O")) == number


@settings(max_examples=200)
@given(numbers(), st.integers(0, 11), st.sampled_from(ALPHABET))
def test_every_wrong_symbol_is_noticed(number: str, place: int, symbol: str) -> None:
    symbols = list(number.replace("-", ""))
    assume(symbols[place] != symbol)
    symbols[place] = symbol
    with pytest.raises(ReferenceNumberError, match="check symbol"):
        normalise("".join(symbols))


@settings(max_examples=200)
@given(numbers(), st.integers(0, 11), st.integers(0, 11))
def test_every_two_symbols_swapped_are_noticed(number: str, first: int, second: int) -> None:
    symbols = list(number.replace("-", ""))
    assume(symbols[first] != symbols[second])
    symbols[first], symbols[second] = symbols[second], symbols[first]
    with pytest.raises(ReferenceNumberError, match="check symbol"):
        normalise("".join(symbols))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "twelve|12 symbols"),
        ("7K3M-2Q9X", "this has 8"),
        ("7K3M-2Q9X-1C4V-7K3M", "this has 16"),
        ("7K3M-2Q9X-1C4U", "'U' does not occur"),
        ("7K3M-2Q9X-1C4\x1b", r"'\\x1b' does not occur"),
        ("7K3M-2Q9X-1C4é", r"'\\xc9' does not occur"),
    ],
)
def test_what_is_no_number_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(ReferenceNumberError, match=said):
        normalise(text)
