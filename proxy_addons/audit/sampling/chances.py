"""How much a sample can say: sizes and upper bounds, in whole numbers without rounding.

In: how many there are, how many were looked at, how many had something. Out: a size, a bound.
Must never: say "none": where nothing was found there is an upper bound, and nothing else.

Without replacement from a known number the hypergeometric distribution holds; without a known
number the binomial one (Clopper and Pearson, 1934). All bounds are one-sided.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, comb
from typing import Final

CONFIDENCE: Final = Fraction(19, 20)
"""95 %."""
_FINE: Final = 1 << 20
"""Steps into which a bound without a known number is divided: a millionth."""


def misses(population: int, having: int, sample: int, most: int = 0) -> Fraction:
    """The chance that a sample has at most so many of those that have something.

    Args:
        population: how many there are.
        having: how many of them have something.
        sample: how many are drawn, each at most once.
        most: how many of those drawn have it at most.
    """
    ways = sum(
        comb(having, found) * comb(population - having, sample - found)
        for found in range(min(most, having, sample) + 1)
    )
    return Fraction(ways, comb(population, sample))


def sample_size(population: int, prevalence: Fraction, confidence: Fraction = CONFIDENCE) -> int:
    """How many to draw for a chance of at least one hit.

    Args:
        population: person-weeks, at least 1.
        prevalence: share of them that is to be noticed, above 0 and at most 1; of person-weeks that
            do not come out whole, one more.
        confidence: the chance, above 0 and below 1.
    """
    having = -(-population * prevalence.numerator // prevalence.denominator)
    low, high = 1, population - having + 1  # with so many there is a hit for certain
    while low < high:
        middle = (low + high) // 2
        if misses(population, having, middle) <= 1 - confidence:
            high = middle
        else:
            low = middle + 1
    return low


def upper_bound(
    sample: int,
    findings: int,
    population: int | None = None,
    confidence: Fraction = CONFIDENCE,
) -> Fraction:
    """The largest share that what was found does not speak against.

    Args:
        sample: how many were looked at; with none of them, the bound is 1.
        findings: how many of these had something.
        population: how many there are; None: so many that it does not matter.
        confidence: with which it is at most that.

    Returns:
        From 0 to 1. Without a known number it is rounded up by less than a millionth; with no
        findings it is about 3 / sample then.
    """
    if population is None:
        return _binomial(sample, findings, 1 - confidence)
    if not population:
        return Fraction(1)  # of nobody nothing is known
    low, high = findings, population - (sample - findings)
    while low < high:  # the chance of so few falls as more have it
        middle = (low + high + 1) // 2
        if misses(population, middle, sample, findings) > 1 - confidence:
            low = middle
        else:
            high = middle - 1
    return Fraction(low, population)


def _binomial(sample: int, findings: int, doubt: Fraction) -> Fraction:
    low, high = 0, _FINE
    while low < high:
        middle = (low + high) // 2
        # Compared in whole numbers: both sides times _FINE to the power of `sample`.
        ways = sum(
            comb(sample, found) * middle**found * (_FINE - middle) ** (sample - found)
            for found in range(findings + 1)
        )
        if ways * doubt.denominator <= doubt.numerator * _FINE**sample:
            high = middle
        else:
            low = middle + 1
    return Fraction(low, _FINE)


def percent(share: Fraction) -> str:
    """In per cent, rounded up to a tenth: a bound that is shown lower than it is would be none."""
    return f"{ceil(share * 1000) / 10:.1f} %"


def in_words(sample: int, findings: int, population: int, confidence: Fraction = CONFIDENCE) -> str:
    """What may be said of a sample, in a sentence or two."""
    if not sample:
        return "Nothing was reviewed, so nothing can be said."
    bound = upper_bound(sample, findings, population, confidence)
    many = f"{findings} had" if findings else "none had"
    return (
        f"Of {population} person-weeks {sample} were reviewed, and {many} something of concern that"
        f" a reviewer could see. With {float(confidence * 100):g} % confidence that is so of at"
        f" most {percent(bound)} of all person-weeks. It does not show that there was nothing."
    )
