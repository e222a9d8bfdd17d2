"""The `src` blocks of a squidGuard.conf: clients.

In: tokens. Out: `Source`.
Must never: take a condition that nothing here can look at for one that holds.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address
from typing import TYPE_CHECKING, Final

from proxy_addons.settings.problems import quoted
from proxy_addons.settings.squidguard.model import Source

if TYPE_CHECKING:
    from proxy_addons.settings.squidguard.blocks import Blocks
    from proxy_addons.settings.squidguard.tokens import Token

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


def read_source(it: Blocks) -> None:
    """Read one, its first word read already."""
    name = it.begin("source", it.conf.sources)
    source = it.conf.sources[name.text] = Source(name.text, name.line)
    while (token := it.inner()) is not None:
        _of_source(it, source, token)


def _of_source(it: Blocks, source: Source, token: Token) -> None:
    word = token.text
    if word == "ip":
        source.ranges = [*(source.ranges or ()), *_ranges(it)]
    elif word == "user":
        source.users = [*(source.users or ()), *(each.lower() for each in _words(it))]
    elif word in {"iplist", "userlist"}:
        # The file is read where files are (files.py); here its name is kept.
        path = it.tokens.address("a file").text
        if word == "iplist":
            source.ranges = source.ranges or []
        else:
            source.users = source.users or []
        it.conf.files.append((source.name, word, path, token.line))
    elif word in {"within", "outside"}:
        source.timed = it.timed(word)
    elif word in {"log", "logfile"}:
        it.log(token)
    else:
        _left_out(it, source, token)


def _left_out(it: Blocks, source: Source, token: Token) -> None:
    """What is said of a source and not translated."""
    word, of = token.text, f"of the source {quoted(source.name)}"
    if word == "domain":
        _words(it)
        source.unknown = True
        instead = "a client's name in DNS proves nothing: name its networks"
        it.leave(token, f"domain, {of}, which therefore is nobody's", instead)
    elif word in _UNKNOWN:
        it.tokens.rest_of_line()
        source.unknown = True
        it.leave(token, f"{word}, {of}, which therefore is nobody's", _UNKNOWN[word])
    elif word in {"userquota", "ipquota"}:
        for _ in range(3):
            it.tokens.word("a number")
        it.leave(token, f"{word}, {of}", "minutes a day are allowances: docs/personal-use.md")
    elif word == "continue":
        source.goes_on = True
    else:
        raise it.unexpected(token, "ip, user, userlist, iplist, within, outside or }")


def _ranges(it: Blocks) -> list[tuple[IPv4Address, IPv4Address]]:
    found: list[tuple[IPv4Address, IPv4Address]] = []
    while (token := it.tokens.peek()).text[:1].isdigit() or token.text == ",":
        it.tokens.next()
        if token.text == ",":
            continue
        text = token.text
        if it.tokens.peek().text[:1] in {"-", "/"}:
            text += it.tokens.next().text
        if text.endswith("-"):
            text += it.tokens.next().text
        try:
            found.append(addresses_of(text))
        except ValueError:
            # Nothing of the file is used.
            raise it.unexpected(token, "an address, a network or a range") from None
    return found


def _words(it: Blocks) -> list[str]:
    """Words up to the next keyword of a source."""
    found: list[str] = []
    while True:
        token = it.tokens.peek()
        if not token.is_quoted and (token.text in {"", "{", "}"} or token.text in _OF_A_SOURCE):
            return found
        it.tokens.next()
        if token.text != "," or token.is_quoted:
            found.append(token.text)


def addresses_of(word: str) -> tuple[IPv4Address, IPv4Address]:
    """First and last address of `a`, `a/bits`, `a/mask` or `a-b`.

    Args:
        word: it.

    Raises:
        ValueError: it is none of these.
    """
    if "-" in word:
        before, _, after = word.partition("-")
        first, last = _address(before), _address(after)
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
