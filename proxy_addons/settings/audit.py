"""The settings of looking at the access log, frozen: who may approve what, and for how long.

In: nothing (settings/load.py fills these). Out: values for audit/ and portal/.
Must never: hold a secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("reactive", "live", "dip-sample", "subject-access", "technical-support", "disclosure")
"""Kinds of authorisation."""

CLASSES = ("officer", "staff", "other")
"""Classes of subjects. What is without subjects is approved as `other` is."""

HEAD_OF_PSD = "head-of-psd"
"""The office that sees all authorisations and may end any (Inf/27 4.2.1, 4.2.7)."""

_ACU = ("head-of-acu",)
_HR = ("head-of-hr",)
_CONTROLLER = ("deputy-chief-constable", "chief-constable")
_PSD = (HEAD_OF_PSD,)
_PROTECTION = ("data-protection-officer",)

MATRIX: Mapping[tuple[str, str], tuple[str, ...]] = {
    # Inf/27 4.2.6. Of others than officers and staff it says nothing: then the system controller.
    ("reactive", "officer"): _ACU,
    ("reactive", "staff"): _HR,
    ("reactive", "other"): _CONTROLLER,
    # Inf/27 3.6: the Deputy Chief Constable, or the Chief Constable in their absence.
    **{("live", each): _CONTROLLER for each in CLASSES},
    # Inf/27 4.2.4: the Deputy Chief Constable has authorised routine random monitoring.
    **{("dip-sample", each): _CONTROLLER for each in CLASSES},
    # UK GDPR 39: who watches over data protection, and is no part of an investigation.
    **{("subject-access", each): _PROTECTION for each in CLASSES},
    # Inf/27 4.2.1: Professional Standards monitors, ICT helps.
    **{("technical-support", each): _PSD for each in CLASSES},
    # Inf/27 4.2.7, 4.3.1: Professional Standards keeps the records, its head advises.
    **{("disclosure", each): _PSD for each in CLASSES},
}
"""Kind and class → offices of which one has to approve."""

SPECIAL = ("banking", "dating", "health", "politics", "self-help")
"""Categories that are masked by default: those of the starter lists that tell of what UK GDPR 9
calls special, and of money."""


@dataclass(frozen=True, slots=True)
class Office:
    """One entry of `audit.offices`: who holds an office.

    Attributes:
        office: its id, such as `head-of-acu`.
        groups: common names of groups, compared without case; being in any one is enough.
        people: canonical login names that hold it besides.
    """

    office: str
    groups: tuple[str, ...] = ()
    people: tuple[str, ...] = ()


COMPARED = ("reactive", "disclosure")
"""Kinds that can come with a comparison: they are of one named person, and of the past."""

LEAST = 10
"""People whom a median is of, at least: of fewer, a quartile would be one of them."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`audit.comparison`: somebody's figures beside the median of their unit.

    Attributes:
        kinds: of authorisations that can come with it.
        people: colleagues that there have to be at least.
    """

    kinds: tuple[str, ...] = ("reactive",)
    people: int = LEAST


@dataclass(frozen=True, slots=True)
class Audit:
    """`audit`: authority to look at the access log.

    Attributes:
        form: name of the form of application (Inf/27 4.2.5).
        form_version: its version.
        offices: who holds which office.
        approvers: kind and class → offices of which one has to approve.
        validity: days for which an authorisation holds at most, from its approval or renewal.
        live_validity: the same of live monitoring.
        standing_validity: the same of the standing authority for dip samples.
        renewals: how often one can be renewed.
        urgent: hours within which an oral approval is confirmed in writing.
        deputies: days for which somebody may deputise at most.
        rows: most rows of one answer that can be asked for.
        special: categories whose sites are masked unless an authorisation names them.
        comparison: with the unit of the subject.
    """

    form: str = "Form 840"
    form_version: str = "v1"
    offices: tuple[Office, ...] = ()
    approvers: Mapping[tuple[str, str], tuple[str, ...]] = field(
        default_factory=lambda: dict(MATRIX)
    )
    validity: int = 92
    live_validity: int = 14
    standing_validity: int = 366
    renewals: int = 3
    urgent: int = 72
    deputies: int = 92
    rows: int = 100_000
    special: tuple[str, ...] = SPECIAL
    comparison: Comparison = field(default_factory=Comparison)
