"""Reads a squidGuard.conf: its grammar (squidGuard 1.6, sg.y), by descent.

In: the text of a file. Out: a `Conf`.
Must never: take what squidGuard would not: its own way with a wrong file is to pass everything.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address
from typing import TYPE_CHECKING, Final

from proxy_addons.settings.problems import quoted
from proxy_addons.settings.squidguard.model import (
    Access,
    Conf,
    Destination,
    Left,
    Source,
    Space,
    Timed,
)
from proxy_addons.settings.squidguard.times import days_of, minute_of, week_of
from proxy_addons.settings.squidguard.tokens import GrammarError, Token, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GrammarError", "addresses_of", "read_conf"]

_DEFAULT: Final = "default"
# Settings, and what is in their place; nothing where nothing is lost.
_SETTINGS: Final = {
    "logdir": "",
    "syslog": "see feeds in docs/feeds.md",
    "groupttl": "",
    "ldapcachetime": "see directory in docs/configuration.md",
    "ldapprotover": "see directory in docs/configuration.md",
    "ldapbinddn": "see directory in docs/configuration.md",
    "ldapbindpass": "see directory in docs/configuration.md",
    "mysqlusername": "",
    "mysqlpassword": "",
    "mysqldb": "",
}
_LISTS: Final = {
    "domainlist": "domains",
    "urllist": "urls",
    "expressionlist": "expressions",
}
# Conditions on clients that nothing here can look at.
_UNKNOWN: Final = {
    "group": "groups of the directory give profiles: identity.profiles",
    "netgroup": "groups of the directory give profiles: identity.profiles",
    "ldapusersearch": "groups of the directory give profiles: identity.profiles",
    "ldapipsearch": "name the networks: ip",
    "userquery": "write the names into people.yaml",
    "execuserlist": "write the names into people.yaml",
}
_OF_A_SOURCE: Final = frozenset(
    {
        *("ip", "iplist", "user", "userlist", "domain", "within", "outside", "log", "logfile"),
        *("continue", "userquota", "ipquota", *_UNKNOWN),
    }
)


def read_conf(text: str, name: str) -> Conf:
    """Read a configuration.

    Args:
        text: of the file.
        name: how messages name it.

    Raises:
        GrammarError: squidGuard would not take it; with file and line.
    """
    return _Reader(text, name).read()


def addresses_of(word: str, after: str | None = None) -> tuple[IPv4Address, IPv4Address]:
    """First and last address of `a`, `a/bits`, `a/mask` or `a-b`.

    Args:
        word: it.
        after: the last address, where it stands by itself.

    Raises:
        ValueError: it is none of these.
    """
    if after is None and "-" in word:
        word, _, after = word.partition("-")
    if after is not None:
        first, last = _address(word), _address(after)
        if first > last:
            raise ValueError(word)
        return first, last
    text, slash, size = word.partition("/")
    first = _address(text)
    if not slash:
        return first, first
    if "." in size:
        mask = int(_address(size))
    else:
        if not size.isdecimal() or int(size) > 32:
            raise ValueError(word)
        mask = (0xFFFFFFFF << (32 - int(size))) & 0xFFFFFFFF
    rest = mask ^ 0xFFFFFFFF
    if rest & (rest + 1):
        raise ValueError(word)  # a mask with holes
    start = int(first) & mask
    return IPv4Address(start), IPv4Address(start | rest)


def _address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except AddressValueError as problem:
        # It is no address: the caller says where.
        raise ValueError(text) from problem


class _Reader:
    """Reads one file."""

    def __init__(self, text: str, name: str) -> None:
        self._tokens = Tokens(text, name)
        self._conf = Conf(name)

    def read(self) -> Conf:
        """Read all of it."""
        blocks: dict[str, Callable[[], None]] = {
            **dict.fromkeys(("dest", "destination"), self._destination),
            **dict.fromkeys(("src", "source"), self._source),
            **dict.fromkeys(("rew", "rewrite"), self._rewrite),
            "time": self._time,
            "acl": self._acl,
        }
        while (token := self._tokens.next()).text:
            word = token.text
            if token.is_quoted or not token.first:
                raise self._unexpected(token, "a block or a setting at the beginning of a line")
            if word in blocks:
                blocks[word]()
            elif word == "dbhome":
                self._conf.dbhome = self._tokens.address("a folder").text
            elif word in _SETTINGS:
                self._tokens.address("a value")
                if instead := _SETTINGS[word]:
                    self._leave(token, f"the setting {word}", instead)
            else:
                raise self._unexpected(token, "dbhome, logdir, time, src, dest, rew or acl")
        if not any(access.source == _DEFAULT for access in self._conf.access):
            raise self._tokens.problem("no acl has a block default; squidGuard needs one")
        self._check_names()
        return self._conf

    def _unexpected(self, token: Token, wanted: str) -> GrammarError:
        found = quoted(token.text) if token.text else "the end of the file"
        return self._tokens.problem(f"found {found}; wanted {wanted}", token.line)

    def _leave(self, token: Token, what: str, instead: str) -> None:
        self._conf.left.append(Left(token.line, what, instead))

    def _begin[T](self, what: str, known: dict[str, T]) -> Token:
        """The name of a block, which must be new, and its bracket."""
        name = self._tokens.word(f"the name of a {what}")
        if name.text in known:
            raise self._tokens.problem(f"the {what} {quoted(name.text)} is given twice", name.line)
        self._tokens.need("{")
        return name

    def _inner(self) -> Token | None:
        """The next word of a block; None at its end."""
        token = self._tokens.next()
        if token.text == "}" and not token.is_quoted:
            return None
        if not token.text:
            raise self._unexpected(token, "}")
        return token

    # --- time ------------------------------------------------------------------------------

    def _time(self) -> None:
        name = self._begin("time", self._conf.spaces)
        space = self._conf.spaces[name.text] = Space(name.text, name.line)
        while (token := self._inner()) is not None:
            if token.text == "weekly":
                space.week |= self._weekly(token)
            elif token.text == "date":
                self._date(token, name.text)
            else:
                raise self._unexpected(token, "weekly or date")

    def _weekly(self, token: Token) -> int:
        days: frozenset[int] = frozenset()
        while not self._tokens.peek().text[:1].isdigit():
            word = self._tokens.next()
            if word.text == ",":
                continue
            try:
                days |= days_of(word.text)
            except ValueError:
                # Nothing of the file is used.
                raise self._unexpected(word, "days: *, letters of smtwhfa, or names") from None
        if not days:
            raise self._unexpected(self._tokens.peek(), "days")
        week = 0
        while self._tokens.peek().text[:1].isdigit():
            start, end = self._from_to()
            if end <= start:
                self._leave(
                    token,
                    f"{_clock(start)}-{_clock(end)}, which squidGuard never finds to hold",
                    "where over midnight was meant, write two ranges",
                )
            week |= week_of(days, start, end)
        return week

    def _from_to(self) -> tuple[int, int]:
        word = self._tokens.next()
        text = word.text
        if "-" not in text:
            text += self._tokens.next().text
        if text.endswith("-"):
            text += self._tokens.next().text
        first, _, last = text.partition("-")
        try:
            return minute_of(first), minute_of(last)
        except ValueError:
            # Nothing of the file is used.
            raise self._unexpected(word, "a range such as 08:00-16:30") from None

    def _date(self, token: Token, space: str) -> None:
        first = self._tokens.next()
        text = first.text
        while self._tokens.peek().text[:1] in {*"0123456789-*"} and self._tokens.peek().text:
            text += f" {self._tokens.next().text}"
        if not first.text[:1].isdigit() and not first.text.startswith("*"):
            raise self._unexpected(first, "a date such as 2026.12.24 or *.12.25")
        self._leave(
            token,
            f"date {text} of the time {quoted(space)}",
            "time spaces know days of the week and bank holidays: see time_spaces and"
            " bank_holidays in docs/policy.md",
        )

    # --- src -------------------------------------------------------------------------------

    def _source(self) -> None:
        name = self._begin("source", self._conf.sources)
        source = self._conf.sources[name.text] = Source(name.text, name.line)
        while (token := self._inner()) is not None:
            self._of_source(source, token)

    def _of_source(self, source: Source, token: Token) -> None:
        word = token.text
        if word == "ip":
            source.ranges = [*(source.ranges or ()), *self._ranges()]
        elif word == "user":
            source.users = [*(source.users or ()), *(each.lower() for each in self._words())]
        elif word in {"iplist", "userlist"}:
            # The file is read where files are (files.py); here its name is kept.
            path = self._tokens.address("a file").text
            if word == "iplist":
                source.ranges = source.ranges or []
            else:
                source.users = source.users or []
            self._conf.files.append((source.name, word, path, token.line))
        elif word == "domain":
            self._words()
            source.unknown = True
            self._leave(
                token,
                f"domain, of the source {quoted(source.name)}, which therefore is nobody's",
                "a client's name in DNS proves nothing: name its networks",
            )
        elif word in _UNKNOWN:
            source.unknown = True
            self._tokens.rest_of_line()
            what = f"{word}, of the source {quoted(source.name)}, which therefore is nobody's"
            self._leave(token, what, _UNKNOWN[word])
        elif word in {"userquota", "ipquota"}:
            for _ in range(3):
                self._tokens.word("a number")
            self._leave(token, word, "minutes a day are shifts and allowances: docs/personal-use.md")
        elif word == "continue":
            source.goes_on = True
            self._leave(
                token,
                f"continue, of the source {quoted(source.name)}: what it passes is final now",
                "repeat what the later sources block in its acl",
            )
        elif word in {"within", "outside"}:
            source.timed = self._timed(word)
        elif word in {"log", "logfile"}:
            self._log(token)
        else:
            raise self._unexpected(token, "ip, user, userlist, iplist, within, outside or }")

    def _ranges(self) -> list[tuple[IPv4Address, IPv4Address]]:
        found = []
        while (token := self._tokens.peek()).text[:1].isdigit() or token.text == ",":
            self._tokens.next()
            if token.text == ",":
                continue
            text = token.text
            if self._tokens.peek().text[:1] in {"-", "/"}:
                text += self._tokens.next().text
            if text.endswith("-"):
                text += self._tokens.next().text
            try:
                found.append(addresses_of(text))
            except ValueError:
                # Nothing of the file is used.
                raise self._unexpected(token, "an address, a network or a range") from None
        return found

    def _words(self) -> list[str]:
        """Words up to the next keyword of a source."""
        found = []
        while True:
            token = self._tokens.peek()
            if not token.is_quoted and (token.text in {"", "{", "}"} or token.text in _OF_A_SOURCE):
                return found
            self._tokens.next()
            if token.text != "," or token.is_quoted:
                found.append(token.text)

    # --- dest, rew -------------------------------------------------------------------------

    def _destination(self) -> None:
        name = self._tokens.word("the name of a destination")
        if name.text in self._conf.destinations:
            message = f"the destination {quoted(name.text)} is given twice"
            raise self._tokens.problem(message, name.line)
        found = self._conf.destinations[name.text] = Destination(name.text, name.line)
        self._tokens.need("{")
        while (token := self._inner()) is not None:
            word = token.text
            if word in _LISTS:
                path = self._tokens.address("a file").text
                if word == "expressionlist" and path in {"i", "c"}:
                    path = self._tokens.address("a file").text
                if path == "-":
                    path = f"dest/{name.text}/{word}"
                found.lists[_LISTS[word]] = (path, token.line)
            elif word == "redirect":
                found.redirect = self._tokens.address("an address").text
                self._leave(
                    token,
                    f"redirect of the destination {quoted(name.text)}",
                    "all that is refused leads to one address (--redirect), which can say the"
                    " category: %t",
                )
            elif word == "rewrite":
                found.has_more = True
                rule = self._tokens.word("the name of a rewrite").text
                self._leave(token, f"rewrite {quoted(rule)}", "addresses are not rewritten")
            elif word in {"within", "outside"}:
                found.timed = self._timed(word)
            elif word in {"log", "logfile"}:
                self._log(token)
            else:
                raise self._unexpected(token, "domainlist, urllist, expressionlist, redirect or }")

    def _rewrite(self) -> None:
        name = self._tokens.word("the name of a rewrite")
        self._tokens.need("{")
        while True:
            found = self._tokens.substitution()
            if found is not None:
                continue
            token = self._inner()
            if token is None:
                break
            if token.text in {"within", "outside"}:
                self._timed(token.text)
            elif token.text in {"log", "logfile"}:
                self._log(token)
            else:
                raise self._unexpected(token, "s@from@to@ or }")
        self._leave(name, f"the rewrite {quoted(name.text)}", "addresses are not rewritten")

    # --- acl -------------------------------------------------------------------------------

    def _acl(self) -> None:
        self._tokens.need("{")
        while (token := self._inner()) is not None:
            if token.text in {"{", "!", ","} and not token.is_quoted:
                raise self._unexpected(token, "the name of a source, or default")
            timed = Timed()
            if self._tokens.peek().text in {"within", "outside"}:
                timed = self._timed(self._tokens.next().text)
            self._access(Access(token.text, token.line, timed))
            if self._tokens.peek().text == "else":
                line = self._tokens.next().line
                self._access(Access(token.text, line, timed, is_else=True))

    def _access(self, access: Access) -> None:
        self._conf.access.append(access)
        self._tokens.need("{")
        while (token := self._inner()) is not None:
            word = token.text
            if word in {"pass", "next"}:
                access.passes = [*(access.passes or ()), *self._passes()]
                if word == "next":
                    self._leave(
                        token, "next: what it passes is final now", "repeat it in the other acl"
                    )
            elif word == "redirect":
                access.redirect = self._tokens.address("an address").text
                if access.source != _DEFAULT and access.redirect != _DEFAULT:
                    self._leave(
                        token,
                        f"redirect of the acl {quoted(access.source)}",
                        "all that is refused leads to one address (--redirect), which can say the"
                        " profile: %s",
                    )
            elif word == "rewrite":
                rule = self._tokens.word("the name of a rewrite").text
                if rule != "none":
                    self._leave(token, f"rewrite {quoted(rule)}", "addresses are not rewritten")
            elif word in {"log", "logfile"}:
                self._log(token)
            else:
                raise self._unexpected(token, "pass, redirect, rewrite or }")

    def _passes(self) -> list[tuple[str, bool, int]]:
        found = []
        allowed = True
        ends = {"}", "{", "", "pass", "next", "redirect", "rewrite", "log", "logfile"}
        while (token := self._tokens.peek()).is_quoted or token.text not in ends:
            self._tokens.next()
            if token.text == "," and not token.is_quoted:
                continue
            if token.text == "!" and not token.is_quoted:
                allowed = False
                continue
            found.append((token.text, allowed, token.line))
            allowed = True
        if not allowed:
            raise self._unexpected(self._tokens.peek(), "the name of a destination after !")
        return found

    # --- all -------------------------------------------------------------------------------

    def _timed(self, word: str) -> Timed:
        space = self._tokens.word("the name of a time").text
        return Timed(space, outside=word == "outside")

    def _log(self, token: Token) -> None:
        while self._tokens.peek().text in {"anonymous", "verbose"}:
            self._tokens.next()
        self._tokens.address("a file")
        self._leave(token, "log", "Watchhouse's access log has every request that it carries")

    def _check_names(self) -> None:
        conf = self._conf
        places = [
            *((each.timed, each.line) for each in conf.sources.values()),
            *((each.timed, each.line) for each in conf.destinations.values()),
            *((each.timed, each.line) for each in conf.access),
        ]
        for timed, line in places:
            if timed.space and timed.space not in conf.spaces:
                raise self._tokens.problem(f"there is no time {quoted(timed.space)}", line)
        for access in conf.access:
            if access.source not in {_DEFAULT, *conf.sources}:
                message = f"there is no source {quoted(access.source)}"
                raise self._tokens.problem(message, access.line)
            for name, _, line in access.passes or ():
                special = name in {"any", "all", "none", "in-addr"} or name.startswith("dnsbl")
                if not special and name not in conf.destinations:
                    raise self._tokens.problem(f"there is no destination {quoted(name)}", line)


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


