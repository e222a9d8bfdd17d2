"""Kinds of value that say what a rule does besides deciding: where it leads, what it changes.

In: the table of a rule. Out: its `Effects`, or problems.
Must never: take a header that says where a request goes or ends, who sends it or what its body is;
take a value with a line break in it.

Names and values of header fields: RFC 9110 5.1 and 5.5, visible ASCII only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.policy.effects import NO_EFFECTS, Effects
from proxy_addons.policy.model import REFUSALS, Action
from proxy_addons.settings.kinds import Flag, ListOf, text_of
from proxy_addons.settings.problems import quoted
from proxy_addons.settings.tree import Mapping, describe, dotted
from proxy_addons.urlkey import UrlKeyError, url_key

if TYPE_CHECKING:
    from proxy_addons.settings.kinds import Fields
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node

PLACEHOLDERS: Final = frozenset({"url", "host", "rule"})
"""What `to` may hold in braces."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
_VALUE = re.compile(r"[!-~](?:[\t -~]{0,7998}[!-~])?")
_PARAMETER = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NO_CREDENTIALS = re.compile(r"https?://[^/?#@\\]+(?:[/?#].*)?", re.IGNORECASE | re.ASCII)

_NOT_OURS: Final = {
    "of this hop only (RFC 9110 7.6.1)": {
        *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
        *("http2-settings", "expect"),
    },
    "part of where the request goes, or of how it is sent": {
        *("host", "content-length", "via", "range", "if-range", "accept-encoding", "max-forwards"),
    },
    "what the body is": {"content-type", "content-encoding", "content-disposition"},
    "a credential": {"authorization", "cookie", "cookie2"},
    "never sent on (docs/configuration.md)": {
        *("forwarded", "x-forwarded", "x-real-ip", "x-client-ip", "client-ip", "true-client-ip"),
        *("x-cluster-client-ip", "cf-connecting-ip", "x-originating-ip", "x-remote-ip"),
        *("x-remote-addr", "x-host", "x-http-host-override", "x-original-host", "x-original-url"),
        *("x-rewrite-url",),
    },
    "in place of the request's method": {
        *("x-http-method", "x-http-method-override", "x-method-override"),
    },
}
_BEGINNINGS: Final = {
    "proxy-": "between a client and a proxy alone (RFC 9110 11.7)",
    "x-forwarded-": "never sent on (docs/configuration.md)",
    "content-": "what the body is",
}


def why_not(name: str) -> str:
    """Why no rule may set or remove a header; "" where one may.

    Args:
        name: in any case.
    """
    name = name.lower()
    for why, names in _NOT_OURS.items():
        if name in names:
            return why
    return next((why for start, why in _BEGINNINGS.items() if name.startswith(start)), "")


@dataclass(frozen=True, slots=True)
class HeaderName:
    """The name of a header field that a rule may change."""

    wanted: str = "the name of a header such as YouTube-Restrict"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        if _TOKEN.fullmatch(text) is None:
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        if why := why_not(text):
            report.add(node.place, key, f"{text} is {why}; no rule may set or remove it")
            return None
        return text


