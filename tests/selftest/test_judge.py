"""Verdicts: each thing that is missing is a hole, however good the rest looks."""

from __future__ import annotations

from typing import Any

import pytest

from proxy_addons.selftest.hello import Hello
from proxy_addons.selftest.judge import Outcome, judge
from proxy_addons.selftest.observed import ORIGIN_FIELD, Answer, Observed, answers_in
from proxy_addons.selftest.table import Row

NAMES = {"blocked": "blocked.test"}
REFUSAL = Answer(403, {"proxy-status": 'watchhouse; details="rule webmail"'}, b"Reference: R1\n")
PASSED = Answer(200, {ORIGIN_FIELD: "1"}, b"ok")
STRANGER = Answer(403, {}, b"no")
BLOCK = {"action": "block", "rule": "webmail", "status": 403, "error": None, "server_ip": None}
ALLOW = {"action": "allow", "rule": "else", "status": 200, "error": None, "server_ip": "192.0.2.1"}
UNREAD = {**BLOCK, "action": "allow", "rule": "tunnel-without-request", "status": None}
BROKEN = {**ALLOW, "error": "a chunk that cannot be read"}


def row(*want: str, **more: Any) -> Row:
    return Row("group", "row", want=want, data="GET / HTTP/1.1\r\n\r\n", **more)


def seen(*answers: Answer, **more: Any) -> Observed:
    return Observed(ports=[1], answers=answers, ended=True, **more)


GOOD = [
    (row("refused"), seen(REFUSAL)),
    (row("refused"), seen(REFUSAL, origin=[], records=[BLOCK])),
    (row("refused", rules=("webmail",)), seen(REFUSAL, records=[ALLOW, BLOCK])),
    (row("refused", passed=1), seen(PASSED, REFUSAL, origin=[b"GET / x"], requests=1)),
    (row("closed"), seen(origin=[], records=[BLOCK])),
    (row("closed"), seen(records=[UNREAD])),
    (row("cut"), seen(origin=[b"POST /"], records=[BROKEN])),
    (row("cut"), seen(Answer(400, REFUSAL.fields), origin=[b"a"], records=[BROKEN])),
    (row("passed", passed=1, gets=("^GET",)), seen(PASSED, origin=[b"GET"], requests=1)),
    (row("passed", "refused", passed=1, gets=("x",)), seen(REFUSAL, origin=[], records=[BLOCK])),
    (row("passed", passed=1, mentions=True), seen(PASSED, origin=[b"blocked.test"], requests=1)),
    (row("refused", h2=(((), ""),), tls=Hello()), seen(Answer(0, {}))),
    (row("withheld"), seen(REFUSAL, origin=[b"GET"], requests=1, records=[BLOCK])),
    (row("withheld"), seen(rest=b"HTTP/1.1 200 OK", origin=[b"GET"], requests=3, records=[BLOCK])),
    (row("withheld", h2=(((), ""),)), seen(Answer(0, {}), origin=[b"GET"], requests=1)),
]
ASKED = {"origin": [b"GET"], "requests": 1}
HOLES = [
    (row("withheld"), seen(PASSED, **ASKED), "from the origin"),
    (row("withheld"), seen(STRANGER, **ASKED), "not by Watchhouse"),
    (row("withheld", status=(502,)), seen(REFUSAL, **ASKED), "wanted 502"),
    (row("withheld"), seen(Answer(0, {}), **ASKED), "not by Watchhouse"),
    (row("withheld"), seen(REFUSAL, origin=[], requests=0), "got 0 requests, not 1"),
    (row("withheld"), seen(REFUSAL, records=[ALLOW], **ASKED), "no record of a refusal"),
    (
        row("withheld", rules=("games",)),
        seen(REFUSAL, records=[BLOCK], **ASKED),
        "recorded as webmail",
    ),
    (row("withheld"), Observed(ports=[1], **ASKED), "was left open"),
    (row("refused"), seen(), "no refusal"),
    (row("refused"), seen(STRANGER), "not by Watchhouse"),
    (row("refused"), seen(PASSED), "from the origin"),
    (row("refused", status=(400,)), seen(REFUSAL), "wanted 400"),
    (row("refused"), seen(REFUSAL, rest=b"HTTP/0.9"), "bytes beyond"),
    (row("refused"), seen(REFUSAL, PASSED), "from the origin"),
    (row("refused"), seen(REFUSAL, origin=[b"\x16"]), "was contacted"),
    (row("refused"), seen(REFUSAL, origin=[b"GET"], requests=1), "1 requests, not 0"),
    (row("refused"), seen(REFUSAL, records=[]), "no record"),
    (row("refused"), seen(REFUSAL, records=[ALLOW]), "no record of a refusal"),
    (row("refused", rules=("games",)), seen(REFUSAL, records=[BLOCK]), "recorded as webmail"),
    (row("refused"), seen(REFUSAL, records=[{**BLOCK, "status": 400}]), "in no record"),
    (row("refused", passed=1), seen(REFUSAL), "wanted 1 answers of the origin"),
    (row("refused", passed=1), seen(PASSED, PASSED, requests=2), "more came from the origin"),
    (
        row("refused", passed=1),
        seen(PASSED, REFUSAL, origin=[b"a\r\nHost: BLOCKED.test"], requests=1),
        "the refused name reached",
    ),
    (row("closed"), seen(REFUSAL), "wanted no answer"),
    (row("closed"), Observed(ports=[1], silent=True), "left open"),
    (row("closed"), seen(records=[{**UNREAD, "server_ip": "192.0.2.1"}]), "no record of a refusal"),
    (row("cut"), seen(origin=[b"a"], requests=2, records=[BROKEN]), "2 requests"),
    (row("cut"), seen(STRANGER), "wanted no answer"),
    (row("cut"), seen(records=[ALLOW]), "no record says that it was broken off"),
    (row("passed", passed=1), seen(STRANGER), "wanted 1 answers of the origin"),
    (row("passed", passed=1), seen(PASSED, STRANGER), "got: "),
    (row("passed", passed=1, gets=("x",)), seen(PASSED, origin=[b"y"], requests=1), "did not get"),
    (row("passed", passed=1, never=("y",)), seen(PASSED, origin=[b"y"], requests=1), "origin got"),
    (row("passed", passed=1), seen(PASSED, records=[BLOCK]), "no record of what passed"),
]


