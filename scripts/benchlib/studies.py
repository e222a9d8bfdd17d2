"""Which studies there are, in the order in which a run does them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchlib.auditerase import AuditErase
from benchlib.auditgrowth import AuditGrowth
from benchlib.auditquery import AuditQuery
from benchlib.auditseal import AuditSeal
from benchlib.bulk import SpliceBulk
from benchlib.content import ContentDocuments, ContentLarge
from benchlib.contentpages import ContentPages
from benchlib.decide import Decide
from benchlib.decisions import Decisions
from benchlib.download import Download
from benchlib.growth import Growth
from benchlib.h2requests import Http2Requests
from benchlib.idle import Idle
from benchlib.importing import Import
from benchlib.index import Index
from benchlib.latency import Latency
from benchlib.shiftchange import ShiftChangeStudy
from benchlib.signedin import SignedIn
from benchlib.signin import SignIn
from benchlib.workers import TwoWorkers

if TYPE_CHECKING:
    from benchlib.study import Study

STUDIES: dict[str, type[Study]] = {
    study.name: study
    for study in (
        Latency,
        SpliceBulk,
        Download,
        TwoWorkers,
        Decisions,
        Decide,
        Idle,
        Http2Requests,
        SignIn,
        SignedIn,
        ShiftChangeStudy,
        ContentPages,
        ContentDocuments,
        ContentLarge,
        AuditSeal,
        AuditQuery,
        AuditGrowth,
        AuditErase,
        Growth,
        Index,
        Import,
    )
}
