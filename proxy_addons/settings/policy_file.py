"""`policy.yaml`: its sections, read into a source that still holds lines.

In: the tree of the file. Out: a `PolicySource`, or problems.
Must never: resolve names across sections (policy_names.py does) or build rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from proxy_addons.policy.timespaces import TimeRange, TimeSpace
from proxy_addons.settings import bank_holidays
from proxy_addons.settings.condition_kinds import NAME
from proxy_addons.settings.entries import CATEGORY, PROFILE
from proxy_addons.settings.kinds import (
    Fields,
    ListOf,
    Located,
    Named,
    Pattern,
    Text,
    Whole,
    text_of,
)
from proxy_addons.settings.mask_kinds import NO_MASK, Log, MaskSource
from proxy_addons.settings.policy_kinds import (
    MapOf,
    Profile,
    ProfileSource,
    Range,
    RuleKind,
    RuleSource,
)
from proxy_addons.settings.problems import nearest, quoted
from proxy_addons.settings.tree import Mapping

if TYPE_CHECKING:
    from datetime import date

    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node

_UTC = ZoneInfo("UTC")


@dataclass(slots=True)
class PolicySource:
    """What the file says, section by section; the names in it not yet checked.

    Attributes:
        place: the file and the line where it begins.
        time_zone: in which time spaces are read.
        bank_holidays: dates.
        groups: name → where it was written, its categories.
        aliases: id in an imported list → where it was written, our id.
        profiles: id → where it was written, the profile.
        spaces: name → where it was written, its ranges.
        rules: in order.
        by_name_only: categories and groups that an exemption for everything does not open; None:
            those that the program knows.
        personal: categories and groups whose use counts as personal use.
        social: those of them that count as social networks too.
        masks: of what no query is logged.
        written: section → every name written in it, also of entries that could not be read; no
            entry for a section that is no table (then names cannot be checked against it).
    """

    place: str
    time_zone: ZoneInfo = _UTC
    bank_holidays: frozenset[date] = frozenset()
    groups: dict[str, tuple[Located, tuple[Located, ...]]] = field(default_factory=dict)
    aliases: dict[str, tuple[Located, Located]] = field(default_factory=dict)
    profiles: dict[str, tuple[Located, ProfileSource]] = field(default_factory=dict)
    spaces: dict[str, tuple[Located, tuple[TimeRange, ...]]] = field(default_factory=dict)
    rules: tuple[RuleSource, ...] = ()
    by_name_only: tuple[Located, ...] | None = None
    personal: tuple[Located, ...] = ()
    social: tuple[Located, ...] = ()
    masks: MaskSource = NO_MASK
    written: dict[str, frozenset[str]] = field(default_factory=dict)

    def time_spaces(self) -> dict[str, TimeSpace]:
        """The time spaces by name."""
        return {name: TimeSpace(name, ranges) for name, (_, ranges) in self.spaces.items()}


def read_policy(root: Mapping, report: Report, year: int) -> PolicySource:
    """Read the sections of the file.

    Args:
        root: its top-level table.
        report: takes the problems.
        year: the current year, around which bank holidays are needed.
    """
    source = PolicySource(root.place)
    fields = Fields(root, "", report, "a table of keys")
    fields.need("version", Whole(1, 1), 1)
    source.time_zone = fields.need("time_zone", _Zone(), _UTC)
    source.bank_holidays = fields.take("bank_holidays", _BankHolidays(year), frozenset())
    source.groups = fields.take("category_groups", MapOf(NAME, _CATEGORIES), {})
    source.aliases = fields.take("category_aliases", MapOf(CATEGORY, Named(CATEGORY)), {})
    source.profiles = fields.need("profiles", MapOf(PROFILE, Profile(), least=1), {})
    source.spaces = fields.take("time_spaces", MapOf(NAME, _RANGES), {})
    source.by_name_only = fields.take("exemptions", _Exemptions(), None)
    source.personal, source.social = fields.take("personal_use", _PersonalUse(), ((), ()))
    source.masks = fields.take("log", Log(), NO_MASK)
    source.rules = fields.need("rules", ListOf(RuleKind(), least=1), ())
    fields.done()
    for section in ("category_groups", "profiles", "time_spaces"):
        node = fields.node(section)
        if node is None:
            source.written[section] = frozenset()
        elif isinstance(node, Mapping):
            source.written[section] = frozenset(name.text for name, _ in node.entries)
    return source


_CATEGORIES = ListOf(Named(CATEGORY), least=1)
_RANGES = ListOf(Range(), least=1)


@dataclass(frozen=True, slots=True)
class _Zone:
    wanted: str = "a time zone such as Europe/London"

    def read(self, node: Node, key: str, report: Report) -> ZoneInfo | None:
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        try:
            return ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            # No such zone: reported, and the whole configuration is refused with it. (ValueError
            # and OSError come of names that are paths.)
            zones = available_timezones()
            hint = nearest(text, zones) if zones else _NO_ZONES
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}{hint}")
            return None


_NO_ZONES = "; this machine has no time zones at all: install tzdata (system or Python package)"


@dataclass(frozen=True, slots=True)
class _Exemptions:
    wanted: str = "a table with the key by_name_only"

    def read(self, node: Node, key: str, report: Report) -> tuple[Located, ...] | None:
        fields = Fields(node, key, report, self.wanted)
        # At least one: an empty list would open every threat to whoever is exempt.
        found = fields.need("by_name_only", ListOf(Named(CATEGORY), one=True, least=1), None)
        fields.done()
        return found


@dataclass(frozen=True, slots=True)
class _PersonalUse:
    wanted: str = "a table with the keys categories and social"

    def read(
        self, node: Node, key: str, report: Report
    ) -> tuple[tuple[Located, ...], tuple[Located, ...]] | None:
        fields = Fields(node, key, report, self.wanted)
        names = ListOf(Named(CATEGORY), one=True, least=1)
        personal = fields.need("categories", names, ())
        social = fields.take("social", names, ())
        fields.done()
        return personal, social


@dataclass(frozen=True, slots=True)
class _BankHolidays:
    year: int
    wanted: str = "a table with the keys country and subdivision"

    def read(self, node: Node, key: str, report: Report) -> frozenset[date] | None:
        fields = Fields(node, key, report, self.wanted)
        code = Pattern(r"[A-Z]{2}", "a country code such as GB")
        country = fields.need("country", code, "")
        subdivision = fields.take("subdivision", Text("a subdivision such as ENG"), None)
        fields.done()
        if not country:
            return None
        try:
            return bank_holidays.dates(country, subdivision, self.year)
        except ValueError as problem:
            # No such place: reported, and the whole configuration is refused with it.
            report.add(node.place, key, str(problem))
            return None
