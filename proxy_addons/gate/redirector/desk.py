"""Answers lines of Squid's by the policy, as the gate decides.

In: lines; settings, index and people in force. Out: an answer for each, in their order.
Must never: let pass what could not be read or decided, give fewer answers than lines, or hold a
rule of its own: what is decided, `gate.judge` decides.

What a redirector cannot know is not looked at: what a person has confirmed, their breaks, minutes
and duties, exemptions, withdrawals, reviews, what is in a body (docs/squidguard.md).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from proxy_addons.gate.facts import RequestFacts
from proxy_addons.gate.judge import judge
from proxy_addons.gate.names import host_key_of, with_carried
from proxy_addons.gate.redirecting import target_of
from proxy_addons.gate.redirector.answers import Redirect, Refused, leads, passes
from proxy_addons.gate.redirector.lines import (
    ODD,
    ORDINARY,
    caller,
    channel_of,
    name_of,
    read,
)
from proxy_addons.gate.rules import (
    RULE_BAD_REQUEST,
    RULE_INDEX_MISSING,
    RULE_INNER_ADDRESS,
    RULE_UNDECIDED,
)
from proxy_addons.gate.traits import NONE as NO_TRAITS
from proxy_addons.gate.traits import traits_of
from proxy_addons.policy.cache import Decider
from proxy_addons.policy.model import Action, Moment
from proxy_addons.urlkey import UrlKey, UrlKeyError, authority_key, request_key
from proxy_addons.urlkey.carriers import CarriedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from proxy_addons.categorisation import CategoryIndex
    from proxy_addons.gate.redirector.callers import Callers
    from proxy_addons.gate.redirector.lines import Asked
    from proxy_addons.policy.model import Person
    from proxy_addons.settings.model import Settings

    # Of what passes None; of what is refused the whole answer, where nothing of the line is in it.
    type _Answer = Refused | str | None
    type _Known = dict[object, _Answer]
    type _Asker = tuple[Person, str, frozenset[str], _Known]

_log = logging.getLogger(__name__)
_REMEMBERED: Final = 16_384
_HTTPS: Final = 443
_LONGEST_TARGET: Final = 8_192  # Squid reads answers of 32 KiB
BAD: Final = Refused(RULE_BAD_REQUEST)
MISSING: Final = Refused(RULE_INDEX_MISSING)
_UNKNOWN: Final = object()


@dataclass(frozen=True, slots=True)
class Basis:
    """What answers rest on; replaced as a whole.

    Attributes:
        settings: with the compiled policy.
        index: category index.
        callers: who the clients are.
        redirects: where what a rule refuses leads to, by its id; what is not there leads where the
            policy says, or else where all does.
    """

    settings: Settings
    index: CategoryIndex
    callers: Callers
    redirects: Mapping[str, Redirect] = field(default_factory=dict)


class Desk:
    """Answers lines. Not for several threads.

    Args:
        redirect: where what is refused leads to, unless something else is said of the rule.
        protocol: of `answers.PROTOCOLS`.
    """

    def __init__(self, redirect: Redirect, protocol: str) -> None:
        self._redirect = redirect
        self._protocol = protocol
        self._basis: Basis | None = None
        self.rest_on(None)

    def rest_on(self, basis: Basis | None) -> None:
        """Decide by this from now on; by None everything is refused."""
        self._basis = basis
        self._askers: dict[str, _Asker] = {}
        # The answer to what is asked by a profile with a method, by the categories of the address
        # (and the host, where the policy names any). Of this minute. Not where rules look at more
        # of a request (`names_atoms`): then each is judged.
        self._known: dict[tuple[str, str], _Known] = {}
        self._minute: tuple[int, ...] = ()
        self._moment: Moment | None = None
        if basis is not None:
            self._decider = Decider(basis.settings.policy)

    def answers(self, text: str, now: datetime) -> list[str]:
        """Answer lines.

        Args:
            text: one or more, without the end of the last one.
            now: aware.
        """
        if self._basis is None:
            return [self._leads(channel_of(line), None, MISSING) for line in text.split("\n")]
        try:
            self._at(now)
            return self._many(self._basis, text)
        except Exception:  # noqa: BLE001 - the outermost: each line is answered by itself, and refused if need be
            _log.exception("lines could not be answered together")
            return [self._one("", line) for line in text.split("\n")]

    def _many(self, basis: Basis, text: str) -> list[str]:
        """As `_one` for each line, by a shorter way for those that say what nearly all do."""
        carriers, lookup = basis.settings.carriers, basis.index.lookup_plain
        # Marks of web proxies and the like may stand anywhere; most are nowhere in many lines.
        odd = [mark for mark in (*ODD, *carriers.marks) if mark in text]
        hosts_matter = basis.settings.policy.names_hosts
        remembers = not basis.settings.policy.names_atoms
        telling, askers = carriers.telling, self._askers
        passed = passes("", self._protocol)
        found: list[str] = []
        add = found.append
        for channel, secure, host, target, who, rest in ORDINARY.findall(text):
            labels = host.split(".")
            if (
                not host
                or not telling.isdisjoint(labels)
                or (odd and any(mark in host or mark in target for mark in odd))
                or (asker := askers.get(who) or self._asker(who)) is None
            ):
                line = f"http{secure}://{host}{target} {who}" if host else rest
                add(self._one(channel, line))
                continue
            person, method, about, known = asker
            categories = lookup(labels, target)
            question = (categories, host) if hosts_matter else categories
            answer = known.get(question, _UNKNOWN) if remembers else _UNKNOWN
            if answer is _UNKNOWN:
                path, _, query = target.partition("?")
                key = UrlKey(f"http{secure}", host, _HTTPS if secure else 80, path, query)
                refused = self._judged(basis, person, (key,), method, NO_TRAITS, about)
                answer = None if refused is None else self._fixed(refused) or refused
                if remembers and len(known) < _REMEMBERED:
                    known[question] = answer
            if answer is None:
                add(f"{channel} {passed}" if channel else passed)
            elif isinstance(answer, str):
                add(f"{channel} {answer}" if channel else answer)
            else:
                assert isinstance(answer, Refused)
                asked = read(f"http{secure}://{host}{target} {who}")
                add(self._leads(channel, asked, answer))
        return found

    def _one(self, channel: str, line: str) -> str:
        """The answer to any line."""
        if not channel:
            channel = channel_of(line)
            line = line[len(channel) :]
        asked = None
        try:
            asked = read(line)
            refused = BAD if asked is None else self._decided(asked)
        except CarriedError:
            refused = Refused(RULE_INNER_ADDRESS)
        except UrlKeyError:
            refused = BAD
        except Exception:  # noqa: BLE001 - the outermost: what could not be decided is refused
            _log.exception("a line could not be answered")
            refused = Refused(RULE_UNDECIDED)
        if refused is None:
            return passes(channel, self._protocol)
        return self._leads(channel, asked, refused)

    def _decided(self, asked: Asked) -> Refused | None:
        basis = self._basis
        assert basis is not None
        person = basis.callers.person(asked.client, name_of(asked.ident))
        url, method = asked.url, asked.method
        if method == "CONNECT" and "://" not in url:
            keys: Sequence[UrlKey] = (host_key_of(*authority_key(url, _HTTPS)),)
            traits = NO_TRAITS
        else:
            key = _key_of(url)
            keys = (key,)
            target = f"{key.path}?{key.query}"
            traits = traits_of(RequestFacts(method, "", key.host, 1, target, scheme=key.scheme))
        keys = with_carried(keys, basis.settings.carriers)
        about = _about(basis, asked.client)
        return self._judged(basis, person, keys, method, traits, about)

    def _judged(
        self,
        basis: Basis,
        person: Person,
        keys: Sequence[UrlKey],
        method: str,
        traits: frozenset[str],
        about: frozenset[str],
    ) -> Refused | None:
        """Why a request is refused; None for one that passes."""
        assert self._moment is not None
        judgement = judge(
            self._decider, basis.index, person, keys, method, self._moment, traits, about=about
        )
        decision = judgement.decision
        if decision.action is Action.ALLOW:
            return None
        return Refused(decision.rule, decision.profile, decision.categories, decision.to)

    def _asker(self, who: str) -> _Asker | None:
        """Who asks, of the fields client, ident and method; None where they cannot be read."""
        assert self._basis is not None
        client, ident, method = who.split(" ")
        try:
            address, _, name = caller(client, ident)
        except ValueError:
            return None  # the line is read in full, and refused
        person = self._basis.callers.person(address, name_of(name))
        if len(self._askers) >= _REMEMBERED:
            self._askers.clear()
        known = self._known.setdefault((person.profile, method), {})
        about = _about(self._basis, address)
        asker = self._askers[who] = person, method, about, known
        return asker

    def _leads(self, channel: str, asked: Asked | None, why: Refused) -> str:
        redirect = self._redirect_of(why.rule)
        if redirect is None and why.to and asked is not None:
            redirect = self._elsewhere(asked, why)
        if redirect is None:
            redirect = self._redirect
        return leads(channel, self._protocol, redirect, redirect.address(asked, why), asked)

    def _redirect_of(self, rule: str) -> Redirect | None:
        """Where a rule leads by the file of redirects."""
        return None if self._basis is None else self._basis.redirects.get(rule)

    def _fixed(self, why: Refused) -> str | None:
        """The answer without its channel; None where something of the line is in it."""
        redirect = self._redirect_of(why.rule)
        if redirect is None:
            redirect = None if why.to else self._redirect
        if redirect is None or not redirect.is_fixed or self._protocol != "3.4":
            return None
        return leads("", self._protocol, redirect, redirect.address(None, why), None)

    def _elsewhere(self, asked: Asked, why: Refused) -> Redirect | None:
        """Where the policy's own redirect leads, as in the gateway (gate/redirecting.py).

        None where nobody would follow, or where it leads to what is redirected itself, and could go
        round for ever.
        """
        if asked.method == "CONNECT":
            return None
        try:
            host = _key_of(asked.url).host
            there = target_of(why.to, url=asked.url, host=host, rule=why.rule)
            then = self._decided(asked._replace(url=there, method="GET"))
        except (UrlKeyError, CarriedError):
            return None  # it leads where all does
        if (then is not None and then.to) or len(there) > _LONGEST_TARGET or '"' in there:
            return None
        return Redirect("302" if asked.method in {"GET", "HEAD"} else "303", (there,))

    def too_long(self, beginning: str) -> str:
        """The answer to a line that is longer than any may be.

        Args:
            beginning: of the line.
        """
        return self._leads(channel_of(beginning), None, BAD)

    def _at(self, now: datetime) -> None:
        """What was decided holds for its minute: time spaces begin and end on whole ones."""
        assert self._basis is not None
        local = now.astimezone(self._basis.settings.policy.time_zone)
        minute = (local.toordinal(), local.hour, local.minute, local.fold)
        if minute != self._minute:
            self._minute = minute
            self._moment = Moment(local)
            for known in self._known.values():  # which `_askers` share
                known.clear()


def _about(basis: Basis, client: str) -> frozenset[str]:
    """What rules can see of a client; of its program nothing is known."""
    return basis.settings.policy.about(client, None)


def _key_of(url: str) -> UrlKey:
    if url[:6].lower() == "ftp://":  # judged like the same address of the Web
        url = f"http{url[3:]}"
    return request_key("http", "", url)  # as the gate reads a request: no fragment
