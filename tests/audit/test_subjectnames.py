"""Words that may be about others: found where they stand, never those of the subject."""

from __future__ import annotations

import pytest

from proxy_addons.audit.store import At, Row
from proxy_addons.audit.subjectaccess import Subject
from proxy_addons.audit.subjectnames import (
    BEFORE_AT,
    CLAIMED,
    KNOWN,
    LIKE_A_LOGIN,
    MOST,
    Word,
    words_of,
)

SUBJECT = Subject("ab1234", frozenset({"Alex.Brown@force.example"}))
CASES = {
    "claimed": ({"claimed": "CD5678"}, {("cd5678", CLAIMED)}),
    "before an @": ({"url": "https://a.test/?to=Kim%2540home.example"}, {("kim", BEFORE_AT)}),
    "before an @ in front": ({"url": "ftp://kim@a.test/"}, {("kim", BEFORE_AT)}),
    "like a login": ({"url": "https://a.test/~cd5678/"}, {("cd5678", LIKE_A_LOGIN)}),
    "two words": ({"url": "https://a.test/u/Jo.Lee?x"}, {("jo.lee", LIKE_A_LOGIN)}),
    "a file": ({"url": "https://a.test/index.html?logo=a.png&p=go.php"}, set()),
    "the site": ({"url": "https://a1b2.test:8080/"}, set()),
    "numbers, words": ({"url": "https://a.test/2026/november"}, set()),
    "too long": ({"url": "https://a.test/" + "a1" * 11}, set()),
    "oneself": ({"claimed": "AB1234", "url": "https://a.test/ab1234?m=alex.brown@b.test"}, set()),
    "nothing": ({}, set()),
}


@pytest.mark.parametrize("case", CASES)
def test_where_words_are_found(case: str) -> None:
    values, wanted = CASES[case]
    found = words_of([Row(At("s", 1), values)], SUBJECT)
    assert {(each.text, each.why) for each in found} == wanted


def test_the_most_frequent_first_and_not_too_many() -> None:
    rows = [
        Row(At("s", number), {"url": f"https://a.test/?a=x{number % 150:04}&b=y0001"})
        for number in range(300)
    ]
    found = words_of(rows, SUBJECT)
    assert found[:2] == (Word("y0001", LIKE_A_LOGIN, 300), Word("x0000", LIKE_A_LOGIN, 2))
    assert len(found) == MOST


def test_names_that_are_known_are_looked_for() -> None:
    urls = ("https://a.test/of/Kim%20Smith", "https://kit.test/kitten", "https://a.test/?u=KIT&v=2")
    rows = [Row(At("s", 1), {"url": url}) for url in urls]
    known = ["kit", "Kim Smith", "ab1234", "nobody"]
    found = [each for each in words_of(rows, SUBJECT, known) if each.why == KNOWN]
    assert found == [Word("kim smith", KNOWN, 1), Word("kit", KNOWN, 1)]
