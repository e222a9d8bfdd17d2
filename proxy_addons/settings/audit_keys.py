"""The rows of the table of settings about looking at the access log.

In: nothing. Out: rows for table.py. audit.py says what the values mean in the program,
audit_build.py what must fit together.
Must never: hold a secret as a value.
"""

from __future__ import annotations

from proxy_addons.settings.audit import COMPARED, LEAST, SPECIAL
from proxy_addons.settings.audit_kinds import ApproverKind, OfficeKind
from proxy_addons.settings.entries import CATEGORY
from proxy_addons.settings.kinds import Choice, ListOf, Named, Text, Whole
from proxy_addons.settings.setting import Setting

_YEARS = 3660  # days: ten of them

AUDIT: tuple[Setting, ...] = (
    Setting("audit.form", Text("the name of a form"), "Form 840", "The form of application."),
    Setting("audit.form_version", Text("the version of a form"), "v1", "Its version."),
    Setting(
        "audit.offices",
        ListOf(OfficeKind()),
        (),
        "Who holds which office; nobody else approves.",
        textual=False,
    ),
    Setting(
        "audit.approvers",
        ListOf(ApproverKind()),
        (),
        "Which offices approve what, where that is not as the policy has it.",
        textual=False,
    ),
    Setting(
        "audit.validity",
        Whole(1, 366),
        92,
        "Days for which an authorisation holds at most, from its approval or renewal.",
    ),
    Setting("audit.live_validity", Whole(1, 92), 14, "The same, of live monitoring."),
    Setting(
        "audit.standing_validity",
        Whole(1, _YEARS),
        366,
        "The same, of the standing authority for dip samples.",
    ),
    Setting("audit.renewals", Whole(0, 100), 3, "How often an authorisation can be renewed."),
    Setting(
        "audit.urgent",
        Whole(1, 168),
        72,
        "Hours within which an oral approval has to be confirmed in writing.",
    ),
    Setting("audit.deputies", Whole(1, 366), 92, "Days for which somebody may deputise at most."),
    Setting(
        "audit.rows",
        Whole(1, 10_000_000),
        100_000,
        "Most rows of one answer that can be asked for.",
    ),
    Setting(
        "audit.special",
        ListOf(Named(CATEGORY), one=True),
        SPECIAL,
        "Categories and groups whose sites are masked unless an authorisation names them.",
    ),
    Setting(
        "audit.comparison.kinds",
        ListOf(Choice(COMPARED), one=True),
        ("reactive",),
        "Kinds of authorisation that can come with a comparison with the unit's median.",
    ),
    Setting(
        "audit.comparison.people",
        Whole(LEAST, 10_000),
        LEAST,
        "Colleagues that a unit has to have at least for a comparison.",
    ),
)
