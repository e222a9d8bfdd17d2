"""The settings of looking at the access log, put together from the table's values.

In: one `Given` for each key of audit_keys.py. Out: the dataclasses of audit.py.
Must never: leave what the policy asks to be approved without an office that approves it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from proxy_addons.settings import audit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from proxy_addons.settings.audit_kinds import ApproverSource, OfficeSource
    from proxy_addons.settings.kinds import Located
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.read_table import Given

_SECTION = "audit."


class AuditBuilder:
    """Turns the values of the table into the settings of looking at the access log.

    Args:
        given: of every key.
        report: takes the problems.
    """

    def __init__(self, given: Mapping[str, Given], report: Report) -> None:
        self._given = given
        self._report = report

    def categories(self) -> tuple[Located, ...]:
        """Categories and groups that the force names; the policy must know them.

        The default is of the starter lists, which a force need not have.
        """
        if self._given["audit.special"].place == "default":
            return ()
        found: tuple[Located, ...] = self._value("special") or ()
        return found

    def built(self) -> audit.Audit:
        """`audit`, its categories as written; see `with_categories`."""
        return audit.Audit(
            form=self._value("form") or "",
            form_version=self._value("form_version") or "",
            offices=self._offices(),
            approvers=self._approvers(),
            validity=self._value("validity"),
            live_validity=self._value("live_validity"),
            standing_validity=self._value("standing_validity"),
            renewals=self._value("renewals"),
            urgent=self._value("urgent"),
            deputies=self._value("deputies"),
            rows=self._value("rows"),
            special=tuple(each.text for each in self._value("special") or ()),
            comparison=audit.Comparison(
                kinds=self._value("comparison.kinds") or (),
                people=self._value("comparison.people") or audit.LEAST,
            ),
        )

    def _offices(self) -> tuple[audit.Office, ...]:
        sources: tuple[OfficeSource, ...] = self._value("offices") or ()
        first: dict[str, OfficeSource] = {}
        for each in sources:
            if first.setdefault(each.office, each) is not each:
                message = f"{each.office} is given twice, first at {first[each.office].place}"
                self._report.add(each.place, f"{each.key}.office", message)
        return tuple(audit.Office(each.office, each.groups, each.people) for each in sources)

    def _approvers(self) -> dict[tuple[str, str], tuple[str, ...]]:
        sources: tuple[ApproverSource, ...] = self._value("approvers") or ()
        matrix, first = dict(audit.MATRIX), dict[str, str]()
        for each in sources:
            if each.kind in first:
                message = f"{each.kind} is given twice, first at {first[each.kind]}"
                self._report.add(each.place, f"{each.key}.kind", message)
            first.setdefault(each.kind, each.place)
            matrix |= {(each.kind, name): offices for name, offices in each.offices.items()}
        return matrix

    def _value(self, name: str) -> Any:
        return self._given[_SECTION + name].value


def with_categories(
    built: audit.Audit, expanded: Callable[[Collection[str]], frozenset[str]]
) -> audit.Audit:
    """The same with groups expanded and list aliases included, as records may have them.

    Args:
        built: as written.
        expanded: what the policy makes of names (`Policy.expanded`).
    """
    return replace(built, special=tuple(sorted(expanded(built.special))))
