"""Pseudonyms say nothing, and are not mistaken for each other."""

from __future__ import annotations

import re

from proxy_addons.audit.pseudonym import pseudonym

KEY = b"k" * 32


def test_a_pseudonym_has_no_vowel_and_no_look_alike():
    for number in range(500):
        assert re.fullmatch(r"P-[2-9CDFGHJKMNPQRTVWXY]{10}", pseudonym(KEY, f"AB{number}"))


def test_it_depends_on_key_and_name_alone():
    assert pseudonym(KEY, "AB1234") == pseudonym(KEY, "AB1234")
    assert pseudonym(KEY, "AB1234") != pseudonym(KEY, "AB1235")
    assert pseudonym(KEY, "AB1234") != pseudonym(b"l" * 32, "AB1234")


def test_a_whole_force_has_as_many_as_people():
    assert len({pseudonym(KEY, f"AB{number:05d}") for number in range(50_000)}) == 50_000


def test_all_symbols_are_used_alike():
    text = "".join(pseudonym(KEY, f"AB{number}")[2:] for number in range(2500))
    counts = [text.count(symbol) for symbol in set(text)]
    assert len(counts) == 25
    assert max(counts) < 1.2 * min(counts)