@dataclass(frozen=True, slots=True)
class HeaderValue:
    """The value of a header field."""

    wanted: str = "a text of visible ASCII in one line, without spaces at its ends"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`. What is wrong is not repeated: a value may be a secret of the force."""
        text = text_of(node, key, report, self.wanted)
        if text is not None and _VALUE.fullmatch(text) is None:
            report.add(node.place, key, f"found another text; wanted {self.wanted}")
            return None
        return text


@dataclass(frozen=True, slots=True)
class _Parameter:
    wanted: str = "the name of a parameter such as safe"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        text = text_of(node, key, report, self.wanted)
        if text is not None and _PARAMETER.fullmatch(text) is None:
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        return text


@dataclass(frozen=True, slots=True)
class _Pairs:
    """A table of names and values."""

    name: HeaderName | _Parameter

    @property
    def wanted(self) -> str:
        return f"a table: {self.name.wanted} → a value"

    def read(self, node: Node, key: str, report: Report) -> tuple[tuple[str, str], ...] | None:
        if not isinstance(node, Mapping) or not node.entries:
            report.add(node.place, key, f"{describe(node)}; wanted {self.wanted}")
            return None
        found: dict[str, tuple[str, str]] = {}
        for name_node, value_node in node.entries:
            inner = dotted(key, name_node.text)
            name = self.name.read(name_node, inner, report)
            value = HeaderValue().read(value_node, inner, report)
            if name is None or value is None:
                continue
            same = name if isinstance(self.name, _Parameter) else name.lower()
            if same in found:
                message = f"is {found[same][0]} once more; headers have no case"
                report.add(name_node.place, inner, message)
            found[same] = (name, value)
        return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Target:
    """Where a rule leads."""

    wanted: str = (
        "an address with http:// or https:// and without a user name, such as"
        " https://intranet.example/help?page={url}"
    )

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        text = text.strip()
        authority = text.partition("//")[2]
        at = min((authority.find(each) for each in "/?#" if each in authority), default=len(text))
        if "{" in authority[:at]:
            message = "placeholders may stand in the path and the query, not in the host"
            report.add(node.place, key, message)
            return None
        for name in _PLACEHOLDER.findall(text):
            if name not in PLACEHOLDERS:
                known = ", ".join(f"{{{each}}}" for each in sorted(PLACEHOLDERS))
                message = f"found {quoted(f'{{{name}}}')}; wanted one of {known}"
                report.add(node.place, key, message)
                return None
        plain = _PLACEHOLDER.sub("x", text)
        if _NO_CREDENTIALS.fullmatch(plain) is None or _VALUE.fullmatch(plain) is None:
            # It is not repeated: there may be a password in it.
            report.add(node.place, key, f"found another text; wanted {self.wanted}")
            return None
        try:
            url_key(plain.partition("#")[0])
        except UrlKeyError as problem:
            # Browsers would not agree on where it leads: the configuration is refused with it.
            report.add(node.place, key, f"has no single meaning: {problem}; wanted {self.wanted}")
            return None
        return text


_CHANGES = ("set_headers", "remove_headers", "set_query")


def read_effects(fields: Fields, action: Action, place: str, key: str, report: Report) -> Effects:
    """What a rule does besides deciding.

    Args:
        fields: of the rule.
        action: of the rule.
        place: file and line of the rule.
        key: its dotted key.
        report: takes the problems.
    """
    given = {name for name in (*_CHANGES, "to") if fields.node(name) is not None}
    found = Effects(
        to=fields.take("to", Target(), ""),
        never_overridden=fields.take("never_overridden", Flag(), default=False),
        stealth=fields.take("stealth", Flag(), default=False),
        set_headers=fields.take("set_headers", _Pairs(HeaderName()), ()),
        remove_headers=fields.take("remove_headers", ListOf(HeaderName(), one=True, least=1), ()),
        set_query=fields.take("set_query", _Pairs(_Parameter()), ()),
    )
    if action is Action.REDIRECT and "to" not in given:
        report.add(place, key, f"redirects, but to is not given; wanted {Target().wanted}")
    elif action is not Action.REDIRECT and "to" in given:
        report.add(place, f"{key}.to", "only a rule with action: redirect leads anywhere")
    changes = sorted(given.intersection(_CHANGES))
    if action is Action.MODIFY and not changes:
        report.add(place, key, f"modifies nothing; wanted {', '.join(_CHANGES[:-1])} or set_query")
    elif action is not Action.MODIFY and changes:
        message = "only a rule with action: modify changes requests"
        report.add(place, f"{key}.{changes[0]}", message)
    both = {name.lower() for name, _ in found.set_headers}
    for name in found.remove_headers:
        if name.lower() in both:
            message = f"{name} is set as well; what is set replaces the client's own anyway"
            report.add(place, f"{key}.remove_headers", message)
    if found.never_overridden and action not in REFUSALS:
        message = "only what is blocked or redirected can be so; the rule does not refuse"
        report.add(place, f"{key}.never_overridden", message)
    if found.stealth and action not in {*REFUSALS, Action.COACH}:
        message = "only a rule that blocks, redirects or coaches can be on trial"
        report.add(place, f"{key}.stealth", message)
    return found if given or found.never_overridden or found.stealth else NO_EFFECTS
