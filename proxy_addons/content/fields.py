"""Fields: what a short text that is sent says: markings in it, and the force's e-mail addresses.

In: a field (sent.py), the force's domains. Out: findings as facts have them.
Must never: keep an address, or any of the text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from proxy_addons.content.documents import text_parts
from proxy_addons.content.markings import Part, markings_in
from proxy_addons.content.shapes import may_mark
from proxy_addons.content.webpage import unescaped
from proxy_addons.policy.findings import MARKING, SENDS, found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from proxy_addons.content.sent import Field

_TITLES = re.compile(r"subject|title|file_?name|heading", re.IGNORECASE)
_ROUNDS: Final = 3
"""Times that a text may be encoded: a form in a form in a form."""
_ESCAPED_AT = re.compile(r"\\(?:u0040|x40|100)", re.IGNORECASE)
_OVERLAP: Final = 512
"""Bytes of an address, however it is encoded."""


def findings_of_field(field: Field, domains: Sequence[str] = ()) -> frozenset[str]:
    """What a rule can know of a field.

    Args:
        field: of a request's body, or query.
        domains: of the force's e-mail addresses.
    """
    findings = frozenset[str]()
    if may_mark(field.text):
        findings = found(MARKING, markings_in(_parts(field)))
    if force_addresses_in(field.text, domains):
        findings |= found(SENDS, ["force-address"])
    return findings


def findings_of_name(name: str) -> frozenset[str]:
    """What the name of a file says, as it is written: capitals tell; several names one a line."""
    return found(MARKING, markings_in([Part("name", name)])) if may_mark(name) else frozenset()


def _parts(field: Field) -> Iterator[Part]:
    if _TITLES.search(field.name) and len(field.text) < 512 and len(field.text.split()) > 1:
        yield Part("subject", field.text)
    else:
        yield from text_parts(field.text)


def force_addresses_in(text: str, domains: Sequence[str]) -> bool:
    """Whether an e-mail address of the force is in a text.

    Args:
        text: as it is sent: plain, percent-encoded, with escapes of JSON or HTML.
        domains: `settings.content.force_domains`; all below them are the force's too.
    """
    if not domains:
        return False
    pattern = _addresses(tuple(domains))
    for _ in range(_ROUNDS + 1):
        if "@" in text and pattern.search(text.lower()):
            return True
        plain = unescaped(unquote(_ESCAPED_AT.sub("@", text.replace("\uff20", "@"))))
        if plain == text:
            return False
        text = plain
    return False


@lru_cache(maxsize=16)
def _addresses(domains: tuple[str, ...]) -> re.Pattern[str]:
    """Addresses (RFC 5322, 3.4.1) of some domains; a longer domain that begins so is another."""
    ours = "|".join(re.escape(domain.lower().strip("@. ")) for domain in domains)
    return re.compile(
        rf"[\w.+'\"-]@(?:[a-z0-9-]{{1,63}}\.){{0,8}}(?:{ours})(?![\w-])(?!\.[a-z0-9])"
    )


class AddressWatch:
    """Looks for the force's addresses in bytes that pass, whatever form they have."""

    def __init__(self, domains: Sequence[str]) -> None:
        self._domains = tuple(domains)
        self._last = b""
        self.seen = False

    def feed(self, octets: bytes) -> None:
        """More bytes; `seen` is what they tell."""
        if self.seen or not self._domains:
            return
        data = self._last + octets
        self._last = data[-_OVERLAP:]
        small = data.lower()
        if any(domain.lower().strip("@. ").encode() in small for domain in self._domains):
            self.seen = force_addresses_in(data.decode("utf-8", "replace"), self._domains)
