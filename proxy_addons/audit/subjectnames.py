"""Who else may be named in somebody's records: words to look at before a copy of them goes out.

In: rows of one person. Out: words, how often each stands there, and why it may be a name.
Must never: decide: whoever makes the copy does.
"""

from __future__ import annotations

import mimetypes
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from proxy_addons.audit.subjectaccess import named

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy_addons.audit.store import Row
    from proxy_addons.audit.subjectaccess import Subject

KNOWN: Final = "known"
CLAIMED: Final = "claimed"
BEFORE_AT: Final = "before-at"
LIKE_A_LOGIN: Final = "like-a-login"
MOST: Final = 100
"""Words of one kind."""
_AT: Final = re.compile(r"([^\s/?&=;:,<>()\[\]\"'@]{2,64})@")
_WORD: Final = re.compile(r"(?<![\w@.-])[^\W_]+(?:[.-][^\W_]+)?(?![\w.-])")
_FILES: Final = mimetypes.MimeTypes()  # of Python's own table, not of this machine
_PAGES: Final = (".php", ".asp", ".aspx", ".jsp")  # names of files that are no type
_LENGTHS: Final = range(4, 21)  # characters of what looks like a login name


@dataclass(frozen=True, slots=True)
class Word:
    """A word that may be about somebody else.

    Attributes:
        text: in small letters.
        why: `KNOWN` (it was given as somebody's name), `CLAIMED` (a name under which somebody asked
            without a proof), `BEFORE_AT` (it stands before an @), `LIKE_A_LOGIN` (it has the form
            of one).
        times: how often.
    """

    text: str
    why: str
    times: int


def words_of(rows: Iterable[Row], subject: Subject, known: Iterable[str] = ()) -> tuple[Word, ...]:
    """Words, the most frequent first within their kind; those of the subject left out.

    Args:
        rows: of the subject.
        subject: whose they are.
        known: names of other people, to be looked for.
    """
    found = {why: Counter[str]() for why in (KNOWN, CLAIMED, BEFORE_AT, LIKE_A_LOGIN)}
    others = replace(subject, others=frozenset(known))
    own = subject.mine | {each.partition("@")[0] for each in subject.mine}
    for row in rows:
        claimed, url = row.values.get("claimed"), row.values.get("url")
        if isinstance(claimed, str):
            found[CLAIMED][claimed.casefold()] += 1
        if isinstance(url, str):
            text = unquote_plus(unquote_plus(url.partition("://")[2])).casefold()
            found[BEFORE_AT].update(set(_AT.findall(text)))
            path = text.partition("/")[2]
            found[KNOWN].update(named(path, others))
            found[LIKE_A_LOGIN].update(set(filter(_like_a_login, _WORD.findall(path))))
    return tuple(
        Word(text, why, times)
        for why, counted in found.items()
        for text, times in sorted(counted.items(), key=lambda each: (-each[1], each[0]))[:MOST]
        if text not in own
    )


def _like_a_login(word: str) -> bool:
    """`ab1234`, `jo.lee`: letters with digits, or two words with a dot that are no file."""
    if len(word) not in _LENGTHS or not any(each.isalpha() for each in word):
        return False
    if word.endswith(_PAGES) or _FILES.guess_type(word) != (None, None):
        return False
    return "." in word or any(each.isdigit() for each in word)
