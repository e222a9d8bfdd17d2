"""Masking: what of a record does not leave the gateway.

In: a record, the rules of a feed's mask and its key. Out: another record, with less in it.
Must never: change the record it was given; leave in another text what was cut off a URL.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from proxy_addons.settings.feeds import MaskRule

CUT = "[masked]"
_TEXTS = ("error", "reason", "content_type")  # in which a URL may be repeated


def masked(
    record: Mapping[str, Any], rules: Sequence[MaskRule], key: bytes = b""
) -> dict[str, Any]:
    """Apply a mask.

    Args:
        record: as in the segment.
        rules: all are applied, in their order; which records they are about is decided by the
            record as it was, not by what an earlier rule left of it.
        key: of HMAC-SHA256, for rules that say `hash`.

    Returns:
        A record with the same fields. Dropped ones are null, or an empty list where they held one.
    """
    categories = record.get("categories")
    known = frozenset(categories) if isinstance(categories, list) else frozenset[str]()
    left = dict(record)
    for rule in rules:
        if rule.categories is not None and not rule.categories & known:
            continue
        for name in rule.fields:
            if left.get(name) is not None:
                left[name] = _done(rule.deed, left[name], key)
    _follow(record.get("url"), left)
    return left


def _done(deed: str, value: Any, key: bytes) -> Any:
    if deed == "drop":
        return [] if isinstance(value, list) else None
    if deed == "hash":
        if isinstance(value, list):
            return [_hash(each, key) for each in value]
        return _hash(value, key)
    return cut_url(value, to_host=deed == "host")


def _hash(value: Any, key: bytes) -> str:
    digest = hmac.new(key, str(value).encode("utf-8", "surrogatepass"), hashlib.sha256)
    return f"hmac:{digest.hexdigest()}"


def cut_url(url: Any, *, to_host: bool) -> str | None:
    """A URL without its query and fragment, or cut to scheme and host.

    What cannot be read as a URL is dropped: nobody knows where a query would begin in it.
    """
    if not isinstance(url, str):
        return None
    head = url.split("?", 1)[0].split("#", 1)[0]
    if not to_host:
        return head
    try:
        parts = urlsplit(head)
    except ValueError:
        # An address that is none: all of it is dropped.
        return None
    if not parts.netloc:
        # A tunnel is logged as host:port, and there is nothing more to it.
        return head if "/" not in head else None
    return f"{parts.scheme}://{parts.netloc}/"


def _follow(url: Any, left: dict[str, Any]) -> None:
    """Take out of other texts what was taken out of the URL."""
    if not isinstance(url, str) or url == left.get("url"):
        return
    now = left.get("url")
    kept = now if isinstance(now, str) and url.startswith(now) else ""
    for name in _TEXTS:
        text = left.get(name)
        if not isinstance(text, str):
            continue
        text = text.replace(url, f"{kept}{CUT}")
        rest = url[len(kept) :]
        if len(rest) > 3:  # a lone "?a" could stand anywhere
            text = text.replace(rest, CUT)
        left[name] = text
