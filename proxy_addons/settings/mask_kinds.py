"""`log` of policy.yaml: the sites of which the access log has no query.

In: its table. Out: a `MaskSource`, or problems; a `QueryMask` once its names are known.
Must never: resolve a name before all sections are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.policy.effects import QueryMask
from proxy_addons.settings.entries import CATEGORY
from proxy_addons.settings.kinds import Fields, ListOf, Located, Named
from proxy_addons.settings.netkinds import Host
from proxy_addons.settings.tree import dotted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node


@dataclass(frozen=True, slots=True)
class MaskSource:
    """What is masked, as written.

    Attributes:
        categories: categories and groups.
        hosts: canonical.
    """

    categories: tuple[Located, ...] = ()
    hosts: tuple[str, ...] = ()

    def built(self, expanded: Callable[[Collection[str]], frozenset[str]]) -> QueryMask:
        """The same, once all names are known.

        Args:
            expanded: gives the categories of names, groups expanded, list aliases included.
        """
        names = [name.text for name in self.categories]
        return QueryMask(expanded(names), frozenset(self.hosts), tuple(names))


NO_MASK = MaskSource()
_MASK = "a table with the keys categories and hosts"


@dataclass(frozen=True, slots=True)
class Log:
    """The section."""

    wanted: str = "a table with the key mask_query"

    def read(self, node: Node, key: str, report: Report) -> MaskSource | None:
        """See `Kind.read`."""
        fields = Fields(node, key, report, self.wanted)
        inner = fields.node("mask_query", required=_MASK)
        fields.done()
        return None if inner is None else _Mask().read(inner, dotted(key, "mask_query"), report)


@dataclass(frozen=True, slots=True)
class _Mask:
    wanted: str = _MASK

    def read(self, node: Node, key: str, report: Report) -> MaskSource:
        fields = Fields(node, key, report, self.wanted)
        names = ListOf(Named(CATEGORY), one=True, least=1)
        categories = fields.take("categories", names, ())
        hosts = fields.take("hosts", ListOf(Host(), one=True, least=1), ())
        fields.done()
        return MaskSource(categories, hosts)
