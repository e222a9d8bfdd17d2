"""Protective markings: told from ordinary prose by where they stand and by the shape of the line.

In: pieces of a document's text, with where each stands (documents.py, uploads.py).
Out: the markings in it, by their names in policy/findings.py.
Must never: keep more of a text than the lines that may be markings.

Of the Government Security Classifications Policy (2014; additional markings of 2023): SECRET, TOP
SECRET, OFFICIAL-SENSITIVE, with handling instructions, descriptors and national caveats; of the
Government Protective Marking Scheme before it: PROTECT, RESTRICTED, CONFIDENTIAL. Both want a
marking in capitals at the top and at the bottom of each page. So a word counts in a page's head
or foot; in running text only a line that is nothing but a marking counts, at the beginning, at
the end, or repeated as pages repeat it. "Restricted area" and "secret" in a sentence do not.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from proxy_addons.content.shapes import (
    AMONG,
    ANY_CASE,
    BLANKS,
    DECLARED,
    HAS_CAVEAT,
    LABEL,
    LABEL_NAMES,
    NOT_BEFORE,
    SEGMENT,
    SENSITIVE,
    WHOLE,
    WHOLE_CAVEAT,
    WHOLE_LOWER,
    among,
    in_capitals,
    labelled,
    may_mark,
    mixed,
    name_of,
    one_sign_each,
    plain_line,
    title_case,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Where = Literal["header", "footer", "body", "property", "subject", "name", "end"]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a document's text.

    Attributes:
        where: it stands: at the head or foot of pages, in running text, in the properties of a
            document (`name: value`), in a subject, in a file's name. `end`: what follows is
            another text, with a beginning of its own: what is attached.
        text: lines; the cells of a row are parted by tabs.
    """

    where: Where
    text: str


TOP: Final = 6
"""Lines of a text, without the empty ones, that are its beginning."""
BOTTOM: Final = 4
"""Lines that are its end."""
APART: Final = 5
"""Lines between two places of a marking that pages repeat."""
NEIGHBOURS: Final = 2
"""Lines apart in which two different markings are a list of them."""
KEPT: Final = 4096
"""Lines that may be markings, of one document; those at its end are kept whatever came before."""


def markings_in(parts: Iterable[Part]) -> frozenset[str]:
    """The protective markings of a document.

    Args:
        parts: of one document, in their order.

    Returns:
        Names of `policy.findings.MARKINGS`; empty where there is none.
    """
    found: set[str] = set()
    body = _Body()
    for part in parts:
        text = one_sign_each(part.text)
        if part.where == "body":
            body.take(text)
        elif part.where == "end":
            found |= body.markings()
            body = _Body()
        elif not may_mark(text):
            continue
        elif part.where in ("header", "footer"):
            for line in text.splitlines():
                found |= _in_margin(line, body)
        elif part.where == "property":
            found |= _in_property(text)
        else:
            found |= _in_title(text, name=part.where == "name")
    return frozenset(found | body.markings())


def _in_margin(line: str, body: _Body) -> set[str]:
    """Markings in a line of a page's head or foot."""
    found: set[str] = set()
    for segment in (line, *SEGMENT.split(line)):
        plain = plain_line(segment)
        upper = plain.upper()
        whole = WHOLE.fullmatch(upper)
        if whole is not None and title_case(plain[slice(*whole.span("level"))]):
            found.add(name_of(whole["level"]))
        elif WHOLE_LOWER.fullmatch(upper):
            body.lower_in_margin = True
        elif WHOLE_CAVEAT.fullmatch(upper) and in_capitals(plain):
            found.add("caveat")
        elif (said := labelled(segment)) is not None:
            found |= said
        else:
            found |= among(plain, loose=True)
    return found - {"caveat"} if len(found) > 1 else found


