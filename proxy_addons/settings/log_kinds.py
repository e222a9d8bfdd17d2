"""Kinds of value that name witnesses and time-stamping authorities.

In: a node of the configuration. Out: a typed value, or None with the problem reported.
Must never: contact anybody.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from proxy_addons.settings.kinds import text_of
from proxy_addons.settings.log import Witness
from proxy_addons.settings.problems import quoted

if TYPE_CHECKING:
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node

_KEY: Final = re.compile(r"([^\s+]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{1,100})")
_COSIGNATURE: Final = 4  # type of an Ed25519 key of a witness (C2SP tlog-cosignature)
_OCTETS: Final = 33


@dataclass(frozen=True, slots=True)
class ServiceUrl:
    """The URL of a service that answers with something signed: it may be reached in the clear."""

    wanted: str = "http://host/path or https://host/path"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`. The value is without a slash at its end."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        if not _is_url(text):
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        return text.removesuffix("/")


@dataclass(frozen=True, slots=True)
class WitnessKind:
    """A witness: where it answers, and its key."""

    wanted: str = "the URL and the key of a witness, `https://host name+id+key`"

    def read(self, node: Node, key: str, report: Report) -> Witness | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        url, _, said = text.partition(" ")
        if not _is_url(url) or not _is_key(said.strip()):
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        return Witness(url.removesuffix("/"), said.strip())


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        return False  # reported by the caller
    return sound and "@" not in parts.netloc and not parts.query and not parts.fragment


def _is_key(text: str) -> bool:
    match = _KEY.fullmatch(text)
    if match is None:
        return False
    try:
        octets = base64.b64decode(match[3], validate=True)
    except binascii.Error:
        return False  # reported by the caller
    named = hashlib.sha256(match[1].encode() + b"\n" + octets).hexdigest()[:8]
    return len(octets) == _OCTETS and octets[0] == _COSIGNATURE and named == match[2]
