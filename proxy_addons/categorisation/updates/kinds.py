"""Kinds of value of `sources.yaml`: addresses, shares, sizes, lengths of time.

In: a node of the file. Out: a plain value, or None with the problem reported.
Must never: contact anything; take an address that carries credentials (it would be shown).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from proxy_addons.categorisation.tree import LOCAL, STARTER, is_valid_name
from proxy_addons.settings.kinds import text_of
from proxy_addons.settings.problems import quoted

if TYPE_CHECKING:
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node

HTTP: Final = frozenset({"http", "https"})
_SHARE = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,2})?) ?%", re.ASCII)
_SIZE = re.compile(r"([1-9][0-9]{0,5}) ?(KiB|MiB|GiB)", re.ASCII)
_TIME = re.compile(r"([1-9][0-9]{0,3}) ?(s|min|h|d)", re.ASCII)
_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_DIGEST = re.compile(r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})", re.ASCII)
_UNITS: Final = {
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "s": 1,
    "min": 60,
    "h": 3600,
    "d": 86400,
}


def web_address(text: str) -> SplitResult | None:
    """An http(s) address with a host, without credentials and fragment; None when it is none."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port  # port: ValueError for one that is none
    except ValueError:
        return None  # the caller says what is wanted
    clean = not parts.fragment and "@" not in parts.netloc and text.isprintable()
    return parts if parts.scheme in HTTP and host and clean and " " not in text else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is fetched from: an http(s) address, or a path (`file://` or plain)."""

    wanted: str = "http(s)://host/path without a password, file:///path, or an absolute path"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`. A `file://` address becomes its path."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        if "@" in text:  # not repeated: it may be a password
            report.add(node.place, key, f"holds credentials; wanted {self.wanted}")
            return None
        if (parts := web_address(text)) is not None:
            return parts.scheme + text[len(parts.scheme) :]  # HTTPS:// is https://
        path = text.removeprefix("file://")
        if path.startswith("/") and path.isprintable():
            return path
        report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
        return None


@dataclass(frozen=True, slots=True)
class Checksum:
    """A pinned digest, or where a file of digests is."""

    wanted: str = "sha256:<64 hex digits>, sha512:<128>, or the place of a file of checksums"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None or _DIGEST.fullmatch(text):
            return text
        if text.startswith(("sha256:", "sha512:")):
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        return Place(self.wanted).read(node, key, report)


@dataclass(frozen=True, slots=True)
class WebProxy:
    """A proxy to fetch through."""

    wanted: str = "http://host:port, or direct for none"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None or text == "direct":
            return text
        parts = web_address(text)
        if parts is not None and parts.path in {"", "/"} and not parts.query:
            return text
        report.add(node.place, key, f"is no address of a proxy; wanted {self.wanted}")
        return None


@dataclass(frozen=True, slots=True)
class ListName:
    """The name of a list that is imported."""

    wanted: str = f"lower-case letters, digits, - and _, not {STARTER} or {LOCAL}"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is not None and (not is_valid_name(text) or text in {STARTER, LOCAL}):
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        return text


@dataclass(frozen=True, slots=True)
class Share:
    """A share, as a fraction: 0.2 for 20%."""

    wanted: str = "a share such as 20%"

    def read(self, node: Node, key: str, report: Report) -> float | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        found = _SHARE.fullmatch(text)
        if found is None:
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        return float(found[1]) / 100


@dataclass(frozen=True, slots=True)
class _WithUnit:
    """A whole number of units, within bounds, both included."""

    form: re.Pattern[str]
    first: int
    last: int
    wanted: str

    def read(self, node: Node, key: str, report: Report) -> int | None:
        """See `Kind.read`. In octets or seconds."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        found = self.form.fullmatch(text)
        amount = int(found[1]) * _UNITS[found[2]] if found else -1
        if not self.first <= amount <= self.last:
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        return amount


SIZE: Final = _WithUnit(_SIZE, 1 << 10, 1 << 30, "a size from 1 KiB to 1 GiB, such as 200 MiB")
TIMEOUT: Final = _WithUnit(_TIME, 1, 3600, "a time from 1 s to 1 h, such as 5 min")
EVERY: Final = _WithUnit(_TIME, 300, 31 * 86400, "a time from 5 min to 31 d, such as 24 h")


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of the day in UTC, as minutes since midnight; over midnight where the end is less."""

    wanted: str = 'hours in UTC such as "20:00-06:00"'

    def read(self, node: Node, key: str, report: Report) -> tuple[int, int] | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        found = _HOURS.fullmatch(text)
        if found is None or text[:5] == text[6:]:
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        first, first_minute, last, last_minute = map(int, found.groups())
        return first * 60 + first_minute, last * 60 + last_minute
