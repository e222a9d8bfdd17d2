"""`categories/sources.yaml`: where lists are fetched from, and what is asked of them.

In: the file. Out: the sources in their order, or every problem with file, line, key and the fix.
Must never: go on with half a file, or guess what was meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.categorisation.formats import Format
from proxy_addons.categorisation.updates.kinds import (
    EVERY,
    SIZE,
    TIMEOUT,
    Checksum,
    Hours,
    ListName,
    Place,
    Share,
    WebProxy,
)
from proxy_addons.categorisation.updates.minisign import PublicKey
from proxy_addons.settings.kinds import Choice, Fields, Flag, ListOf, Pattern, Text, Whole
from proxy_addons.settings.problems import Report, SettingsError, nearest, quoted
from proxy_addons.settings.tree import read

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from proxy_addons.settings.tree import Node

SOURCES_FILE: Final = "sources.yaml"
MIB: Final = 1 << 20
_CATEGORY = Pattern(r"[a-z0-9][a-z0-9_-]{0,63}", "a category such as malware")


@dataclass(frozen=True, slots=True)
class HoldBack:
    """How far a version may differ from the one in force without somebody's word.

    Attributes:
        loses: share of the entries in force that may be missing, of the list or any category.
        gains: share that may be new, of the same.
        least: differences of fewer entries than this are never held back (a category of three
            entries that loses one has lost a third).
    """

    loses: float = 0.20
    gains: float = 0.50
    least: int = 50


@dataclass(frozen=True, slots=True)
class Source:
    """One list and where it comes from.

    Attributes:
        name: of the list.
        url: an http(s) address, or an absolute path.
        enabled: whether `update` without names takes it.
        format: how it is written.
        category: what its entries are, for formats that have no categories.
        very_restrictive: whether the expressions that UT1 calls so are taken.
        checksum: `sha256:…`, `sha512:…`, or where a file of checksums is; None: none.
        signature: where a minisign signature is; None: none.
        public_key: the minisign key that signs it.
        max_size: octets that are fetched at most.
        timeout: seconds that a fetch may take in all.
        proxy: to fetch through; `direct`: none; None: that of the environment.
        ca_file: certificate authorities that are trusted instead of the system's.
        every: seconds after which it is due again.
        between: hours in UTC, minutes since midnight, in which it falls due; None: at any time.
        hold_back: see there.
    """

    name: str
    url: str
    enabled: bool = True
    format: Format = Format.AUTO
    category: str | None = None
    very_restrictive: bool = False
    checksum: str | None = None
    signature: str | None = None
    public_key: PublicKey | None = None
    max_size: int = 200 * MIB
    timeout: int = 600
    proxy: str | None = None
    ca_file: str | None = None
    every: int = 86400
    between: tuple[int, int] | None = None
    hold_back: HoldBack = HoldBack()


@dataclass(frozen=True, slots=True)
class Sources:
    """What the file says.

    Attributes:
        keep: versions of each list that are kept, the one in force included.
        sources: in the order of the file; names are unique.
    """

    keep: int
    sources: tuple[Source, ...]

    def named(self, names: Iterable[str]) -> tuple[Source, ...]:
        """The sources of these names; all that are enabled when no name is given.

        Raises:
            KeyError: there is none of that name; the text says so, with the nearest.
        """
        wanted = list(dict.fromkeys(names))
        by_name = {source.name: source for source in self.sources}
        for name in wanted:
            if name not in by_name:
                raise KeyError(f"no source {quoted(name)}{nearest(name, by_name)}")
        if not wanted:
            return tuple(source for source in self.sources if source.enabled)
        return tuple(by_name[name] for name in wanted)


def read_sources_file(path: Path) -> Sources:
    """Reads the file.

    Raises:
        SettingsError: it is missing or wrong; every problem is listed.
    """
    report = Report()
    try:
        data = path.read_bytes()
    except OSError as error:  # nothing is fetched
        report.add(str(path), "", f"cannot be read: {error.strerror}; docs/categories.md shows one")
        raise SettingsError(report.problems) from error
    root = read(data, str(path), report)
    report.raise_if_any()
    assert root is not None, "`read` reports why there is none"
    fields = Fields(root, "", report, "a table of keys")
    fields.need("version", Whole(1, 1), 1)
    keep = fields.take("keep", Whole(2, 100), 5)
    sources = fields.need("sources", ListOf(_SourceKind()), ())
    fields.done()
    seen: set[str] = set()
    for source in sources:
        if source.name in seen:
            message = f"two sources are called {quoted(source.name)}; give each a name of its own"
            report.add(str(path), "sources", message)
        seen.add(source.name)
    report.raise_if_any()
    return Sources(keep, sources)


@dataclass(frozen=True, slots=True)
class _SourceKind:
    wanted: str = "a table with at least the keys name and url"

    def read(self, node: Node, key: str, report: Report) -> Source | None:
        fields = Fields(node, key, report, self.wanted)
        plain = Source("", "")
        source = Source(
            name=fields.need("name", ListName(), ""),
            url=fields.need("url", Place(), ""),
            enabled=fields.take("enabled", Flag(), plain.enabled),
            format=Format(fields.take("format", Choice(tuple(Format)), Format.AUTO)),
            category=fields.take("category", _CATEGORY, None),
            very_restrictive=fields.take("very_restrictive", Flag(), plain.very_restrictive),
            checksum=fields.take("checksum", Checksum(), None),
            signature=fields.take("signature", Place(), None),
            public_key=fields.take("public_key", _KeyKind(), None),
            max_size=fields.take("max_size", SIZE, plain.max_size),
            timeout=fields.take("timeout", TIMEOUT, plain.timeout),
            proxy=fields.take("proxy", WebProxy(), None),
            ca_file=fields.take("ca_file", _PATH, None),
            every=fields.take("every", EVERY, plain.every),
            between=fields.take("between", Hours(), None),
            hold_back=fields.take("hold_back", _HoldBackKind(), plain.hold_back),
        )
        fields.done()
        if (source.signature is None) != (source.public_key is None):
            report.add(node.place, key, "signature and public_key go together: give both or none")
        return source


@dataclass(frozen=True, slots=True)
class _HoldBackKind:
    wanted: str = "a table with the keys loses, gains and least"

    def read(self, node: Node, key: str, report: Report) -> HoldBack | None:
        fields = Fields(node, key, report, self.wanted)
        plain = HoldBack()
        found = HoldBack(
            loses=fields.take("loses", Share(), plain.loses),
            gains=fields.take("gains", Share(), plain.gains),
            least=fields.take("least", Whole(0, 1_000_000), plain.least),
        )
        fields.done()
        return found


@dataclass(frozen=True, slots=True)
class _KeyKind:
    wanted: str = "a minisign public key: the 56 characters of its second line"

    def read(self, node: Node, key: str, report: Report) -> PublicKey | None:
        text = Text(self.wanted).read(node, key, report)
        if text is None:
            return None
        try:
            return PublicKey.parse(text)
        except ValueError as problem:
            # No key: reported, and the whole file is refused with it.
            report.add(node.place, key, f"found {quoted(text)}, {problem}; wanted {self.wanted}")
            return None


_PATH = Pattern(r"/[^\x00-\x1f]+", "an absolute path")
