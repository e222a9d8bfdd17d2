"""Kinds of value of `feeds`: one feed, one rule of its mask.

In: nodes of the configuration. Out: what was written, with its place, for feeds_build.py.
Must never: take a mask that is wrong in any part for a smaller mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from proxy_addons.settings.entries import CATEGORY
from proxy_addons.settings.feeds import (
    BEGINNINGS,
    BODIES,
    CONFIRMATIONS,
    DEEDS,
    DEFAULT_MASK,
    FORMATS,
    KINDS,
    MASKABLE,
    WHERE_IT_WENT,
    MaskRule,
)
from proxy_addons.settings.kinds import (
    Choice,
    Fields,
    ListOf,
    Located,
    Named,
    Pattern,
    Seconds,
    Text,
    Whole,
    text_of,
)
from proxy_addons.settings.netkinds import Address, Host, SecretVariable
from proxy_addons.settings.problems import quoted
from proxy_addons.settings.tree import Scalar, Sequence, describe, dotted

if TYPE_CHECKING:
    from proxy_addons.settings.model import Endpoint
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node

_NAME = Pattern(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", "a name such as siem")
_SYSLOG_PORT = 6514  # RFC 5425 4.1
_LARGEST = 1 << 20
_PATH = Text("the path of a PEM file")


@dataclass(frozen=True, slots=True)
class WrittenRule:
    """One rule of a mask, its categories not yet checked.

    Attributes:
        deed: see `MaskRule`.
        fields: see `MaskRule`.
        categories: each with its place; None: all records.
    """

    deed: str
    fields: tuple[str, ...]
    categories: tuple[Located, ...] | None = None

    def rule(self) -> MaskRule:
        """The rule."""
        if self.categories is None:
            return MaskRule(self.deed, self.fields)
        return MaskRule(
            self.deed, self.fields, frozenset(located.text for located in self.categories)
        )


@dataclass(frozen=True, slots=True)
class WrittenFeed:
    """One entry of `feeds`. Attributes as of `Feed`, with names of variables for secrets."""

    name: str
    kind: str
    format: str
    address: Endpoint | None
    url: str | None
    path: str | None
    ca_file: str | None
    certificate: str | None
    key: str | None
    server_name: str | None
    token_env: str | None
    body: str
    mask: tuple[WrittenRule, ...] | None  # None: the default
    mask_key_env: str | None
    beginning: str
    records: int
    timeout: float
    largest: int
    confirm: str
    resend: float
    enterprise: int
    behind: float
    given: frozenset[str]
    place: str
    place_key: str


@dataclass(frozen=True, slots=True)
class _HttpsUrl:
    wanted: str = "an address such as https://siem.force.example/ingest"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        try:
            parts = urlsplit(text)
            sound = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
        except ValueError:
            # No address at all: reported like any other that is not wanted.
            report.add(node.place, key, f"is no address; wanted {self.wanted}")
            return None
        if "@" in parts.netloc:
            # Not quoted: it may be a password.
            report.add(node.place, key, "holds a user name or password; use token_env")
            return None
        if not sound or parts.fragment or not text.isascii() or not text.isprintable():
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        return text


HTTPS_URL = _HttpsUrl()


@dataclass(frozen=True, slots=True)
class _Rule:
    wanted: str = "a table with the keys do, fields and categories"

    def read(self, node: Node, key: str, report: Report) -> WrittenRule | None:
        fields = Fields(node, key, report, self.wanted)
        deed = fields.need("do", Choice(DEEDS), "")
        of_url = deed in {"query", "host"}
        which = fields.take(
            "fields",
            ListOf(Choice(("url",) if of_url else MASKABLE), one=True, least=1),
            ("url",) if of_url else WHERE_IT_WENT,
        )
        categories = fields.take("categories", ListOf(Named(CATEGORY), one=True, least=1), None)
        fields.done()
        return WrittenRule(deed, which, categories) if deed else None


@dataclass(frozen=True, slots=True)
class _Mask:
    """A list of rules, or the word `none`."""

    wanted: str = "a list of tables with the key do; default; or none, in so many words"

    def read(self, node: Node, key: str, report: Report) -> tuple[WrittenRule, ...] | None:
        if isinstance(node, Scalar) and node.text == "none":
            return ()
        if isinstance(node, Scalar) and node.text == "default":
            return tuple(_written(rule, node.place, key) for rule in DEFAULT_MASK)
        if not isinstance(node, Sequence):
            report.add(node.place, key, f"{describe(node)}; wanted {self.wanted}")
            return None
        # With any rule wrong there is a problem in the report, and the configuration is refused.
        return ListOf(_Rule(), least=1).read(node, key, report)


def _written(rule: MaskRule, place: str, key: str) -> WrittenRule:
    """A rule of the default, as if it had been written there."""
    if rule.categories is None:
        return WrittenRule(rule.deed, rule.fields)
    categories = tuple(Located(each, place, key) for each in sorted(rule.categories))
    return WrittenRule(rule.deed, rule.fields, categories)


@dataclass(frozen=True, slots=True)
class FeedKind:
    """One entry of `feeds`."""

    wanted: str = "a table with the keys name, kind, format and where it goes"

    def read(self, node: Node, key: str, report: Report) -> WrittenFeed | None:
        """See `Kind.read`."""
        fields = Fields(node, key, report, self.wanted)
        name = fields.need("name", _NAME, "")
        kind = fields.need("kind", Choice(KINDS), "")
        form = fields.need("format", Choice(FORMATS), "")
        tls = fields.node("tls")
        of_tls = (
            (None, None, None, None)
            if tls is None
            else _tls(Fields(tls, dotted(key, "tls"), report, _TLS_WANTED))
        )
        written = WrittenFeed(
            name,
            kind,
            form,
            fields.take("address", Address(default_port=_SYSLOG_PORT), None),
            fields.take("url", _HttpsUrl(), None),
            fields.take("path", Text("the path of a file"), None),
            *of_tls,
            token_env=fields.take("token_env", SecretVariable(), None),
            body=fields.take("body", Choice(BODIES), "ndjson"),
            mask=fields.take("mask", _Mask(), None),
            mask_key_env=fields.take("mask_key_env", SecretVariable(), None),
            beginning=fields.take("from", Choice(BEGINNINGS), "now"),
            records=fields.take("records", Whole(1, 100_000), 1000),
            timeout=fields.take("timeout", Seconds(0.1, 600), 30.0),
            largest=fields.take("largest", Whole(2048, _LARGEST), 8192),
            confirm=fields.take("confirm", Choice(CONFIRMATIONS), "tls"),
            resend=fields.take("resend", Seconds(0, 3600), 5.0),
            enterprise=fields.take("enterprise", Whole(1, 2**32 - 1), 32473),
            behind=fields.take("behind", Seconds(1, 604_800), 300.0),
            given=frozenset(each for each in _OF_SOME_KINDS if fields.node(each) is not None),
            place=node.place,
            place_key=key,
        )
        fields.done()
        return written if name and kind and form else None


_TLS_WANTED = "a table with the keys ca_file, certificate, key and name"
_OF_SOME_KINDS = (
    *("address", "url", "path", "tls", "token_env", "body", "largest", "confirm", "resend"),
    "enterprise",
)


def _tls(fields: Fields) -> tuple[str | None, str | None, str | None, str | None]:
    found = (
        fields.take("ca_file", _PATH, None),
        fields.take("certificate", _PATH, None),
        fields.take("key", _PATH, None),
        fields.take("name", Host(), None),
    )
    fields.done()
    return found
