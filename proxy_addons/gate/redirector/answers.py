"""What is answered to Squid: it passes, or leads to another address.

In: a template for that address, with squidGuard's placeholders; what was asked and decided.
Out: a line without its end.
Must never: put anything into an answer that could end it or its address early, or make one so long
that Squid gives up reading it (and lets the request pass).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    from proxy_addons.gate.redirector.lines import Asked

PROTOCOLS: Final = ("3.4", "3.3")
"""Squid 3.4 and all after it want `OK …` or `ERR`; those before it an address or an empty line."""

_TEMPLATE = re.compile(r"(?:(30[12378]):)?(https?://[!#-&(-;=?-Z_a-z~%\[\]]+)", re.ASCII)
_PLACEHOLDER = re.compile(r"%([a-zA-Z%])")
_KNOWN: Final = "afniprstu"
# Squid reads answers of 32 KiB; each character may become three.
_LONGEST_URL, _LONGEST_REST = 2_000, 200
NOWHERE: Final = "http://watchhouse.invalid/"
"""Where no page is known: a name that leads nowhere (RFC 2606)."""


class Refused(NamedTuple):
    """Why something is refused.

    Attributes:
        rule: id of the rule.
        profile: under which it was decided; empty where it was not known.
        categories: that made the rule match.
        to: where the rule leads by the policy (`action: redirect`); else empty.
    """

    rule: str
    profile: str = ""
    categories: tuple[str, ...] = ()
    to: str = ""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where what is refused leads to.

    Attributes:
        status: `301`, `302`, `303`, `307` or `308`: the browser is told to go there; empty: Squid
            fetches the page in place of what was asked for.
        pieces: of the address; every second one is a placeholder.
    """

    status: str
    pieces: tuple[str, ...]

    @property
    def is_fixed(self) -> bool:
        """Whether it is the same for everything."""
        return len(self.pieces) == 1

    def address(self, asked: Asked | None, why: Refused) -> str:
        """The address for one line.

        Args:
            asked: the line; None where it could not be read.
            why: what was decided.
        """
        if self.is_fixed:
            return self.pieces[0]
        values = {
            "%": "%",
            "a": asked.client if asked else "",
            "n": asked.fqdn if asked else "",
            "i": asked.ident if asked else "",
            "s": why.profile,
            "t": ",".join(why.categories) or why.rule,
            "r": why.rule,
            "u": asked.url if asked else "",
            "p": _path_of(asked.url) if asked else "",
            "f": asked.url.rpartition("/")[2] if asked and "/" in asked.url else "",
        }
        return "".join(
            piece if place % 2 == 0 else _escaped(values[piece], piece)
            for place, piece in enumerate(self.pieces)
        )


def redirect_of(text: str) -> Redirect:
    """The template of a `redirect` line of squidGuard.

    Args:
        text: an address, perhaps after `302:`, with placeholders: `%a` client address, `%n` its
            name, `%i` authenticated name, `%s` profile, `%t` categories (or the rule), `%r` rule,
            `%u` address asked for, `%p` its path and query, `%f` what is behind its last slash,
            `%%` a percent sign.

    Raises:
        ValueError: it is none; the message says what is wanted.
    """
    found = _TEMPLATE.fullmatch(text)
    if found is None:
        msg = "wanted an http or https address, perhaps after 302:, without spaces and quotes"
        raise ValueError(msg)
    pieces = _PLACEHOLDER.split(found[2])
    unknown = next((piece for piece in pieces[1::2] if piece not in f"{_KNOWN}%"), None)
    if unknown is not None:
        msg = f"%{unknown} is none of {', '.join(f'%{each}' for each in _KNOWN)}; write %% for %"
        raise ValueError(msg)
    return Redirect(found[1] or "", tuple(pieces))


def passes(channel: str, protocol: str) -> str:
    """The answer that changes nothing."""
    if protocol == "3.4":
        return f"{channel} ERR" if channel else "ERR"
    return f"{channel} " if channel else ""


def leads(
    channel: str, protocol: str, redirect: Redirect, address: str, asked: Asked | None
) -> str:
    """The answer that leads elsewhere."""
    before = f"{channel} " if channel else ""
    if protocol == "3.4":
        if redirect.status:
            return f'{before}OK status={redirect.status} url="{address}"'
        return f'{before}OK rewrite-url="{address}"'
    status = f"{redirect.status}:" if redirect.status else ""
    who = "-/- - GET"
    if asked is not None:
        ident = quote(asked.ident, safe="@") or "-"
        who = f"{asked.client}/{asked.fqdn or '-'} {ident} {asked.method}"
    return f"{before}{status}{address} {who}"


def _escaped(value: str, placeholder: str) -> str:
    if placeholder == "%":
        return value
    longest = _LONGEST_URL if placeholder in "fup" else _LONGEST_REST
    return quote(value[:longest], safe=",", errors="replace")


def _path_of(url: str) -> str:
    _, _, rest = url.partition("://")
    return rest.partition("/")[2]
