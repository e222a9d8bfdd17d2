"""Adblock-style lists, of which the rules for whole names are used.

    ||name^        the name and all below it
    @@||name^      an exception: it wins over the rules above, whichever is more specific
    $important     the rule wins over exceptions that have it not
    $badfilter     takes the same rule without it away
    $all           all kinds of request: what a rule for a name means here anyway

In: a file. Out: entries; everything else counted by what it is.
Must never: widen a rule: one that a modifier narrows (to third parties, to some sites, to one kind
of resource), or that asks for something else than refusing, is not used.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from proxy_addons.categorisation.entries import EntryError, Kind
from proxy_addons.categorisation.formats.base import Entry, entry, numbered, too_long
from proxy_addons.categorisation.report import Problems, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COSMETIC = re.compile(r"#@?[$?%]*@?#|\$@?\$")
_MODIFIER = re.compile(r"~?[a-z0-9_-]{1,40}", re.ASCII)
_NAME = re.compile(r"\|\|([^/^*|$:]+)\^", re.ASCII)
_STRONG = "@@|important"
_UNCHANGED = {"important", "all", "badfilter", "_", ""}


class _Rule(NamedTuple):
    found: Entry
    bad: bool  # $badfilter


def read(path: Path, place: str, problems: Problems) -> Iterator[Entry]:
    """Yields the entries of an Adblock-style list.

    Raises:
        OSError: when the file cannot be read.
    """
    return _entries(path, place, problems, "")


def read_strong(path: Path, place: str) -> Iterator[Entry]:
    """Yields those of its entries that win over others: see ladder.py.

    Raises:
        OSError: when the file cannot be read.
    """
    return _entries(path, place, Problems(), _STRONG)


def _entries(path: Path, place: str, problems: Problems, holding: str) -> Iterator[Entry]:
    taken = {rule.found[:5] for rule in _rules(path, place, Problems(), "badfilter") if rule.bad}
    for rule in _rules(path, place, problems, holding):
        if rule.bad:
            continue
        if rule.found[:5] in taken:
            problems.add(
                place, rule.found.number, f"taken away by $badfilter: {quoted(rule.found.line)}"
            )
        else:
            yield rule.found._replace(place=place)


def _rules(path: Path, place: str, problems: Problems, holding: str) -> Iterator[_Rule]:
    """The rules whose lines an expression finds; most lines are not looked at further."""
    looked_at = re.compile(f"!#|{holding}", re.IGNORECASE)
    conditions = 0
    for number, line in numbered(path):
        if not looked_at.search(line):
            continue
        try:
            too_long(line)
            if line.startswith("!#"):
                conditions = max(0, conditions + _opens(line))
                continue
            if _is_comment(line):
                continue
            yield _rule(line, number, conditional=conditions > 0)
        except EntryError as error:  # this line is not used, and said so
            problems.add(place, number, str(error))


def _is_comment(line: str) -> bool:
    if not line or line[0] == "!" or (line[0] == "[" and line[-1] == "]"):
        return True
    return line[0] == "#" and not _COSMETIC.match(line)


def _opens(line: str) -> int:
    """How many conditions a directive opens.

    Raises:
        EntryError: when it is another directive.
    """
    word = line[2:].split(maxsplit=1)
    if word and word[0] in {"if", "endif"}:
        return 1 if word[0] == "if" else -1
    if word and word[0] == "else":
        return 0
    raise EntryError(f"a directive for other programs: {quoted(line)}")


def _rule(line: str, number: int, *, conditional: bool) -> _Rule:
    if conditional:
        raise EntryError(f"inside !#if, for some programs only: {quoted(line)}")
    if _COSMETIC.search(line):
        raise EntryError(f"a cosmetic rule, which hides parts of a page: {quoted(line)}")
    excepts = line.startswith("@@")
    body = line[2:] if excepts else line
    if body.startswith("/"):
        raise EntryError(f"a rule for a path or by an expression: {quoted(line)}")
    pattern, _, options = body.partition("$")
    modifiers = [each.strip().lower() for each in options.split(",")]
    name = _NAME.fullmatch(pattern)
    if name is None:
        raise EntryError(f"{_why_not(pattern)}: {quoted(line)}")
    for modifier in modifiers:
        if modifier not in _UNCHANGED:
            known = _MODIFIER.match(modifier)
            raise EntryError(
                f"the modifier ${known[0] if known else '?'} narrows or changes it: {quoted(line)}"
            )
    found = entry(Kind.DOMAINS, name[1], number, excepts=excepts, strong="important" in modifiers)
    return _Rule(found, "badfilter" in modifiers)


def _why_not(pattern: str) -> str:
    if "*" in pattern:
        return "a rule with a wildcard"
    if not pattern.startswith("||"):
        if pattern.startswith("|") or "/" in pattern:
            return "a rule for an address, not for a name"
        return "no rule for a name, which is ||name^"
    if "/" in pattern:
        return "a rule for a path or by an expression"
    if "^" not in pattern:
        return "without ^ it would match longer names too"
    return "a rule for part of a site"
