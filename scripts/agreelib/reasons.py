"""Why squidGuard and ours differ on a line.

In: lines on which they differ, the lists. Out: a reason for each, where one can be shown.
Must never: take a reason for granted: each is looked for in the address, in the lists, or by asking
squidGuard about the same address in its plain spelling.

squidGuard's look-up (sgDb.c) takes the entry after the address in the order of the list, and then
the one before that. Where the address is between two longer entries that begin alike, the shorter
one that is meant is not looked at. And where the entry after a name begins it (`a.example` the name
`a.examplea`) it takes that for found.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from proxy_addons.categorisation import CategoryIndex, Kind
from proxy_addons.urlkey import UrlKey, UrlKeyError, url_key
from proxy_addons.urlkey.carriers import CarriedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from agreelib.lines import Line
    from proxy_addons.urlkey.carriers import Carriers

IPV6: Final = "an IPv6 address: squidGuard's in-addr knows IPv4 only"
FRAGMENT: Final = "a fragment (#), which no browser sends: refused"
NO_MEANING: Final = "no single meaning (such as x.10.0.0.1): refused"
SPELT: Final = (
    "an address in another spelling (hexadecimal, one number): squidGuard takes it for a name"
)
SPELLING: Final = "dot segments, escapes or slashes: squidGuard agrees on the plain spelling"
NEAREST: Final = "squidGuard misses an entry of its list that has longer neighbours"
ENTRY: Final = "an entry with escapes or //, which squidGuard never finds"
DOT: Final = "a segment that ends in a dot: squidGuard drops ./ wherever it stands"
FRONT: Final = "squidGuard takes a listed name for found at the beginning of another name"
INSIDE: Final = "an address inside the address is judged too"
NONE: Final = "UNEXPLAINED"

_DOT_AT_END: Final = re.compile(r"[^/.]\./")
_COMMON: Final = re.compile(r"\A(?:www|web|ftp)[0-9]*\.")


class Reasons:
    """Looks for reasons.

    Args:
        lists: the lists.
        index: ours, of the same lists.
        carriers: sites that show others under their own name.
    """

    def __init__(self, lists: Path, index: CategoryIndex, carriers: Carriers) -> None:
        self._index, self._carriers = index, carriers
        self._urls = {path.parent.name: _sorted(path) for path in sorted(lists.glob("*/urls"))}
        self._names = {
            path.parent.name: sorted(map(_turned, _sorted(path)))
            for path in sorted(lists.glob("*/domains"))
        }

    def of(
        self, differing: Sequence[tuple[Line, bool]], ask: Callable[[list[str]], list[bool]]
    ) -> list[str]:
        """A reason for each.

        Args:
            differing: lines, and whether ours refuses.
            ask: whether squidGuard refuses, for lines.
        """
        found = [self._seen(line.text.split()[0], ours=ours) for line, ours in differing]
        open_ = [place for place, reason in enumerate(found) if reason is None]
        plain = [self._plain(differing[place][0]) for place in open_]
        for place, refuses in zip(open_, ask(plain), strict=True):
            line, ours = differing[place]
            if refuses == ours:
                found[place] = SPELLING
            else:
                key = url_key(_web(line.text.split()[0]))
                found[place] = self._of_lists(key) if ours else self._at_front(key.host)
        return [reason or NONE for reason in found]

    def _seen(self, url: str, *, ours: bool) -> str | None:
        """What the address itself shows."""
        if "#" in url:
            return FRAGMENT
        try:
            key = url_key(_web(url))
        except UrlKeyError:
            return NO_MEANING if ours else None
        if ":" in key.host:
            return IPV6
        try:
            if ours and self._carriers.inside(key):
                return INSIDE
        except CarriedError:
            return INSIDE  # one that cannot be read: refused
        written = _web(url).split("/")[2].rpartition("@")[2].partition(":")[0]
        return SPELT if key.is_address and written != key.host else None

    @staticmethod
    def _plain(line: Line) -> str:
        url, rest = line.text.split(" ", 1)
        try:
            key = url_key(_web(url))
        except UrlKeyError:
            return line.text  # nothing plainer is known
        path = re.sub(r"//+", "/", key.path)
        return f"{key._replace(path=path)} {rest}"

    def _at_front(self, host: str) -> str | None:
        """Whether the entry after a name, as squidGuard orders them, is how the name begins."""
        text = _turned(host)
        for names in self._names.values():
            place = bisect_left(names, text)
            if place < len(names) and f".{host}".startswith(_turned_back(names[place])):
                return FRONT
        return None

    def _of_lists(self, key: UrlKey) -> str | None:
        """What the entries show that ours finds."""
        if _DOT_AT_END.search(key.path):
            return DOT
        for match in self._index.explain(key):
            if match.kind is Kind.DOMAINS:
                if not _finds(self._names[match.category], _turned(key.host)):
                    return NEAREST
                continue
            if match.kind is not Kind.URLS:
                continue
            entries = self._urls[match.category]
            if match.entry not in entries:
                return ENTRY  # it is written otherwise in the list
            path = re.sub(r"//+", "/", unquote(key.path)).lower()
            text = _COMMON.sub("", key.host, count=1) + path
            text += f"?{key.query.lower()}" if key.query else ""
            if not _finds(entries, text) and not _finds(entries, key.host + text[text.find("/") :]):
                return NEAREST
            if "%" in match.entry:
                return ENTRY
        return None


def _finds(entries: list[str], text: str) -> bool:
    """What squidGuard's look-up says."""
    place = bisect_left(entries, text)
    if place < len(entries) and entries[place] == text:
        return True
    if place == 0:
        return False
    before = entries[place - 1]
    if not text.startswith(before):
        return False
    return place == len(entries) or not entries[place].startswith(before)


def _turned(name: str) -> str:
    """A name as squidGuard orders names: from its end, a dot before all else."""
    return f".{name}"[::-1].replace(".", "\1")


def _turned_back(turned: str) -> str:
    return turned.replace("\1", ".")[::-1]


def _sorted(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return sorted({line.strip().lower() for line in lines if line.strip()})


def _web(url: str) -> str:
    """The address as one of the Web: CONNECT's and FTP's too."""
    if "://" not in url:
        return f"https://{url}/"
    return f"http{url[3:]}" if url.startswith("ftp://") else url
