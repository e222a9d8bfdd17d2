"""Entries of category lists as index texts, and requests as the texts that they are looked up by.

In: one line of a `domains`, `urls` or `expressions` file; or a URL key.
Out: a text of one key space, in which an entry matches a request exactly when the entry's text is a
prefix of the request's text:

    domain   example.com        com.example.
    address  192.0.2.1          [192.0.2.1].
    URL      example.com/a?b    com.example./a?b

Labels are reversed and each ends in a dot, so that a prefix ends between labels: a name covers its
subdomains and never `badexample.com`. The `/` after the last dot pins a URL entry to its host.
Must never: widen an entry. What cannot match as it is meant is an `EntryError`.

Semantics are squidGuard's (research: its manual and sgDb.c): paths match as prefixes of text, case
folded; a leading `www`, `web` or `ftp` with digits is dropped from the host of URL entries and of
requests. Two deliberate differences: duplicate slashes and needless percent-encoding do not hide a
path, and the prefix is not dropped where only a top-level domain would be left.
"""

from __future__ import annotations

import re
from enum import StrEnum

from proxy_addons.categorisation.expressions import problem_of
from proxy_addons.categorisation.lines import MAX_LINE
from proxy_addons.categorisation.report import quoted
from proxy_addons.urlkey import UrlKeyError, is_canonical_name
from proxy_addons.urlkey.texts import (
    expression_text,
    host_text,
    prefix_text,
    request_text,
    reversed_name,
    without_common_label,
)

__all__ = [
    "MAX_EXPRESSION",
    "PARSERS",
    "EntryError",
    "Kind",
    "domain_entry",
    "expression_entry",
    "expression_text",
    "readable",
    "request_text",
    "reversed_name",
    "url_entry",
    "without_common_label",
]

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE | re.ASCII)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

MAX_EXPRESSION = 4096  # characters


class Kind(StrEnum):
    """What the lines of a list file are; also the file's name."""

    DOMAINS = "domains"
    URLS = "urls"
    EXPRESSIONS = "expressions"


class EntryError(ValueError):
    """The line cannot be used. It is counted and reported; the rest of the list stands."""


def domain_entry(line: str) -> str | None:
    """Gives the index text of a line of a `domains` file; None for a blank line or comment.

    Raises:
        EntryError: when the line is no name or address.
    """
    if is_canonical_name(line):
        return reversed_name(line)
    name = _entry(line)
    if name is None:
        return None
    name = name.removeprefix(".")
    if name.startswith("*"):
        raise EntryError("a name covers its subdomains: leave out the *")
    if _SCHEME.match(name):
        raise EntryError("a name stands without scheme: write the host alone")
    if "/" in name:
        raise EntryError("an entry with a path belongs in the file urls")
    return _host_text(name)


def url_entry(line: str) -> str | None:
    """Gives the index text of a line of a `urls` file; None for a blank line or comment.

    Raises:
        EntryError: when the line is no host and path.
    """
    entry = _entry(line)
    if entry is None:
        return None
    try:
        return prefix_text(entry)
    except UrlKeyError as error:
        raise EntryError(str(error)) from None


def expression_entry(line: str) -> str | None:
    r"""Gives the RE2 pattern of a line of an `expressions` file; None for a blank line or comment.

    The word boundaries `\<` and `\>` of GNU regular expressions become `\b`: RE2 would take them
    for literals.

    Raises:
        EntryError: when RE2 cannot take it, or it is longer than any sensible expression.
    """
    pattern = line.strip()
    if not pattern or pattern.startswith("#"):
        return None
    if len(pattern) > MAX_EXPRESSION:
        raise EntryError(f"the expression is longer than {MAX_EXPRESSION} characters: split it")
    pattern = _ESCAPED.sub(lambda found: r"\b" if found[1] in "<>" else found[0], pattern)
    why = problem_of(pattern)
    if why is not None:
        raise EntryError(f"not an expression that RE2 takes: {why}: {quoted(pattern)}")
    return pattern


PARSERS = {Kind.DOMAINS: domain_entry, Kind.URLS: url_entry, Kind.EXPRESSIONS: expression_entry}


def readable(text: str) -> str:
    """Gives the entry that an index text stands for: `example.com/a` for `com.example./a`."""
    host, slash, rest = text.partition("/")
    if host.startswith("["):
        return host[1:-2] + slash + rest
    return ".".join(host[:-1].split(".")[::-1]) + slash + rest


def _entry(line: str) -> str | None:
    """The one entry of a line: `#` begins a comment at the start and after white space."""
    if len(line) > MAX_LINE:
        raise EntryError(f"the line is longer than {MAX_LINE} octets")
    words = line.split(maxsplit=1)
    if not words or words[0].startswith("#"):
        return None
    if len(words) > 1 and not words[1].startswith("#"):
        raise EntryError(f"more than one entry on a line: {quoted(line.strip())}")
    return words[0]


def _host_text(host: str) -> str:
    try:
        return host_text(host)
    except UrlKeyError as error:
        raise EntryError(f"not a host: {error}") from None
