"""Addresses inside addresses: sites that show other sites under their own name.

In: carriers (translators, web archives, caches, AMP, redirectors, web proxies) as data, which
settings/carriers_file.py reads; a URL key. Out: the keys that it carries, however deeply nested.
Must never: pass over an address that a carrier clearly names and that cannot be read.

Most addresses belong to no carrier. For them the price is one look into a dict and a search for the
few marks of web proxies that may stand on any host.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from proxy_addons.urlkey.key import UrlKey, UrlKeyError
from proxy_addons.urlkey.parse import url_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_DEPTH = 4  # an address in an address in an address …: more than people do, less than an attack
_MAX_CARRIED = 16  # addresses in one
_MAX_PARAMETERS = 1000
_MAX_UNESCAPED = 3  # times that an address may have been percent-encoded
_HOSTS_KNOWN = 8192

# `http:/host` is what is left where two slashes were made one; `http/host` is a web proxy's way.
_SCHEME = re.compile(r"(?:https?|wss?|ftp)(?::/*|/+)", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:(?![0-9]+(?:[/?#]|$))", re.IGNORECASE)
_ESCAPED_START = re.compile(r"[a-z]{0,5}%(?:25)*(?:3A|2F)", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}", re.ASCII)
_NOT_OF_A_URL = re.compile(r"[\x00-\x20\x7f]")
_BETWEEN_WORDS = re.compile(r"\b-\b", re.ASCII)


class CarriedError(UrlKeyError):
    """An address carries another one that cannot be read. The request in hand is refused."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """One way in which an address carries another.

    Attributes:
        id: kebab-case, unique.
        hosts: names: `host`, `*.host` (everything below it), `host.*` (under any ending); empty
            for any host (then `marks` must be there).
        marks: plain texts, one of which path and query hold where they carry an address.
        query: parameters whose value is the address.
        path: a compiled expression over path and query, whose group `url` is the address.
        value: a compiled expression over the value of a parameter, whose group `url` is the
            address; where it does not match, nothing is carried.
        label: whether the label below the listed name is the host, with `-` for the dot and `--`
            for `-`, as Google's translator writes it.
    """

    id: str
    hosts: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    query: frozenset[str] = frozenset()
    path: Any = None
    value: Any = None
    label: bool = False


class Carriers:
    """All carriers, ready to be asked.

    Args:
        carriers: in any order.
    """

    def __init__(self, carriers: Iterable[Carrier] = ()) -> None:
        self.all = tuple(carriers)
        self._exact: dict[str, list[Carrier]] = {}
        self._below: dict[str, list[Carrier]] = {}
        self._before: dict[str, list[Carrier]] = {}
        for carrier in self.all:
            for host in carrier.hosts:
                if host.startswith("*."):
                    self._below.setdefault(host[2:], []).append(carrier)
                elif host.endswith(".*"):
                    self._before.setdefault(host[:-2], []).append(carrier)
                else:
                    self._exact.setdefault(host, []).append(carrier)
        anywhere = [carrier for carrier in self.all if not carrier.hosts]
        self._marked = tuple((mark, carrier) for carrier in anywhere for mark in carrier.marks)
        self._known: dict[str, tuple[Carrier, ...]] = {}
        named = (*self._exact, *self._below, *self._before)
        self._telling = frozenset(map(_telling_label, named))

    @property
    def marks(self) -> frozenset[str]:
        """Plain texts, one of which any address holds that carries another on no carrier's host."""
        return frozenset(mark for mark, _ in self._marked)

    @property
    def telling(self) -> frozenset[str]:
        """Labels, one of which every carrier's host has: a host without any is surely none's."""
        return self._telling

    def inside(self, key: UrlKey) -> tuple[UrlKey, ...]:
        """The addresses that an address carries, and those that they carry.

        Args:
            key: where its path is empty (CONNECT, server name) only its host can carry one.

        Raises:
            CarriedError: there is one that cannot be read, or they are nested too deeply.
        """
        carriers = self._known.get(key.host)
        if carriers is None:
            carriers = self._of_host(key.host)
        if not carriers:
            target = f"{key.path}?{key.query}" if key.query else key.path
            for mark, _ in self._marked:
                if mark in target:
                    break
            else:
                return ()
        return tuple(self._inside(key, MAX_DEPTH))

    def _inside(self, key: UrlKey, depth: int) -> Iterator[UrlKey]:
        carried = self._carried(key)
        if carried and not depth:
            msg = f"addresses inside one another, more than {MAX_DEPTH} deep"
            raise CarriedError(msg)
        if len(carried) > _MAX_CARRIED:
            msg = f"more than {_MAX_CARRIED} addresses inside one"
            raise CarriedError(msg)
        for inner in carried:
            yield inner
            yield from self._inside(inner, depth - 1)

    def _carried(self, key: UrlKey) -> list[UrlKey]:
        target = f"{key.path}?{key.query}" if key.query else key.path
        found: dict[UrlKey, None] = {}
        for carrier in self._known.get(key.host) or self._of_host(key.host):
            if not carrier.marks or any(mark in target for mark in carrier.marks):
                found.update(dict.fromkeys(_read(carrier, key, target)))
        for mark, carrier in self._marked:
            if mark in target:
                found.update(dict.fromkeys(_read(carrier, key, target)))
        found.pop(key, None)
        return list(found)

    def _of_host(self, host: str) -> tuple[Carrier, ...]:
        """The carriers of a host, remembered."""
        found = list(self._exact.get(host, ()))
        labels = host.split(".")
        for place in range(1, len(labels)):
            found += self._below.get(".".join(labels[place:]), ())
            found += self._before.get(".".join(labels[:place]), ())
        carriers = tuple(dict.fromkeys(found))
        if len(self._known) >= _HOSTS_KNOWN:
            self._known.clear()
        self._known[host] = carriers
        return carriers


