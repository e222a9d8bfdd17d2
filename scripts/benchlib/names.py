"""Made-up domain names that compress about as well as a real list's (docs/performance.md).

In: how many, and a seed. Out: distinct names, the same ones each time.
Must never: be meant as real sites; a pseudo-word may well be registered by somebody.
"""

from __future__ import annotations

import random
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ONSETS = "b c d f g h j k l m n p r s t v w x z br cl cr dr fl gr ph pl sh sl st th tr"
VOWELS = "a e i o u a e i o ai ea ee ie oo ou"
CODAS = "- - - - n r s t l m ck nd ng st"  # a hyphen stands for none
WORDS = 20_000
BATCH = 1_000  # the same whatever the number, so that fewer names are the first of more
# Shares of the endings, in per cent.
ENDINGS = {
    "com": 52, "net": 7, "org": 5, "info": 4, "de": 4, "co.uk": 4, "ru": 4, "fr": 3, "top": 3,
    "xyz": 3, "cn": 2, "nl": 2, "it": 2, "com.br": 2, "pl": 1, "jp": 1, "eu": 1,
}  # fmt: skip
# Shares of the patterns: w a word, d digits, - a hyphen, . a further label, r random letters.
PATTERNS = {
    "ww": 44, "www": 6, "w": 9, "wd": 8, "w-w": 9, "wwd": 6, "r": 5, "w.ww": 6, "r.ww": 3, "w.w": 4,
}  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def names(number: int, seed: int = 1) -> Iterator[str]:
    """So many distinct names."""
    chance = random.Random(seed)  # noqa: S311 (not for secrets: it must repeat itself)
    words = _words(chance)
    # A few words are in very many names, most in few (Zipf).
    weights = list(accumulate(1 / (rank + 10) ** 0.9 for rank in range(len(words))))
    patterns, pattern_weights = list(PATTERNS), list(accumulate(PATTERNS.values()))
    endings, ending_weights = list(ENDINGS), list(accumulate(ENDINGS.values()))
    seen: set[int] = set()
    while len(seen) < number:
        drawn = iter(chance.choices(words, cum_weights=weights, k=3 * BATCH))
        for pattern, ending in zip(
            chance.choices(patterns, cum_weights=pattern_weights, k=BATCH),
            chance.choices(endings, cum_weights=ending_weights, k=BATCH),
            strict=True,
        ):
            made = "".join(_part(kind, drawn, chance) for kind in pattern)
            name = f"{made}.{ending}"
            known = hash(name)
            if known not in seen and len(seen) < number:
                seen.add(known)
                yield name


def _part(kind: str, words: Iterator[str], chance: random.Random) -> str:
    if kind == "w":
        return next(words)
    if kind == "d":
        return str(chance.randrange(1, 10 ** chance.choice((1, 2, 2, 3, 4))))
    if kind == "r":
        return "".join(chance.choices(LETTERS, k=chance.randrange(5, 13)))
    return kind


def _words(chance: random.Random) -> list[str]:
    onsets, vowels = ONSETS.split(), VOWELS.split()
    codas = [coda.strip("-") for coda in CODAS.split()]
    made: dict[str, None] = {}
    while len(made) < WORDS:
        (syllables,) = chance.choices((1, 2, 3), (4, 6, 1))
        word = "".join(
            chance.choice(onsets) + chance.choice(vowels) + chance.choice(codas)
            for _ in range(syllables)
        )
        made[word] = None
    return list(made)