@pytest.mark.parametrize(("tried", "observed"), GOOD)
def test_what_is_as_it_must_be(tried: Row, observed: Observed) -> None:
    verdict = judge(tried, observed, NAMES)
    assert verdict.outcome is Outcome.OK, verdict.why


@pytest.mark.parametrize(("tried", "observed", "why"), HOLES)
def test_what_is_a_hole(tried: Row, observed: Observed, why: str) -> None:
    verdict = judge(tried, observed, NAMES)
    assert verdict.outcome is Outcome.HOLE
    assert why in verdict.why


def test_a_gateway_without_http2_is_not_tried_by_it() -> None:
    tried = row("refused", h2=(((), ""),), tls=Hello())
    observed = Observed(ports=[1], tls="HTTP/2 was not agreed on")
    assert judge(tried, observed, NAMES).outcome is Outcome.NOT_RUN


@pytest.mark.parametrize(
    ("data", "methods", "ended", "found", "rest"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1", (), False, [200], b"HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", (), False, [], None),
        (b"HTTP/1.1 200 OK\r\n\r\nok", (), True, [200], b""),
        (b"HTTP/1.1 200 OK\r\n\r\nok", (), False, [], None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", ("HEAD",), False, [200], b""),
        (b"HTTP/1.1 200 OK\r\n\r\n\x16\x03", ("CONNECT",), False, [200], b"\x16\x03"),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204 No\r\n\r\nHTTP/1.1 101 S\r\n\r\n\x81",
            (),
            False,
            [204, 101],
            b"\x81",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\na: b\r\n\r\n!",
            (),
            False,
            [200],
            b"!",
        ),
        (b"SSH-2.0\r\n\r\n", (), True, [], None),
    ],
)
def test_answers_are_told_apart(
    data: bytes, methods: tuple[str, ...], ended: bool, found: list[int], rest: bytes | None
) -> None:
    answers, left = answers_in(data, methods, ended=ended)
    assert [answer.status for answer in answers] == found
    assert left == (data if rest is None else rest)


def test_a_page_of_ours_says_its_reference_and_rule() -> None:
    assert (REFUSAL.reference, REFUSAL.rule, str(REFUSAL)) == (
        "R1",
        "webmail",
        "403 by rule webmail",
    )
    assert Answer(403, {}, b'{"reference": "R2"}').reference == "R2"
    assert Answer(403, {}, b"{").reference == Answer(403, {}).reference == ""
