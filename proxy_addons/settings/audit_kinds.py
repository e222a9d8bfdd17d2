"""Kinds of value of the settings of looking at the access log: offices, and what they approve.

In: a node of the configuration. Out: a typed value, or None with the problem reported.
Must never: guess an office.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.settings.audit import CLASSES, KINDS
from proxy_addons.settings.kinds import Choice, Fields, ListOf, Pattern
from proxy_addons.settings.people_kinds import GROUP, LoginName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node

OFFICE = Pattern(r"[a-z][a-z0-9]*(?:-[a-z0-9]+){0,9}", "the id of an office such as head-of-acu")


@dataclass(frozen=True, slots=True)
class OfficeSource:
    """One entry of `audit.offices`."""

    office: str
    groups: tuple[str, ...]
    people: tuple[str, ...]
    place: str
    key: str


@dataclass(frozen=True, slots=True)
class OfficeKind:
    """One entry of `audit.offices`."""

    wanted: str = "a table with the keys office, groups and people"

    def read(self, node: Node, key: str, report: Report) -> OfficeSource | None:
        """See `Kind.read`."""
        fields = Fields(node, key, report, self.wanted)
        office = fields.need("office", OFFICE, "")
        groups = fields.take("groups", ListOf(GROUP, one=True), ())
        people = fields.take("people", ListOf(LoginName(), one=True), ())
        fields.done()
        if not office:
            return None
        if not groups and not people:
            report.add(node.place, key, "gives the office to nobody; wanted groups or people")
            return None
        return OfficeSource(office, groups or (), people or (), node.place, key)


@dataclass(frozen=True, slots=True)
class ApproverSource:
    """One entry of `audit.approvers`."""

    kind: str
    offices: Mapping[str, tuple[str, ...]]
    place: str
    key: str


@dataclass(frozen=True, slots=True)
class ApproverKind:
    """One entry of `audit.approvers`."""

    wanted: str = "a table with the keys kind, officer, staff and other"

    def read(self, node: Node, key: str, report: Report) -> ApproverSource | None:
        """See `Kind.read`."""
        fields = Fields(node, key, report, self.wanted)
        kind = fields.need("kind", Choice(KINDS), "")
        offices = {
            each: found
            for each in CLASSES
            if (found := fields.take(each, ListOf(OFFICE, one=True, least=1), ()))
        }
        fields.done()
        if not kind:
            return None
        if not offices:
            report.add(node.place, key, "names no office; wanted officer, staff or other")
            return None
        return ApproverSource(kind, offices, node.place, key)
