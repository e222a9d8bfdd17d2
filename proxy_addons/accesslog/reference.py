"""Reference numbers: what a person reads out on the telephone from a block page.

In: the wall clock, the worker's number, entropy at start.
Out: `7K3M-2Q9X-1C4V`: twelve symbols of Crockford's base32, made of

    TTTT-TTWW-CCCK    T  seconds since 2026-01-01 UTC, 30 bits (until 2060)
                      W  worker, 10 bits
                      C  counter within the second, 15 bits
                      K  check symbol

so that numbers sort by time, are unique without asking anybody (time, worker and counter), and
lead a reader straight to the hour of the log. The check symbol finds every single wrong symbol and
every pair of symbols swapped, so that a misheard number is refused and is never somebody else's.
Must never: be taken for a secret. Numbers can be guessed; they open nothing.

Unique across restarts: a number is never issued for a second that an earlier process of the same
worker can have used (`not_before`: log.py works it out from what is on disk), even when the clock
was set back; the numbers then run ahead of the clock. In case all that is gone too, each process
starts its counters at a random place.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: no I, L, O (read as 1, 1, 0) and no U."""

MAX_WORKER = 1023

_EPOCH = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
_TIME_MASK = (1 << 30) - 1
_COUNTER_END = 1 << 15
_DATA_SYMBOLS = 11
_LENGTH = 12
_VALUES = {symbol: value for value, symbol in enumerate(ALPHABET)}
_VALUES |= {"O": 0, "I": 1, "L": 1}


def _double(value: int) -> int:
    """Multiplies by two in GF(32) with the polynomial x^5 + x^2 + 1."""
    value <<= 1
    return value ^ 0b100101 if value & 32 else value


def _weights() -> tuple[tuple[int, ...], ...]:
    """Returns table[place][value], what a symbol adds: 2^(place + 1) times value in GF(32).

    All weights differ and none is 1 (that of the check symbol itself) or 0: hence the guarantee
    on wrong and swapped symbols in the head of this module.
    """
    row = tuple(range(32))
    table = []
    for _ in range(_DATA_SYMBOLS):
        row = tuple(_double(value) for value in row)
        table.append(row)
    return tuple(table)


_WEIGHTS = _weights()


class ReferenceNumberError(ValueError):
    """What was given is no reference number. Its text tells the person what to do."""


def _symbols(number: int, count: int) -> list[int]:
    return [(number >> (5 * place)) & 31 for place in reversed(range(count))]


class References:
    """Issues the reference numbers of one worker. For one thread.

    Args:
        worker: 0 to 1023; differs between all workers whose logs are read together.
        entropy: returns that many random bytes, as `os.urandom`.
        not_before: Unix time, seconds; no number is issued for an earlier second.
    """

    __slots__ = ("_check", "_counter", "_prefix", "_second", "_start", "_worker")

    def __init__(
        self, worker: int, *, entropy: Callable[[int], bytes], not_before: float = 0.0
    ) -> None:
        if not 0 <= worker <= MAX_WORKER:
            raise ValueError(
                f"worker {worker} does not fit a reference number: use 0 to {MAX_WORKER}"
            )
        self._worker = worker
        # The lower half only, so that at least 16,384 numbers are left for each second.
        self._start = int.from_bytes(entropy(2), "big") % (_COUNTER_END // 2)
        self._turn_to(max(0, int(not_before) - _EPOCH))

    def _turn_to(self, second: int) -> None:
        self._second = second
        self._counter = self._start
        places = _symbols(second & _TIME_MASK, 6) + _symbols(self._worker, 2)
        text = "".join(ALPHABET[value] for value in places)
        self._prefix = f"{text[:4]}-{text[4:]}-"
        self._check = 0
        for place, value in enumerate(places):
            self._check ^= _WEIGHTS[place][value]

    @property
    def latest(self) -> int:
        """Unix second of the number issued last, or from which numbers will be issued."""
        return self._second + _EPOCH

    def next(self, now: float) -> str:
        """Returns a new number.

        Args:
            now: Unix time, seconds. A clock set back, or more than 16,384 numbers in a second,
                make the numbers run ahead of it; they stay unique and in order.
        """
        second = int(now) - _EPOCH
        if second > self._second:
            self._turn_to(second)
        elif self._counter == _COUNTER_END:
            self._turn_to(self._second + 1)
        counter = self._counter
        self._counter = counter + 1
        high, middle, low = counter >> 10, (counter >> 5) & 31, counter & 31
        check = self._check ^ _WEIGHTS[8][high] ^ _WEIGHTS[9][middle] ^ _WEIGHTS[10][low]
        return f"{self._prefix}{ALPHABET[high]}{ALPHABET[middle]}{ALPHABET[low]}{ALPHABET[check]}"


def normalise(text: str) -> str:
    """Turns what a person typed or dictated into the number as it stands in the log.

    Accepts lower case, spaces and dashes anywhere, O for 0, I and L for 1.

    Raises:
        ReferenceNumberError: it is no reference number; the text says what is wrong with it.
    """
    symbols = [symbol for symbol in text.upper() if symbol not in " -\u2010\u2011\u2013\t"]
    values = []
    for symbol in symbols:
        value = _VALUES.get(symbol)
        if value is None:
            raise ReferenceNumberError(
                f"{symbol!a} does not occur in reference numbers. They have twelve symbols, "
                f"like 7K3M-2Q9X-1C4V, out of {ALPHABET}."
            )
        values.append(value)
    if len(values) != _LENGTH:
        raise ReferenceNumberError(
            f"A reference number has {_LENGTH} symbols, like 7K3M-2Q9X-1C4V; "
            f"this has {len(values)}."
        )
    check = values[-1]
    for place, value in enumerate(values[:-1]):
        check ^= _WEIGHTS[place][value]
    if check:
        raise ReferenceNumberError(
            "At least one symbol of this number is wrong (its check symbol does not fit). "
            "Read it again from the page; B and 8, S and 5, Z and 2, D and 0 are easily confused."
        )
    canonical = "".join(ALPHABET[value] for value in values)
    return f"{canonical[:4]}-{canonical[4:8]}-{canonical[8:]}"


def issued_at(reference: str) -> datetime:
    """Returns the second in which a number was issued, as the worker's clock had it.

    Args:
        reference: a number in the form that `normalise` returns.

    Returns:
        Aware time in UTC. May lie ahead of the true time (see `References.next`).
    """
    second = 0
    for symbol in reference.replace("-", "")[:6]:
        second = second * 32 + _VALUES[symbol]
    return datetime.fromtimestamp(_EPOCH, UTC) + timedelta(seconds=second)


def worker_of(reference: str) -> int:
    """Returns the worker that issued a number, given in the form that `normalise` returns."""
    symbols = reference.replace("-", "")
    return _VALUES[symbols[6]] * 32 + _VALUES[symbols[7]]
