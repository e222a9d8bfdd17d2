"""Whether what was observed of a row is what must be observed.

In: a row, what was observed. Out: a verdict with its reason.
Must never: call a row good for want of evidence: where something cannot be seen, it is said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from proxy_addons.selftest.send import OFFERED_OTHER
from proxy_addons.selftest.table import filled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from proxy_addons.selftest.observed import Answer, Observed
    from proxy_addons.selftest.table import Row

_UNREAD = "tunnel-without-request"


class Outcome(StrEnum):
    """What a row came to."""

    OK = "ok"
    HOLE = "HOLE"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a row came to, and why.

    Attributes:
        outcome: as it says.
        why: for a hole what is wrong; for a row that was not run what it needs; else "".
    """

    outcome: Outcome
    why: str = ""


def judge(row: Row, seen: Observed, names: Mapping[str, str]) -> Verdict:
    """Judge one row.

    Args:
        row: what was sent.
        seen: what was observed.
        names: of the placeholders.
    """
    if row.h2 and seen.tls == OFFERED_OTHER:
        return Verdict(Outcome.NOT_RUN, "HTTP/2 is not offered (tls.http2)")
    reasons = {}
    for want in row.want:
        problem = next(_problems(row, seen, want, names), None)
        if problem is None:
            return Verdict(Outcome.OK)
        reasons[want] = problem
    return Verdict(Outcome.HOLE, "; ".join(f"not {want}: {why}" for want, why in reasons.items()))


def _problems(row: Row, seen: Observed, want: str, names: Mapping[str, str]) -> Iterator[str]:
    """What speaks against a row having come out as wanted."""
    passed = 0 if want != "passed" and "passed" in row.want else row.passed
    answers = seen.answers
    first, rest = answers[:passed], answers[passed:]
    if len(first) < passed or not all(answer.by_origin for answer in first):
        yield f"wanted {passed} answers of the origin, got: {seen.said}"
    if any(answer.by_origin for answer in rest):
        yield f"more came from the origin than should: {seen.said}"
    if want == "withheld":
        yield from _came(row, seen)
    elif want == "refused":
        yield from _unrefused(row, seen, passed)
    elif want == "passed":
        if not all(answer.by_gateway for answer in rest):
            yield f"got: {seen.said}"
    else:
        yield from _unclosed(row, seen, want, rest)
    if seen.origin is not None:
        yield from _reached(row, seen, want, passed, names)
    if seen.records is not None:
        yield from _unrecorded(row, seen, want)


def _unclosed(row: Row, seen: Observed, want: str, rest: Sequence[Answer]) -> Iterator[str]:
    if rest and (want == "closed" or not _says_cut(row, rest)):
        yield f"wanted no answer, got: {seen.said}"
    elif not seen.ended:
        yield "the connection was left open"


def _says_cut(row: Row, answers: Sequence[Answer]) -> bool:
    """Whether what came back is but Watchhouse saying that it broke the request off."""
    return all(answer.by_gateway and answer.status in row.status for answer in answers)


def _came(row: Row, seen: Observed) -> Iterator[str]:
    """What speaks against an answer having been withheld, or broken off where it had begun."""
    for answer in seen.answers:
        if answer.by_gateway and answer.status not in row.status:
            yield f"wanted {_list(row.status)}, got: {seen.said}"
        elif not answer.by_gateway and not (answer.status == 0 and row.h2):
            yield f"answered, but not by Watchhouse: {seen.said}"
    if not seen.answers and not seen.ended:
        yield "the connection was left open"


def _unrefused(row: Row, seen: Observed, passed: int) -> Iterator[str]:
    rest = seen.answers[passed:]
    if not rest:
        yield f"no refusal, but {seen.said}"
    for answer in rest:
        # Over HTTP/2 a stream may be reset instead: nothing can be shown there.
        reset = answer.status == 0 and row.h2
        if not reset and not answer.by_gateway:
            yield f"answered, but not by Watchhouse: {seen.said}"
        elif not reset and answer.status not in row.status:
            yield f"wanted {_list(row.status)}, got: {seen.said}"
    if seen.rest and not (rest and row.data.startswith("HEAD ")):
        yield f"bytes beyond the answers: {seen.rest[:60]!r}"


def _reached(
    row: Row, seen: Observed, want: str, passed: int, names: Mapping[str, str]
) -> Iterator[str]:
    """What the origin got that it should not have got, or did not get that it should."""
    assert seen.origin is not None
    cut = want in {"cut", "withheld"}
    # For a part of a file it is asked several times.
    most = seen.requests if want == "withheld" else passed + cut
    least = 1 if want == "withheld" else passed
    if not least <= seen.requests <= most:
        yield f"the origin got {seen.requests} requests, not {least}"
    everything = b"\n".join(seen.origin).decode("latin-1")
    if not passed and everything and not cut:
        yield f"the origin was contacted: {everything[:60]!r}"
    if not row.mentions and names["blocked"].lower() in everything.lower():
        yield "the refused name reached the origin"
    for expression in row.gets if least else ():
        if not re.search(filled(expression, names), everything):
            yield f"the origin did not get {expression!r}"
    for expression in row.never:
        if re.search(filled(expression, names), everything):
            yield f"the origin got {expression!r}"


def _unrecorded(row: Row, seen: Observed, want: str) -> Iterator[str]:
    """What is missing in the access log."""
    assert seen.records is not None
    if not seen.records:
        yield "no record"
        return
    # Of what comes back, more may be asked before it is given: the answer has not come either way.
    refusals = {"block", "coach"} if want == "withheld" else {"block"}
    blocks = [record for record in seen.records if record["action"] in refusals]
    if want in {"passed", "cut"}:
        if len(blocks) == len(seen.records):
            yield "no record of what passed"
        if want == "cut" and not any(record["error"] for record in seen.records):
            yield "no record says that it was broken off"
        return
    # Where no request could be read, and nothing was connected to, that is what the record says.
    unread = [record for record in seen.records if record["rule"] == _UNREAD]
    if want == "closed" and unread and not any(record["server_ip"] for record in unread):
        blocks += unread
    if not blocks:
        yield f"no record of a refusal, but {_list(r['rule'] for r in seen.records)}"
    elif row.rules and not any(record["rule"] in row.rules for record in blocks):
        yield f"recorded as {_list(r['rule'] for r in blocks)}, not {_list(row.rules)}"
    statuses = {record["status"] for record in blocks}
    for answer in seen.answers:
        if answer.by_gateway and answer.status and answer.status not in statuses:
            yield f"status {answer.status} is in no record of a refusal"


def _list(values: object) -> str:
    assert not isinstance(values, str)
    return " or ".join(dict.fromkeys(map(str, values)))  # type: ignore[call-overload]
