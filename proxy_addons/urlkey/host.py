"""The host of a URL key: one spelling for every way to write a name or an address.

In: a host as a client wrote it: a name in any case, IDN, punycode, percent-encoded; IPv4 in
decimal, octal, hexadecimal or short form; IPv6 with or without brackets.
Out: the canonical host, and whether it is an address; or `UrlKeyError`.
Must never: repeat the host in an error, or read two different hosts as one.

The rules are those of browsers (WHATWG URL Standard, "host parsing"), made stricter where a browser
accepts what no DNS name contains:

- names: UTS #46, non-transitional; labels of letters, digits, `-` and `_` (which real names use);
- a host whose last label is a number is an IPv4 address or an error;
- IPv4-mapped (`::ffff:a.b.c.d`, RFC 4291 2.5.5.2) and well-known NAT64 (`64:ff9b::/96`, RFC 6052)
  addresses become the IPv4 address that they reach, so that no list and no denied network can be
  passed by writing an address as IPv6. IPv4-compatible ones (`::a.b.c.d`, deprecated by RFC 4291)
  reach no IPv4 host and stay IPv6;
- IPv6 zone ids are refused: they mean something on one machine only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import unquote_to_bytes

import idna

from proxy_addons.urlkey.key import UrlKeyError

MAX_LABEL = 63  # octets, RFC 1035 2.3.4
MAX_NAME = 253  # octets without the trailing dot, RFC 1035 2.3.4
_MAX_WRITTEN = 1024  # characters before mapping: ignorable code points and %xx make a host longer
_CACHED_LENGTH = 255  # longer spellings are hostile or rare: not worth memory in the cache

# Already canonical: no A-label to check, last label not numeric. The common case, one regex.
_CANONICAL_NAME = re.compile(
    r"(?:(?!xn--)[a-z0-9_-]{1,63}\.)*(?!xn--)[a-z][a-z0-9_-]{0,62}", re.ASCII
)
_LABEL = re.compile(r"[a-z0-9_-]+", re.ASCII)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_OCTAL = re.compile(r"0[0-7]*", re.ASCII)
_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}", re.ASCII)
_NAT64_PREFIX = int(IPv6Address("64:ff9b::")) >> 32


def host_key(host: str) -> str:
    """Gives the canonical spelling of a host.

    Args:
        host: a name, an IPv4 address in any spelling, or an IPv6 address with or without brackets.

    Returns:
        A lower-case A-label name without trailing dot, a dotted-decimal IPv4 address, or a
        compressed IPv6 address without brackets. `host_key(host_key(x)) == host_key(x)`.

    Raises:
        UrlKeyError: when the host has no single meaning.
    """
    return classified_host(host)[0]


def classified_host(host: str) -> tuple[str, bool]:
    """Gives the canonical host, and whether it is an address.

    Raises:
        UrlKeyError: when the host has no single meaning.
    """
    if len(host) <= _CACHED_LENGTH:
        return _cached(host)
    return canonical_host(host)


def is_canonical_name(text: str) -> bool:
    """Whether a text surely is a canonical name. False says nothing: ask `host_key` then."""
    return len(text) <= MAX_NAME and _CANONICAL_NAME.fullmatch(text) is not None


@lru_cache(maxsize=8192)
def _cached(host: str) -> tuple[str, bool]:
    return canonical_host(host)


def canonical_host(host: str) -> tuple[str, bool]:
    """As `classified_host`, for callers who remember what they read."""
    if is_canonical_name(host):
        return host, False
    if not host:
        raise UrlKeyError("the address names no host")
    if len(host) > _MAX_WRITTEN:
        raise UrlKeyError(f"the host is longer than {_MAX_WRITTEN} characters")
    if host.startswith("["):
        if not host.endswith("]"):
            raise UrlKeyError("the host opens a bracket that it does not close: write [IPv6]")
        return _ipv6(host[1:-1])
    if ":" in host:
        return _ipv6(host)
    return _name_or_ipv4(_mapped(_percent_decoded(host)))


def _percent_decoded(host: str) -> str:
    if "%" not in host:
        return host
    if _BAD_ESCAPE.search(host):
        raise UrlKeyError("the host contains % without two hexadecimal digits after it")
    try:
        return unquote_to_bytes(host).decode("utf-8")
    except UnicodeError:  # the request in hand is refused: bytes that are no text name no host
        raise UrlKeyError("the percent-encoded host is not UTF-8") from None


def _mapped(host: str) -> str:
    """UTS #46 mapping: case, width, compatibility forms, full stops of other scripts."""
    if host.isascii():
        return host.lower()
    try:
        return idna.uts46_remap(host, std3_rules=False)
    except ValueError:  # idna.IDNAError among others: the request in hand is refused
        raise UrlKeyError("the host contains a character that no domain name may contain") from None