def _telling_label(host: str) -> str:
    """The label of a name that is in the fewest others: `archive` of `web.archive.org`."""
    labels = host.split(".")
    return max(labels[:-1] or labels, key=len)


def _read(carrier: Carrier, key: UrlKey, target: str) -> Iterator[UrlKey]:
    """The addresses that one carrier finds in a key."""
    if carrier.label:
        host = _host_of_label(key, carrier.hosts)
        if host:
            yield _key_of(f"https://{host}{target}")
    if carrier.path is not None and key.path:
        match = carrier.path.match(target)
        if match is not None and match["url"]:
            yield _key_of(_unescaped(match["url"]))
    if carrier.query and key.query:
        yield from _of_query(carrier, key.query)


def _of_query(carrier: Carrier, query: str) -> Iterator[UrlKey]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        # The request in hand is refused: it names more parameters than any service reads.
        msg = f"more than {_MAX_PARAMETERS} parameters beside the address inside"
        raise CarriedError(msg) from None
    for name, text in pairs:
        if name not in carrier.query:
            continue
        value = text.strip()
        if carrier.value is not None:
            match = carrier.value.match(value)
            value = match["url"] if match is not None else ""
        if value:
            yield _key_of(_decoded(_unescaped(value)))


def _key_of(text: str) -> UrlKey:
    """The key of an address as a carrier was given it: forgiving where those services are."""
    text = text.strip().rstrip("*").replace("\\", "/")  # an asterisk: all pages of an archive
    scheme = _SCHEME.match(text)
    if scheme is not None:
        name = "https" if scheme[0][:5].lower() == "https" else "http"
        text = f"{name}://{text[scheme.end() :]}"
    elif _OTHER_SCHEME.match(text):
        msg = "the address inside this one has a scheme other than http and https"
        raise CarriedError(msg)
    else:
        text = f"http://{text.lstrip('/')}"
    text = _NOT_OF_A_URL.sub(lambda found: f"%{ord(found[0]):02X}", text)
    try:
        return url_key(text)
    except UrlKeyError as problem:
        # The request in hand is refused: where it leads is not known.
        msg = f"the address inside this one cannot be read: {problem}"
        raise CarriedError(msg) from None


def _unescaped(text: str) -> str:
    """Undoes the percent-encoding of an address as a whole, which may have been done again."""
    for _ in range(_MAX_UNESCAPED):
        if not _ESCAPED_START.match(text):
            break
        text = unquote(text)
    return text


def _decoded(text: str) -> str:
    """The address in a text that may be base64 of one, as web proxies like to write it."""
    if _BASE64.fullmatch(text) is None or "." in text:
        return text
    padded = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        plain = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True).decode()
    except ValueError:
        return text  # it is read as it is
    if not plain.isprintable() or "." not in plain:
        return text
    # Some leave the scheme's name out, for which filters look.
    return plain.lstrip(":/") if plain.startswith(":") else plain


def _host_of_label(key: UrlKey, hosts: Sequence[str]) -> str:
    """The host in the label below a translator's name (Google's "Convert the URL", 2023).

    `www-example--site-com` is `www.example-site.com`. `_x_tr_hp` is the beginning of a name that is
    too long for one label; `_x_tr_enc` says which prefixes were added: `1-`, and `0-` in place of
    `xn--`.
    """
    for host in hosts:
        suffix = host[1:]  # without the asterisk
        if key.host.endswith(suffix):
            label = key.host.removesuffix(suffix).rpartition(".")[2]
            break
    else:
        return ""
    given: dict[str, str] = {}
    if "_x_tr_" in key.query:
        given = dict(parse_qsl(key.query, max_num_fields=_MAX_PARAMETERS))
    label = given.get("_x_tr_hp", "") + label
    added = given.get("_x_tr_enc", "").split(",")
    if "1" in added:
        label = label.removeprefix("1-")
    idn = "0" in added and label.startswith("0-")
    if idn:
        label = label.removeprefix("0-")
    host = _BETWEEN_WORDS.sub(".", label).replace("--", "-")
    return f"xn--{host}" if idn else host
