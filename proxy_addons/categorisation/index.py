"""The category index as workers use it: which categories does an address have?

In: an index file; a URL key. Out: categories, or which entries they come from.
Must never: answer from a damaged file (indexfile.py refuses it), print, or read a clock.

Local overrides win: where a local entry matches, the categories are those of the most specific
local entry alone. A URL entry is more specific than a host, a host than a name, a longer one than a
shorter one, any of them more than an expression. Otherwise the categories are the union over all
entries that match, but for those that the list itself excepts: of the entries that a list has in a
category the most specific decides, and its exception before its entry. An exception by expression
stands above all entries of its list and category.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from proxy_addons.categorisation.entries import (
    EXACT,
    Kind,
    expression_text,
    readable,
    request_text,
    reversed_name,
    without_common_label,
)
from proxy_addons.categorisation.expressions import ExpressionSet
from proxy_addons.categorisation.indexfile import identity_of, open_index
from proxy_addons.categorisation.report import CategoryIndexError
from proxy_addons.categorisation.resolve import (
    categories_of,
    category_set,
    most_specific_local,
    standing,
)
from proxy_addons.categorisation.tree import LOCAL
from proxy_addons.urlkey.texts import key_host_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from proxy_addons.urlkey import UrlKey

_NONE: frozenset[str] = frozenset()
_UNIONS_KEPT = 4096
_HOSTS_KEPT = 16_384
_SEEN: Literal[False] = False
_COMMON_LABEL = re.compile(r"(?:www|web|ftp)[0-9]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Match:
    """One entry that matches an address, for people.

    Attributes:
        source: the list: `starter`, `local` or the name of an import.
        category: the category that the list files the entry under.
        kind: domain name (or address), URL or expression.
        entry: the entry in canonical form.
        counts: whether it decides: False where a local entry or an exception overrides it.
        excepts: it is an exception: the address is not in the category by this list.
    """

    source: str
    category: str
    kind: Kind
    entry: str
    counts: bool
    excepts: bool = False


class CategoryIndex:
    """An open index. Immutable: when the file is replaced, open it anew (`replaced`).

    Attributes:
        path: where it was opened.
        version: short id of the lists' content, as logged.
        built: when it was compiled (aware, UTC).
        counts: entries by category.
        counts_by_kind: entries by category and kind of entry.
        categories: all categories that an address can have.
        sources: the lists that fill each category.
        descriptions: one line for each category that has one.
        fingerprint: of the sources, see `sources.fingerprint`.
        entries: distinct names, addresses and URLs.
        skipped: lines and files that the compiler could not use.
        skipped_first: the first of them.
        size: octets of the file.
    """

    def __init__(self, path: Path) -> None:
        opened = open_index(path)
        self.path = path
        self.size = opened.size
        self._identity = opened.identity
        self._trie = opened.trie
        self._values = opened.values
        self._unions: dict[tuple[int, ...], frozenset[str]] = {}
        # Of hosts whose every path has the same: most of them, asked about again and again. Nothing
        # for those whose paths differ; _SEEN for those asked about once, as finding out costs more
        # than one answer does.
        self._of_hosts: dict[str, tuple[frozenset[str]] | tuple[()] | Literal[False]] = {}
        try:
            self._read(opened.meta)
        except (KeyError, TypeError, ValueError, IndexError) as error:  # the caller refuses traffic
            raise CategoryIndexError(
                f"{path}: damaged (metadata: {error!r}); "
                "make it anew with: watchhouse categories compile"
            ) from error

    @classmethod
    def open(cls, path: Path) -> CategoryIndex:
        """Opens and verifies an index file.

        Raises:
            CategoryIndexError: when it is missing, cut short, damaged, foreign or of another
                format. The message names the file and what to do.
        """
        return cls(path)

    def _read(self, meta: dict[str, Any]) -> None:
        self.version = str(meta["version"])
        self.built = datetime.fromisoformat(meta["built"])
        self.fingerprint = str(meta["fingerprint"])
        self.counts_by_kind: Mapping[str, Mapping[str, int]] = MappingProxyType(meta["counts"])
        self.counts: Mapping[str, int] = MappingProxyType(
            {category: sum(kinds.values()) for category, kinds in meta["counts"].items()}
        )
        self.categories = frozenset(self.counts)
        self.descriptions: Mapping[str, str] = MappingProxyType(meta["descriptions"])
        self.entries = len(self._values)
        self.skipped = int(meta["skipped"])
        self.skipped_first = tuple(meta["skipped_first"])
        labels = [
            (str(source), str(category), bool(excepts))
            for source, category, excepts in meta["labels"]
        ]
        sources: dict[str, list[str]] = {}
        for source, category, excepts in labels:
            if not excepts:
                sources.setdefault(category, []).append(source)
        self.sources: Mapping[str, Sequence[str]] = MappingProxyType(sources)
        # Number 0 is never used; it stands here as an empty set so that numbers are places.
        self._sets = [category_set(Kind.DOMAINS, ())] + [
            category_set(Kind(kind), [labels[place] for place in places])
            for kind, places in meta["sets"][1:]
        ]
        self._has_hosts = any(item.kind is Kind.HOSTS for item in self._sets)
        patterns = [pattern for pattern, _ in meta["expressions"]]
        self._patterns = patterns
        self._pattern_sets = [
            category_set(Kind.EXPRESSIONS, [labels[place] for place in places])
            for _, places in meta["expressions"]
        ]
        self._expressions = ExpressionSet(patterns) if patterns else None

    def lookup(self, key: UrlKey) -> frozenset[str]:
        """Gives the categories of an address; empty when no list knows it.

        Args:
            key: where its path is empty (CONNECT, SNI), entries that need a path do not match.
        """
        host = key.host
        known = self._of_hosts.get(host)
        expressions = self._expressions
        if known and expressions is None:
            return known[0]
        bare = host if key.is_address else without_common_label(host)
        found = expressions and expressions.matching(expression_text(key), len(host) - len(bare))
        if known and not found:
            return known[0]
        values = self._values
        text = request_text(key, bare)
        hits = [values[number] for _, number in self._trie.iter_prefixes_with_ids(text)]
        own = text[: text.index("/")]
        if bare != host:
            own = reversed_name(host)
            if (number := self._trie.get(own)) is not None:
                hits.append(values[number])
        if self._has_hosts and (number := self._trie.get(own + EXACT)) is not None:
            hits.append(values[number])
        categories = self._union(tuple(hits))
        if known is None:
            if len(self._of_hosts) >= _HOSTS_KEPT:
                self._of_hosts.clear()
            self._of_hosts[host] = _SEEN
        elif known is _SEEN:
            apart = self._tells_paths_apart(text[: text.index("/") + 1])
            self._of_hosts[host] = () if apart else (categories,)
        if not found:
            return categories
        sets = [self._sets[hit] for hit in hits]
        return categories_of(sets, [self._pattern_sets[number] for number in found])

    def lookup_plain(self, labels: list[str], target: str) -> frozenset[str]:
        """As `lookup`, for an address that is as it should be: a shorter way without its key.

        Args:
            labels: of the host, which is a name and no address, in canonical spelling.
            target: path and query, canonical, without `%` and `//`.
        """
        first, values = labels[0], self._values
        common = first[0] in "wf" and len(labels) > 2 and _COMMON_LABEL.fullmatch(first) is not None
        bare = labels[:0:-1] if common else labels[::-1]
        text = f"{'.'.join(bare)}.{target.lower()}"
        hits = tuple([values[number] for _, number in self._trie.iter_prefixes_with_ids(text)])
        if common:
            own = f"{'.'.join(labels[::-1])}."
            if (number := self._trie.get(own)) is not None:
                hits = (*hits, values[number])
        if self._has_hosts:
            own = own if common else text[: len(text) - len(target)]
            if (number := self._trie.get(own + EXACT)) is not None:
                hits = (*hits, values[number])
        if self._expressions is None:
            known = self._unions.get(hits) if hits else _NONE
            return self._union(hits) if known is None else known
        host = ".".join(labels)
        skip = len(first) + 1 if common else 0
        found = self._expressions.matching(host + target, skip)
        if not found:
            return self._union(hits)
        sets = [self._sets[hit] for hit in hits]
        return categories_of(sets, [self._pattern_sets[number] for number in found])

    def _tells_paths_apart(self, root: str) -> bool:
        """Whether any entry is for a part of a host only.

        Args:
            root: the index text of the host's root.
        """
        return any(entry != root for entry in islice(self._trie.iterkeys(root), 2))

    def _union(self, hits: tuple[int, ...]) -> frozenset[str]:
        if not hits:
            return _NONE
        known = self._unions.get(hits)
        if known is None:
            if len(self._unions) >= _UNIONS_KEPT:
                self._unions.clear()
            known = self._unions[hits] = categories_of([self._sets[hit] for hit in hits], ())
        return known

    def explain(self, key: UrlKey) -> tuple[Match, ...]:
        """Gives every entry that matches an address, and whether it counts."""
        host = key.host
        bare = host if key.is_address else without_common_label(host)
        hits = [
            (entry, self._sets[self._values[number]])
            for entry, number in self._trie.iter_prefixes_with_ids(request_text(key, bare))
        ]
        own = key_host_text(key)
        hits += [
            (text, self._sets[self._values[number]])
            for text in ((own, own + EXACT) if bare != host else (own + EXACT,))
            if (number := self._trie.get(text)) is not None
        ]
        numbers: list[int] = []
        if self._expressions is not None:
            numbers = self._expressions.matching(expression_text(key), len(host) - len(bare))
        sets = [item for _, item in hits]
        of_expressions = [self._pattern_sets[number] for number in numbers]
        stands = standing(sets, of_expressions)
        deciding = most_specific_local(sets)
        local = any(item.local is not None for item in (*sets, *of_expressions))
        found = [
            *((readable(entry), item, place) for place, (entry, item) in enumerate(hits)),
            *(
                (self._patterns[number], item, None)
                for number, item in zip(numbers, of_expressions, strict=True)
            ),
        ]

        def counts(label: tuple[str, str], place: int | None, *, excepts: bool) -> bool:
            if local:
                return label[0] == LOCAL and place == deciding
            return stands[label] is not excepts

        return tuple(
            Match(
                label[0], label[1], item.kind, entry, counts(label, place, excepts=excepts), excepts
            )
            for entry, item, place in found
            for labels, excepts in ((item.labels, False), (item.excepted, True))
            for label in labels
        )

    def replaced(self) -> bool:
        """Whether another file stands where this one was opened: then open it anew.

        False while none stands there: the index that is open stays good.
        """
        return identity_of(self.path) not in (None, self._identity)
