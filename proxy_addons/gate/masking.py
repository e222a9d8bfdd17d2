"""Masking: the query of an address, where the policy says that the log must not have it.

In: the policy, an address, the categories of its names. Out: the address as it may be recorded.
Must never: let a query through because nobody could tell what site it is of.

What people type into a search box of a health site says more about them than that they were there.
DESIGN.md decision 11: queries are logged, and can be masked for kinds of sites.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.policy.compiled import host_and_parents

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from proxy_addons.policy.compiled import Policy
    from proxy_addons.urlkey import UrlKey

MASKED = "masked"
"""What stands in place of a query."""


def is_masked(policy: Policy, categories: Collection[str], keys: Iterable[UrlKey]) -> bool:
    """Whether the query of a request must not be recorded.

    Args:
        policy: the compiled policy.
        categories: of all its names.
        keys: its names.
    """
    if not policy.masks.categories.isdisjoint(categories):
        return True
    hosts = policy.masks.hosts
    return bool(hosts) and any(
        not hosts.isdisjoint((key.host,) if key.is_address else host_and_parents(key.host))
        for key in keys
    )


def without_query(url: str) -> str:
    """An address with its query masked; one without a query as it is."""
    before, mark, _ = url.partition("?")
    return f"{before}?{MASKED}" if mark else url