def _in_property(text: str) -> set[str]:
    """Markings in a property of a document, or a header of an e-mail (`name: value`)."""
    name, parted, value = text.partition(":")
    if not parted:
        name, value = "", text
    meant = LABEL_NAMES.search(name.lower()) is not None
    found: set[str] = set()
    for piece in re.split(r"[;,\n\t]|\\\\", value):
        plain = plain_line(piece)
        whole = WHOLE.fullmatch(plain.upper())
        if whole is not None:
            level = plain[slice(*whole.span("level"))]
            marking = name_of(level)
            if meant or in_capitals(level) or (marking in ANY_CASE and title_case(level)):
                found.add(marking)
        elif meant:
            there = AMONG.search(plain.upper())
            if there is not None and not WHOLE_LOWER.fullmatch(plain.upper()):
                found.add(name_of(there["level"]))
            elif there is None and WHOLE_CAVEAT.fullmatch(plain.upper()):
                found.add("caveat")
        elif WHOLE_CAVEAT.fullmatch(plain):
            found.add("caveat")
        else:
            found |= among(plain, loose=False)
    if "sensitivity" in name.lower() and "confidential" in found:
        found.discard("confidential")  # as in `labelled`
    return found


def _in_title(text: str, *, name: bool) -> set[str]:
    """Markings in a subject or in a file's name."""
    found: set[str] = set()
    for line in text.splitlines():
        shown = line
        if name:
            stem = line.rsplit("/", 1)[-1].rsplit("\\", 1)[-1]
            stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", stem)
            shown = re.sub(r"[_+]|%20|\.(?=\w)", " ", stem)
        plain = plain_line(shown)
        sensitive = re.search(SENSITIVE, plain.upper())
        # In a name it is in capitals or not: there it is no part of a sentence.
        if sensitive is not None and (name or title_case(plain[slice(*sensitive.span())])):
            found.add("official-sensitive")
        found |= among(plain, loose=False)
        # "Op Falcon RESTRICTED": at the end of a name that is not itself in capitals.
        last = re.search(r"(?:^|.* )(TOP SECRET|SECRET|CONFIDENTIAL|RESTRICTED)$", plain)
        if last is not None:
            before = plain[: last.start(1)].split()
            if before and mixed(" ".join(before)) and before[-1].upper() not in NOT_BEFORE:
                found.add(name_of(last[1]))
        if re.search(r"\bU\.?K\.? EYES ONLY\b", plain) and not found:
            found.add("caveat")
    return found


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of running text that is a marking, if its place says so."""

    number: int
    marking: str
    """Empty: it says that the document has none."""
    labelled: bool
    caveat: bool
    capitals: bool


@dataclass(slots=True)
class _Body:
    """The running text of a document, line by line."""

    lower_in_margin: bool = False
    """A page's head or foot says that the document has no marking of those that count."""
    _number: int = 0
    _after_label: bool = False
    _declared: set[str] = field(default_factory=set)
    _first: list[_Line] = field(default_factory=list)
    _last: deque[_Line] = field(default_factory=lambda: deque(maxlen=KEPT))

    def take(self, text: str) -> None:
        """More of it."""
        if not self._after_label and not may_mark(text):
            self._number += sum(1 for line in text.splitlines() if line and not line.isspace())
            return
        for line in text.splitlines():
            if not line or line.isspace():
                continue
            self._number += 1
            if self._after_label or may_mark(line):
                self._look(line)

    def _look(self, line: str) -> None:
        after_label, self._after_label = self._after_label, False
        plain = plain_line(line)
        if plain.endswith((",", ";", "{", "(")):
            plain = ""  # a line of a program, or of a list
        upper = plain.upper()
        label = LABEL.fullmatch(upper) if plain else None
        if label is not None:
            # The marking is on the next line: a form, or a table that lost its columns.
            self._after_label = label["parted"] is not None or plain[:1].isupper()
            return
        self._look_for_sentence(line)
        whole = WHOLE.fullmatch(upper)
        if whole is not None:
            level = plain[slice(*whole.span("level"))]
            marking = name_of(level)
            # A line of its own, but in small letters: "Restricted" heads a paragraph.
            if in_capitals(level) or after_label or (marking in ANY_CASE and title_case(level)):
                caveat = HAS_CAVEAT.search(upper[whole.end("level") :]) is not None
                self._keep(marking, after_label, caveat, in_capitals(level))
        elif WHOLE_LOWER.fullmatch(upper) and (in_capitals(plain[:8]) or after_label):
            self._keep("", after_label)
        elif (said := labelled(line)) is not None:
            self._keep(next(iter(said), ""), labelled=True, capitals=plain[:1].isupper())
        elif WHOLE_CAVEAT.fullmatch(upper) and in_capitals(plain):
            self._keep("caveat")
        elif self._number <= TOP:
            # "OFFICIAL-SENSITIVE: minutes of ..." as the first line of a message.
            for marking in among(plain, loose=False):
                self._keep(marking)

    def _look_for_sentence(self, line: str) -> None:
        """What a document says of itself. The words are prose: capitals tell the marking."""
        text = BLANKS.sub(" ", line[:4000])
        for declared in DECLARED.finditer(text.upper()):
            level = text[slice(*declared.span("level"))]
            if in_capitals(level):
                self._declared.add(name_of(level))

    def _keep(
        self,
        marking: str,
        labelled: bool = False,
        caveat: bool = False,
        capitals: bool = True,
    ) -> None:
        line = _Line(self._number, marking, labelled, caveat, capitals)
        if len(self._first) < KEPT:
            self._first.append(line)
        else:
            self._last.append(line)

    def markings(self) -> set[str]:
        """What of it is a marking, now that the whole is known."""
        lines = [*self._first, *self._last]
        found = set(self._declared)
        levels = {line.marking for line in lines if line.marking != "caveat"}
        guide = len(levels) > 2  # it is about markings: it has all of them as headings
        own_lower = self.lower_in_margin or any(
            not line.marking and (line.number <= TOP or line.labelled) for line in lines
        )
        repeated = _repeated(lines)
        for place, line in enumerate(lines):
            if not line.marking or _in_list(lines, place):
                continue
            edge = line.number <= TOP or line.number > self._number - BOTTOM
            one_word = line.marking not in ANY_CASE and line.marking != "top-secret"
            if line.labelled:
                # "classification: ..." in small letters is an example, unless it is at the top.
                counts = not guide and (line.capitals or edge)
            elif line.marking == "protect":  # also a heading of the counter-terrorism strategy
                counts = line.caveat and not guide
            elif self._number == 1 and one_word and not line.caveat:
                counts = False  # a value, not a document
            elif edge or guide or own_lower or line.marking == "caveat":
                counts = edge
            else:
                counts = (not one_word and line.capitals) or line.caveat or line.marking in repeated
            if counts:
                found.add(line.marking)
        return found - {"caveat"} if len(found) > 1 else found


def _in_list(lines: list[_Line], place: int) -> bool:
    """Whether a different marking stands beside it: a list of markings, a choice on a form."""
    line = lines[place]
    for other in (*lines[max(0, place - 2) : place], *lines[place + 1 : place + 3]):
        near = abs(other.number - line.number) <= NEIGHBOURS
        if near and other.marking != line.marking and "caveat" not in (other.marking, line.marking):
            return True
    return False


def _repeated(lines: list[_Line]) -> frozenset[str]:
    """Markings that stand at several places apart, as the pages of a text without form repeat."""
    places: Counter[str] = Counter()
    last: dict[str, int] = {}
    for line in _pairwise_apart(lines):
        if line.number - last.get(line.marking, -APART) >= APART:
            places[line.marking] += 1
        last[line.marking] = line.number
    return frozenset(marking for marking, count in places.items() if count > 1)


def _pairwise_apart(lines: list[_Line]) -> Iterator[_Line]:
    """Lines without those that have the same in the line beside them: a column of a table."""
    numbers = {(line.number, line.marking) for line in lines}
    for line in lines:
        if not {(line.number - 1, line.marking), (line.number + 1, line.marking)} & numbers:
            yield line
