"""Regular expressions over URLs, in time linear in the URL (RE2).

In: patterns; texts. Out: which patterns match.
Must never: answer "none" because the matcher gave up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import re2

if TYPE_CHECKING:
    from collections.abc import Sequence

_MEMORY = 64 << 20  # octets for one automaton, shared by all expressions of a worker
_SAID_AT_MOST = 100  # characters of what RE2 says of a pattern
_NOT_PLAIN = re.compile(r"[^ -~]")
_ANCHORS = ("^", r"\A", r"\b", r"\B")
_RANGE = 16  # octets that a range tells texts apart by
_ATOM = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:[a-z^]+:\]|[^\]\\])*\]|.", re.DOTALL)


def _options() -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _MEMORY
    return options


def problem_of(pattern: str) -> str | None:
    """Says why RE2 cannot take a pattern, or None when it can."""
    try:
        re2.compile(pattern.encode("utf-8", "surrogateescape"), _options())
    except re2.error as error:
        why = error.args[0] if error.args else b"?"
        text = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        # RE2 repeats a piece of the pattern: nothing in it may reach a terminal as it is.
        return _NOT_PLAIN.sub(lambda found: ascii(found[0])[1:-1], text[:_SAID_AT_MOST])
    return None


class ExpressionSet:
    """Patterns that are searched together, without regard to case.

    Raises:
        ValueError: when a pattern, or all of them together, cannot be compiled.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [pattern.encode("utf-8", "surrogateescape") for pattern in patterns]
        anchored = [
            number
            for number, pattern in enumerate(patterns)
            if any(anchor in pattern for anchor in _ANCHORS)
        ]
        self._all = _Matcher(self._patterns, range(len(patterns)))
        self._anchored = _Matcher(self._patterns, anchored) if anchored else None
        self._range = _range([patterns[number] for number in anchored])

    def __len__(self) -> int:
        return len(self._patterns)

    def matching(self, text: str, skip: int) -> list[int]:
        """Gives the numbers of the patterns found in a text, or in what is left of it.

        Args:
            text: ASCII.
            skip: characters to leave out for the second search, 0 for none: squidGuard's anchored
                expressions expect a host without its `www`. Only patterns that look at where the
                text begins can match there and nowhere in the whole.
        """
        octets = text.encode("ascii")
        found = self._all.matching(octets)
        if skip and self._anchored:
            rest = octets[skip:]
            if self._range is None or self._range[0] <= rest[:_RANGE] <= self._range[1]:
                return sorted({*found, *self._anchored.matching(rest)})
        return found


def _range(patterns: Sequence[str]) -> tuple[bytes, bytes] | None:
    """Least and greatest of the texts that any of some patterns can match.

    None when they cannot be told so: then any text may match.
    """
    found = []
    for pattern in patterns:
        if not _is_fixed(pattern):
            return None
        try:
            matcher = re2.compile(pattern.encode("utf-8", "surrogateescape"), _options())
            least, most = matcher.possiblematchrange(_RANGE)
        except re2.error:  # it cannot say; the set says whether the pattern is one at all
            return None
        # RE2's greatest text may be cut where a match may end: whatever begins with it counts.
        found.append((least, most.ljust(_RANGE, b"\xff")))
    return (min(least for least, _ in found), max(most for _, most in found)) if found else None


def _is_fixed(pattern: str) -> bool:
    """Whether a pattern matches at the beginning of a text or not at all. May say no in doubt."""
    if not pattern.startswith("^") or pattern[1:2] in {"*", "?", "+", "{"} or r"\Q" in pattern:
        return False
    depth = 0
    for atom in _ATOM.findall(pattern):
        depth += (atom == "(") - (atom == ")")
        if atom == "|" and depth == 0:
            return False
    return True


class _Matcher:
    """A `re2.Set` whose "no match" can be told from "out of memory"."""

    def __init__(self, patterns: Sequence[bytes], numbers: Sequence[int]) -> None:
        self._patterns = patterns
        self._numbers = numbers
        self._set = re2.Set.SearchSet(_options())
        try:
            for number in numbers:
                self._set.Add(patterns[number])
            # Matches every text: a result without it is a matcher that gave up, not a miss.
            self._sentinel = self._set.Add(b"")
            self._nothing = [self._sentinel]
            self._set.Compile()
        except re2.error as error:
            raise ValueError(f"the expressions cannot be compiled together: {error}") from error

    def matching(self, text: bytes) -> list[int]:
        found = self._set.Match(text)
        if found == self._nothing:
            return []
        if not found or self._sentinel not in found:
            return self._one_by_one(text)
        return sorted(self._numbers[place] for place in found if place != self._sentinel)

    def _one_by_one(self, text: bytes) -> list[int]:
        """The slow way: a single RE2 falls back to an automaton that needs no cache."""
        return [
            number
            for number in self._numbers
            if re2.search(self._patterns[number], text, _options())
        ]
