"""The site that a host belongs to, as people think of it: one confirmation is for all of it.

In: a canonical host. Out: its registrable domain by the Public Suffix List; the host itself where
it has none (an address, a public suffix, a single label).
Must never: take two owners' hosts for one site.
"""

from __future__ import annotations

from functools import lru_cache

import publicsuffix2  # type: ignore[import-untyped] # comes with mitmproxy

_LIST = publicsuffix2.PublicSuffixList()


@lru_cache(maxsize=4096)
def site_of(host: str) -> str:
    """The site of a canonical host."""
    if ":" in host or host.rpartition(".")[2].isdigit() or "." not in host:
        return host
    suffix = _LIST.get_tld(host)
    if not suffix or suffix == host:
        return host
    return f"{host.removesuffix(f'.{suffix}').rpartition('.')[2]}.{suffix}"
