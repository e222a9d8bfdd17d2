"""From squidGuard's sources, destinations and ACLs to rules of ours.

In: a `Conf`, filled. Out: a `Translation`.
Must never: leave out what it cannot translate without noting it, or decide anything otherwise than
squidGuard does with what it does translate.

An ACL is a list of destinations, of which the first that fits decides: that is a list of our rules.
What holds at some times only is a set of minutes, and is computed: a rule has one time space.
Of a source with `continue` only what it blocks becomes rules: what it passes is for the next one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy_addons.policy.model import RESERVED_RULES, TRAITS
from proxy_addons.settings.problems import quoted
from proxy_addons.settings.squidguard.clients import Chain, Clients, clients_of
from proxy_addons.settings.squidguard.model import Left, Timed
from proxy_addons.settings.squidguard.redirects import template_of
from proxy_addons.settings.squidguard.times import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from proxy_addons.settings.squidguard.model import Access, Conf

DEFAULT: Final = "default"
IN_ADDR: Final = "in-addr"
_UNKNOWN: Final = "unknown"  # what squidGuard calls it where there is no list of destinations
_CATEGORY: Final = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", re.ASCII)
_UNUSABLE: Final = re.compile(r"[^a-z0-9]+")


class Rule(NamedTuple):
    """A rule of ours.

    Attributes:
        name: its id.
        line: of the configuration that it carries out.
        allows: whether it allows; else it blocks.
        profile: that it is for; empty: for everybody.
        category: empty for any address.
        space: of our time spaces; empty for any time.
        outside: whether that must not hold.
        unless: categories of which it must be none.
        redirect: where it leads, a template; empty: where `Translation.redirect` does.
    """

    name: str
    line: int
    allows: bool
    profile: str
    category: str
    space: str = ""
    outside: bool = False
    unless: tuple[str, ...] = ()
    redirect: str = ""


@dataclass(slots=True)
class Translation:
    """What becomes of a configuration.

    Attributes:
        profiles: id → what it is of.
        spaces: name → minutes of the week.
        rules: in order.
        clients: who has which chain; `profile_of` says which profile that is.
        profile_of: chain → profile.
        category_of: destination → category.
        redirect: of the default ACL, a template; empty where it has none.
        left: what is not translated.
    """

    profiles: dict[str, str] = field(default_factory=dict)
    spaces: dict[str, int] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    clients: Clients = field(default_factory=lambda: Clients((), (), ()))
    profile_of: dict[Chain, str] = field(default_factory=dict)
    category_of: dict[str, str] = field(default_factory=dict)
    redirect: str = ""
    left: list[Left] = field(default_factory=list)


def translate(conf: Conf, empty: Collection[str] = ()) -> Translation:
    """Translate a configuration.

    Args:
        conf: filled (files.py).
        empty: destinations whose lists have no entry.
    """
    return _Translator(conf, empty).translate()


def kebab(name: str, used: Collection[str], fallback: str) -> str:
    """An id made of a name, which is none of those that are used."""
    base = _UNUSABLE.sub("-", name.lower()).strip("-")
    if not base or not base[0].isalpha():
        base = f"{fallback}-{base}".strip("-")
    found, number = base, 2
    while found in used:
        found, number = f"{base}-{number}", number + 1
    return found


class _Translator:
    """Translates one configuration."""

    def __init__(self, conf: Conf, empty: Collection[str]) -> None:
        self._conf, self._empty = conf, empty
        self._made = Translation(left=list(conf.left))
        self._space_of: dict[int, str] = {}
        # squidGuard takes the last block of that name, be it an else, whatever the time.
        self._default = [access for access in conf.access if access.source == DEFAULT][-1]

    def translate(self) -> Translation:
        """Do it."""
        conf, made = self._conf, self._made
        made.redirect = template_of(self._default.redirect)
        for name in conf.spaces:
            self._space(conf.spaces[name].week, name)
        for name in conf.destinations:
            made.category_of[name] = self._category(name)
        made.category_of[IN_ADDR] = self._category(IN_ADDR)
        made.clients = clients_of(conf.sources.values())
        self._note_oddities()
        for chain in made.clients.chains:
            name = self._joined(chain, "-or-", "-and-")
            profile = kebab(name, {*made.profiles, DEFAULT}, "src")
            made.profile_of[chain] = profile
            sources = self._joined(chain, ", else ", ", then ", quoted)
            made.profiles[profile] = f"Clients of the source {sources}."
        made.profile_of[()] = DEFAULT
        made.profiles[DEFAULT] = "Everybody else (the acl default)."
        for chain, profile in made.profile_of.items():
            self._rules_of(chain, profile)
        used = {rule.space for rule in made.rules}
        made.spaces = {name: week for name, week in made.spaces.items() if name in used}
        return made

    def _joined(
        self, chain: Chain, other: str, also: str, written: Callable[[str], str] = str
    ) -> str:
        """The names of a chain: between two, whether the second counts instead or besides."""
        between = [also if self._conf.sources[name].goes_on else other for name in chain[:-1]]
        return "".join(map("".join, zip_longest(map(written, chain), between, fillvalue="")))

    def _category(self, name: str) -> str:
        """A category of the same name where it can be one: the lists of others are called so."""
        used = {*self._made.category_of.values(), *TRAITS}
        if _CATEGORY.fullmatch(name) and name not in used:
            return name
        return kebab(name, used, "dest")

    def _note_oddities(self) -> None:
        made = self._made
        defaults = [access for access in self._conf.access if access.source == DEFAULT]
        if len(defaults) > 1 or self._default.timed.space:
            what = "times of the acl default, whose last block squidGuard takes at any time"
            made.left.append(Left(self._default.line, what, "nothing, if that was meant"))
        for source in self._conf.sources.values():
            if not source.is_used:
                what = f"the source {quoted(source.name)}, which is nobody's"
                made.left.append(Left(source.line, what, "nothing; squidGuard passes it by too"))
        for name, destination in self._conf.destinations.items():
            if name in self._empty:
                what = f"the destination {quoted(name)}, whose lists have no entry"
                made.left.append(Left(destination.line, what, "see that its lists are there"))

    def _rules_of(self, chain: Chain, profile: str) -> None:
        """The rules of one profile: what decides for the first source that holds, and so on."""
        rest, of_default = ALWAYS, 0
        for name in chain:
            source = self._conf.sources[name]
            holds = rest & self._week(source.timed)
            if source.goes_on:
                self._goes_on(name, profile, holds)
                continue
            rest &= ~holds
            for access, now in self._blocks_of(name, holds):
                self._passes(access, profile, now)
                holds &= ~now
            of_default |= holds  # at these times no block of its own holds
            if not source.timed.space:
                break
        self._passes(self._default, profile, rest | of_default)

    def _blocks_of(self, name: str, holds: int) -> Iterator[tuple[Access, int]]:
        """The blocks of a source's ACL, with the minutes of those given in which each decides."""
        for access in self._conf.access:
            if access.source == name and holds:
                # An else has what the block before it has left.
                now = holds if access.is_else else holds & self._week(access.timed)
                yield access, now
                holds &= ~now

    def _goes_on(self, name: str, profile: str, holds: int) -> None:
        """The rules of a source with `continue`: what it blocks; the rest is for the next one."""
        for access, now in self._blocks_of(name, holds):
            self._blocks(access, profile, now)
            holds &= ~now
        self._blocks(self._default, profile, holds)

    def _blocks(self, access: Access, profile: str, week: int) -> None:
        """The rules for what one block refuses, in these minutes, and for nothing else.

        What comes before a refusal and passes is an exception of it, in the minutes in which it
        passes.
        """
        # What has passed until here → the minutes of that.
        parts: dict[tuple[str, ...], int] = {(): week} if week else {}
        passes = self._default.passes if access.passes is None else access.passes
        for name, allowed, line in passes or ():
            if name in {"any", "all", "none"}:
                if name == "none":
                    self._block(profile, "", parts, line, self._redirect(access, name))
                return
            category, minutes = self._listed(name, line)
            if not category:
                continue
            if not allowed:
                during = {unless: each & minutes for unless, each in parts.items()}
                self._block(profile, category, during, line, self._redirect(access, name))
                continue
            passed: dict[tuple[str, ...], int] = {}
            for unless, each in parts.items():
                more = unless if category in unless else (*unless, category)
                passed[more] = passed.get(more, 0) | each & minutes
                passed[unless] = passed.get(unless, 0) | each & ~minutes
            parts = {unless: each for unless, each in passed.items() if each}
        if passes is None:
            redirect = self._redirect(self._default, _UNKNOWN)
            self._block(profile, "", parts, access.line, redirect)

    def _block(
        self,
        profile: str,
        category: str,
        parts: Mapping[tuple[str, ...], int],
        line: int,
        redirect: str,
    ) -> None:
        for unless, week in parts.items():
            if week and category not in unless:
                self._rule(profile, category, week, line, redirect, unless)

    def _passes(self, access: Access, profile: str, week: int) -> None:
        """The rules of one block, in these minutes."""
        if not week:
            return
        passes = self._default.passes if access.passes is None else access.passes
        for name, allowed, line in passes or ():
            if name in {"any", "all", "none"}:
                refuses = name == "none"
                redirect = self._redirect(access, name) if refuses else None
                self._rule(profile, "", week, line, redirect)
                return
            category, minutes = self._listed(name, line)
            if category and week & minutes:
                redirect = None if allowed else self._redirect(access, name)
                self._rule(profile, category, week & minutes, line, redirect)
        # At the end of the list squidGuard passes; without any list, not.
        redirect = self._redirect(self._default, _UNKNOWN) if passes is None else None
        self._rule(profile, "", week, access.line, redirect)

    def _redirect(self, access: Access, name: str) -> str:
        """Where what a block refuses for one of its names leads to; empty: nowhere."""
        destination = self._conf.destinations.get(name)
        own = destination.redirect if destination is not None else ""
        text = own or access.redirect or self._default.redirect
        return template_of(text, access.source, name)

    def _listed(self, name: str, line: int) -> tuple[str, int]:
        """The category of a name in an ACL, and when it counts; empty where nothing is in it."""
        if name.startswith("dnsbl"):
            what = f"{name}: no list in DNS is asked"
            self._leave(Left(line, what, "import the list as a file"))
            return "", 0
        if name == IN_ADDR:
            return self._made.category_of[name], ALWAYS
        destination = self._conf.destinations[name]
        if name in self._empty or not destination.lists:
            return "", 0
        return self._made.category_of[name], self._week(destination.timed)

    def _leave(self, left: Left) -> None:
        if left not in self._made.left:
            self._made.left.append(left)

    def _rule(
        self,
        profile: str,
        category: str,
        week: int,
        line: int,
        redirect: str | None,
        unless: tuple[str, ...] = (),
    ) -> None:
        """Add a rule.

        Args:
            profile: that it is for.
            category: empty for any address.
            week: minutes in which it holds.
            line: that it carries out.
            redirect: where it leads to; None for one that allows.
            unless: categories of which it must be none.
        """
        rules = self._made.rules
        if redirect == "":  # nowhere
            what = "a refusal without a redirect, which squidGuard passes"
            self._leave(Left(line, what, "nothing; it is refused"))
        space, outside = self._space_for(week)
        if not (category or unless) and week == ALWAYS and profile == DEFAULT:
            profile = ""  # the last rule, which must match everything
        base = "-".join(part for part in (profile or DEFAULT, category or "rest", space) if part)
        used = {*(rule.name for rule in rules), *RESERVED_RULES}
        own = "" if redirect in {None, self._made.redirect} else redirect
        rules.append(
            Rule(
                kebab(base, used, "rule"),
                line,
                allows=redirect is None,
                profile=profile,
                category=category,
                space=space,
                outside=outside,
                unless=unless,
                redirect=own or "",
            )
        )

    # --- times -----------------------------------------------------------------------------

    def _week(self, timed: Timed) -> int:
        if not timed.space:
            return ALWAYS
        week = self._conf.spaces[timed.space].week
        return ALWAYS & ~week if timed.outside else week

    def _space(self, week: int, name: str) -> str:
        found = kebab(name, self._made.spaces, "time")
        self._made.spaces[found] = week
        self._space_of.setdefault(week, found)
        return found

    def _space_for(self, week: int) -> tuple[str, bool]:
        """A time space for these minutes, and whether it is the one that must not hold."""
        if week == ALWAYS:
            return "", False
        if week in self._space_of:
            return self._space_of[week], False
        if ALWAYS & ~week in self._space_of:
            return self._space_of[ALWAYS & ~week], True
        return self._space(week, "together"), False