def _name_or_ipv4(host: str) -> tuple[str, bool]:
    labels = host.removesuffix(".").split(".")
    if "" in labels:
        raise UrlKeyError("the host has an empty label (two dots in a row, or a dot at its start)")
    name = [_label(label) for label in labels]
    if _NUMBER.fullmatch(name[-1]):
        return _ipv4(name), True
    host = ".".join(name)
    if len(host) > MAX_NAME:
        raise UrlKeyError(f"the host is longer than {MAX_NAME} octets")
    return host, False


def _label(label: str) -> str:
    if not label.isascii():
        return _a_label(label)
    if not _LABEL.fullmatch(label):
        raise UrlKeyError("the host contains a character that no domain name may contain")
    if len(label) > MAX_LABEL:
        raise UrlKeyError(f"a label of the host is longer than {MAX_LABEL} octets")
    if label.startswith("xn--"):
        _check_a_label(label)
    return label


def _a_label(label: str) -> str:
    """The A-label of a label that UTS #46 has mapped and that is not ASCII.

    The validity criteria are those of UTS #46 4.1 as browsers set them (CheckJoiners and CheckBidi
    on, CheckHyphens off), not the narrower ones of IDNA 2008: a browser opens a name with a symbol
    in it, and so it must have a key. The mapping has already refused disallowed code points.
    """
    if len(label) > MAX_LABEL:  # also keeps punycode's quadratic time small
        raise UrlKeyError(f"a label of the host is longer than {MAX_LABEL} octets")
    try:
        idna.check_initial_combiner(label)
        idna.check_bidi(label)
        joiners_fit = all(
            idna.valid_contextj(label, position)
            for position, character in enumerate(label)
            if character in "\u200c\u200d"
        )
        encoded = "xn--" + label.encode("punycode").decode("ascii")
    except ValueError:  # idna.IDNAError among others: the request in hand is refused
        joiners_fit, encoded = False, ""
    if not joiners_fit or label.startswith("xn--"):
        raise UrlKeyError("the host is not a valid internationalised domain name")
    if len(encoded) > MAX_LABEL:
        raise UrlKeyError(f"a label of the host is longer than {MAX_LABEL} octets")
    if not _LABEL.fullmatch(encoded):
        raise UrlKeyError("the host contains a character that no domain name may contain")
    return encoded


def _check_a_label(label: str) -> None:
    """Refuses punycode that does not decode to the one label it is the encoding of."""
    try:
        decoded = label[4:].encode("ascii").decode("punycode")
        sound = not decoded.isascii() and idna.uts46_remap(decoded, std3_rules=False) == decoded
    # UnicodeError, idna.IDNAError; OverflowError of Python's decoder, for a place beyond memory:
    # the request in hand is refused.
    except (ValueError, OverflowError):
        sound, decoded = False, ""
    if not sound or _a_label(decoded) != label:
        raise UrlKeyError("the host contains a label that is not valid punycode (xn--)")


def _ipv4(parts: list[str]) -> str:
    """The address that one to four numbers mean (WHATWG URL, "IPv4 parser")."""
    if len(parts) > 4:
        raise UrlKeyError(
            "the host ends in a number, but has more than four parts: no IPv4 address"
        )
    numbers = [_ipv4_number(part) for part in parts]
    *leading, last = numbers
    if any(number > 255 for number in leading) or last >= 256 ** (5 - len(numbers)):
        raise UrlKeyError("the host ends in a number, but is out of the range of IPv4 addresses")
    value = last + sum(number << (8 * (3 - place)) for place, number in enumerate(leading))
    return str(IPv4Address(value))


def _ipv4_number(part: str) -> int:
    if not _NUMBER.fullmatch(part):
        raise UrlKeyError("the host ends in a number, but is not an IPv4 address")
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    if not part.startswith("0"):
        return int(part)
    if not _OCTAL.fullmatch(part):
        raise UrlKeyError("the host is an IPv4 address with a number that is not valid octal")
    return int(part, 8)


def _ipv6(text: str) -> tuple[str, bool]:
    if "%" in text:
        raise UrlKeyError("the host is an IPv6 address with a zone id (%): leave the zone out")
    if not _IPV6.fullmatch(text):
        raise UrlKeyError("the host is not a valid IPv6 address")
    try:
        address = IPv6Address(text)
    except ValueError:  # the request in hand is refused
        raise UrlKeyError("the host is not a valid IPv6 address") from None
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped), True
    if int(address) >> 32 == _NAT64_PREFIX:
        return str(IPv4Address(int(address) & 0xFFFFFFFF)), True
    return str(address), True
