"""Every decision point of the gate, and what it leaves in the log."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy_addons.accesslog import AccessLog
from proxy_addons.gate.facts import Course
from proxy_addons.gate.gate import basis_of
from proxy_addons.policy.model import RESERVED_RULES

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Doors

    from proxy_addons.gate.facts import RequestFacts, Verdict

    type Head = Callable[..., RequestFacts]

PASS, REFUSE, SPLICE, INSPECT = Course.PASS, Course.REFUSE, Course.SPLICE, Course.INSPECT
STANDARD, UNRESTRICTED, WITHDRAWN, UNKNOWN = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.9"
SECRET = "hunter2"


def ended(verdict: Verdict) -> Verdict:
    """The record of a verdict is finished."""
    if verdict.transaction is not None:
        verdict.transaction.finish(status=verdict.answer.status if verdict.answer else 200)
    return verdict


# --- CONNECT ----------------------------------------------------------------------------------

CONNECTS = [
    ("allowed.test:443", STANDARD, PASS, None),
    ("blocked.test:443", STANDARD, PASS, None),  # accepted, so that the refusal can be read
    ("bank.test:443", STANDARD, PASS, None),
    ("unknown.test:443", STANDARD, PASS, None),
    ("ALLOWED.Test.:443", STANDARD, PASS, None),
    ("allowed.test", STANDARD, PASS, None),
    ("blocked.test:443", UNRESTRICTED, PASS, None),
    ("bank.test:443", UNRESTRICTED, PASS, None),
    ("allowed.test:443", WITHDRAWN, PASS, None),
    ("unknown.test:443", WITHDRAWN, PASS, None),
    # Blocked, and must not be decrypted: there is no page to be shown, so nothing is accepted.
    ("bank.test:443", WITHDRAWN, REFUSE, "withdrawn"),
    ("bank.test:443", UNKNOWN, REFUSE, "withdrawn"),
    ("allowed.test:22", STANDARD, REFUSE, "port-denied"),
    ("allowed.test:80", UNRESTRICTED, REFUSE, "port-denied"),
    ("127.0.0.1:443", STANDARD, REFUSE, "destination-denied"),
    ("127.1:443", UNRESTRICTED, REFUSE, "destination-denied"),
    ("[::1]:443", STANDARD, REFUSE, "destination-denied"),
    ("[::ffff:169.254.169.254]:443", STANDARD, REFUSE, "destination-denied"),
    ("0x7f.1:443", STANDARD, REFUSE, "destination-denied"),
    ("8.8.8.8:443", STANDARD, PASS, None),
    ("intranet2:443", STANDARD, PASS, None),
    ("", STANDARD, REFUSE, "bad-request"),
    (":443", STANDARD, REFUSE, "bad-request"),
    ("allowed..test:443", STANDARD, REFUSE, "bad-request"),
    ("allowed.test:0", STANDARD, REFUSE, "bad-request"),
    ("allowed.test:443:443", STANDARD, REFUSE, "bad-request"),
    (f"me:{SECRET}@allowed.test:443", STANDARD, REFUSE, "bad-request"),
    ("allowed.test\r\nX: y:443", STANDARD, REFUSE, "bad-request"),
]


@pytest.mark.parametrize(("authority", "client", "course", "rule"), CONNECTS)
def test_connect(
    authority: str, client: str, course: Course, rule: str | None, doors: Doors
) -> None:
    visitor = doors.visitor(client)
    verdict = ended(doors.gate.connect(visitor, authority))
    assert verdict.course is course
    records = doors.records()
    if rule is None:
        assert records == []
        assert visitor.connect_host == verdict.host
        assert verdict.port == 443
        return
    assert visitor.connect_host is None
    (record,) = records
    assert (record["action"], record["rule"]) == ("block", rule)
    assert (record["kind"], record["method"], record["handling"]) == ("connect", "CONNECT", "none")
    assert verdict.answer is not None
    assert verdict.answer.status in {400, 403}
    assert SECRET not in str(record) + verdict.answer.body.decode() + str(verdict.answer.headers)


# --- ClientHello ------------------------------------------------------------------------------

HELLOS = [
    ("allowed.test", None, STANDARD, INSPECT, None),
    ("allowed.test", "allowed.test", STANDARD, INSPECT, None),
    ("blocked.test", "blocked.test", STANDARD, INSPECT, None),
    ("bank.test", None, STANDARD, SPLICE, "private-matters"),
    ("bank.test", "bank.test", STANDARD, SPLICE, "private-matters"),
    ("bank.test", "BANK.Test.", STANDARD, SPLICE, "private-matters"),
    ("bank.test", "www.bank.test", STANDARD, SPLICE, "private-matters"),
    ("bank.test", "bank.test", UNRESTRICTED, SPLICE, "unrestricted"),
    ("bank.test", "allowed.test", STANDARD, INSPECT, None),
    ("bank.test", "blocked.test", STANDARD, INSPECT, None),
    ("allowed.test", "bank.test", STANDARD, INSPECT, None),
    ("samaritans.org", "samaritans.org", WITHDRAWN, SPLICE, "support-lines"),
    ("samaritans.org", "bank.test", WITHDRAWN, REFUSE, "withdrawn"),
    ("bank.test", "a..b", STANDARD, REFUSE, "bad-request"),
    ("bank.test", f"me:{SECRET}@bank.test", STANDARD, REFUSE, "bad-request"),
]


@pytest.mark.parametrize(("connect", "sni", "client", "course", "rule"), HELLOS)
def test_client_hello(
    connect: str, sni: str | None, client: str, course: Course, rule: str | None, doors: Doors
) -> None:
    visitor = doors.visitor(client, f"{connect}:443", "none")
    verdict = ended(doors.gate.client_hello(visitor, sni))
    assert verdict.course is course
    records = doors.records()
    assert [record["rule"] for record in records] == ([rule] if rule else [])
    for record in records:
        assert record["host"] == connect
        assert SECRET not in str(record)
        if course is SPLICE:
            assert (record["kind"], record["handling"]) == ("tunnel", "spliced")
            assert record["url"] == f"{connect}:443"
            assert (verdict.host, verdict.port) == (connect, 443), "what was judged is reached"


# --- requests ---------------------------------------------------------------------------------

REQUESTS = [
    ("http://allowed.test/x", {}, STANDARD, PASS, "business"),
    ("http://blocked.test/x", {}, STANDARD, REFUSE, "webmail"),
    ("http://www.blocked.test/x", {}, STANDARD, REFUSE, "webmail"),
    ("http://bank.test/x", {}, STANDARD, PASS, "private-matters"),
    ("http://unknown.test/x", {}, STANDARD, PASS, "everything-else"),
    ("http://blocked.test/x", {}, UNRESTRICTED, PASS, "unrestricted"),
    ("http://unknown.test/x", {}, WITHDRAWN, REFUSE, "withdrawn"),
    ("http://allowed.test/x", {}, UNKNOWN, PASS, "withdrawn-public-service"),
    ("https://allowed.test/x", {}, STANDARD, PASS, "business"),
    ("https://blocked.test/x", {}, STANDARD, REFUSE, "webmail"),
    # Host and URL that disagree.
    ("http://allowed.test/x", {"authority": "blocked.test"}, STANDARD, REFUSE, "webmail"),
    ("http://blocked.test/x", {"authority": "allowed.test"}, STANDARD, REFUSE, "webmail"),
    ("http://allowed.test/x", {"authority": "ALLOWED.test:80"}, STANDARD, PASS, "business"),
    ("http://allowed.test/x", {"authority": ""}, STANDARD, PASS, "business"),
    ("http://allowed.test/x", {"target_authority": ""}, STANDARD, PASS, "business"),
    ("http://allowed.test/x", {"authority": "", "target_authority": ""}, STANDARD, REFUSE,
     "bad-request"),
    ("http://allowed.test/x", {"authorities": 2}, STANDARD, REFUSE, "bad-request"),
    ("http://allowed.test/x", {"authority": f"me:{SECRET}@allowed.test"}, STANDARD, REFUSE,
     "bad-request"),
    (f"http://me:{SECRET}@allowed.test/x", {}, STANDARD, REFUSE, "bad-request"),
    # Paths that are none.
    ("http://allowed.test/x", {"path": "https://blocked.test/"}, STANDARD, REFUSE, "bad-request"),
    ("http://allowed.test/x", {"path": ""}, STANDARD, REFUSE, "bad-request"),
    ("http://allowed.test/x", {"path": "x"}, STANDARD, REFUSE, "bad-request"),
    ("http://allowed.test/x", {"path": "*", "method": "OPTIONS"}, STANDARD, PASS, "business"),
    ("http://allowed.test/x", {"path": "/a b"}, STANDARD, REFUSE, "bad-request"),
    ("http://allowed.test/x", {"path": "/a\\b"}, STANDARD, REFUSE, "bad-request"),
    ("http://allowed.test/x", {"path": "/a#b"}, STANDARD, REFUSE, "bad-request"),
    ("http://allowed.test/x", {"scheme": "gopher"}, STANDARD, REFUSE, "bad-request"),
    # Ports and addresses.
    ("http://allowed.test:8080/x", {}, STANDARD, PASS, "business"),
    ("http://allowed.test:22/x", {}, STANDARD, REFUSE, "port-denied"),
    ("http://allowed.test:25/x", {}, UNRESTRICTED, REFUSE, "port-denied"),
    ("http://127.0.0.1/x", {}, STANDARD, REFUSE, "destination-denied"),
    ("http://2130706433/x", {}, UNRESTRICTED, REFUSE, "destination-denied"),
    ("http://[::ffff:10.0.0.1]/x", {}, STANDARD, REFUSE, "destination-denied"),
    ("http://8.8.8.8/x", {}, STANDARD, PASS, "everything-else"),
    ("http://intranet2/x", {}, STANDARD, PASS, "everything-else"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "more", "client", "course", "rule"), REQUESTS)
def test_a_request_in_the_clear(
    url: str, more: dict[str, Any], client: str, course: Course, rule: str, doors: Doors, head: Head
) -> None:
    verdict = ended(doors.gate.request(doors.visitor(client), head(url, **more)))
    assert verdict.course is course
    (record,) = doors.records()
    assert record["rule"] == rule
    assert record["action"] == ("allow" if course is PASS else "block")
    assert (record["kind"], record["sni"]) == ("http", None)
    assert SECRET not in str(record)
    if verdict.answer is not None:
        assert SECRET not in verdict.answer.body.decode() + str(verdict.answer.headers)
        assert record["id"] in verdict.answer.body.decode()
    if rule not in RESERVED_RULES:
        assert record["clause"].startswith("Inf/27")


INSIDE = [
    # CONNECT host, server name, Host, target's authority; course, rule, host that is judged first
    ("allowed.test", "allowed.test", "allowed.test", "", PASS, "business"),
    ("allowed.test", "allowed.test", "", "", PASS, "business"),
    ("allowed.test", "allowed.test", "blocked.test", "", REFUSE, "webmail"),
    ("allowed.test", "blocked.test", "allowed.test", "", REFUSE, "webmail"),
    ("blocked.test", "allowed.test", "allowed.test", "", REFUSE, "webmail"),
    ("allowed.test", "allowed.test", "allowed.test", "blocked.test", REFUSE, "webmail"),
    ("allowed.test", "allowed.test", "allowed.test", "allowed.test:443", PASS, "business"),
    ("allowed.test", "", "other.test", "", PASS, "everything-else"),
    ("allowed.test", "allowed.test", "allowed.test:8443", "", PASS, "business"),
    ("allowed.test", "allowed.test", "a..b", "", REFUSE, "bad-request"),
    ("allowed.test", "allowed.test", "127.0.0.1", "", PASS, "everything-else"),
    ("8.8.8.8", "blocked.test", "8.8.8.8", "", REFUSE, "webmail"),
    ("8.8.8.8", "", "8.8.8.8", "", PASS, "everything-else"),
]


@pytest.mark.parametrize("case", INSIDE, ids=str)
def test_a_request_inside_a_tunnel(
    case: tuple[str, str, str, str, Course, str], doors: Doors, head: Head
) -> None:
    connect, sni, host, target, course, rule = case
    visitor = doors.visitor(STANDARD, f"{connect}:443", sni)
    verdict = ended(
        doors.gate.request(visitor, head("/x?y=1", authority=host, target_authority=target))
    )
    assert verdict.course is course
    (record,) = doors.records()
    assert (record["rule"], record["kind"]) == (rule, "https")
    assert record["sni"] == (sni or None)
    if course is PASS:
        assert (verdict.host, verdict.port) == (connect, 443), "the host of the CONNECT is reached"
        assert record["url"].endswith("/x?y=1")


def test_the_record_names_what_was_asked_for_and_what_decided(doors: Doors, head: Head) -> None:
    visitor = doors.visitor(STANDARD, "allowed.test:443", "blocked.test")
    ended(doors.gate.request(visitor, head("/x", authority="other.test")))
    (record,) = doors.records()
    assert (record["host"], record["url"]) == ("other.test", "https://other.test/x")
    assert (record["sni"], record["judged_host"]) == ("blocked.test", "blocked.test")
    assert record["categories"] == ["government", "webmail"]


# --- what is missing --------------------------------------------------------------------------


def test_without_an_index_all_is_refused(doors_with: Callable[..., Doors], head: Head) -> None:
    doors = doors_with(index=False)
    visitor = doors.visitor()
    for verdict in (
        doors.gate.connect(visitor, "bank.test:443"),
        doors.gate.request(visitor, head("http://allowed.test/")),
    ):
        assert verdict.course is REFUSE
        assert verdict.answer is not None
        assert verdict.answer.status == 503
        ended(verdict)
    assert [record["rule"] for record in doors.records()] == ["index-missing"] * 2


def test_an_index_that_goes_between_connect_and_hello(doors: Doors) -> None:
    visitor = doors.visitor(STANDARD, "bank.test:443", "none")
    doors.gate.basis = basis_of(doors.settings, None)
    verdict = ended(doors.gate.client_hello(visitor, "bank.test"))
    assert verdict.course is REFUSE, "what must not be decrypted is not known: nothing is"


def test_without_a_log_all_is_refused(
    doors: Doors, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = doors.visitor(UNRESTRICTED)
    bank = doors.visitor(UNRESTRICTED, "bank.test:443", "none")
    monkeypatch.setattr(AccessLog, "healthy", property(lambda _: False))
    verdict = ended(doors.gate.request(visitor, head("http://allowed.test/")))
    assert (verdict.course, verdict.answer.status if verdict.answer else 0) == (REFUSE, 503)
    assert ended(doors.gate.client_hello(bank, "bank.test")).course is REFUSE
    monkeypatch.undo()
    assert [record["rule"] for record in doors.records()] == ["log-unavailable"] * 2


@pytest.mark.parametrize("point", ["connect", "client_hello", "request"])
@pytest.mark.parametrize("part", ["index", "decider", "people"])
def test_a_part_that_raises_lets_nothing_pass(
    point: str, part: str, doors: Doors, head: Head
) -> None:
    """The gate raises; engine/failclosed.py makes a refusal of it."""
    visitor = doors.visitor(STANDARD, "allowed.test:443", "none")
    basis = doors.gate.basis

    class Broken:
        version = "x"

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    parts = {
        each: getattr(basis, each) for each in ("settings", "destinations", "groups", "open_before")
    } | {
        each: Broken() if each == part else getattr(basis, each)
        for each in ("index", "decider", "people")
    }
    doors.gate.basis = type(basis)(**parts)
    asking = {
        "connect": lambda: doors.gate.connect(visitor, "allowed.test:443"),
        "client_hello": lambda: doors.gate.client_hello(visitor, "allowed.test"),
        "request": lambda: doors.gate.request(visitor, head("/x", authority="allowed.test")),
    }
    with pytest.raises(RuntimeError):
        asking[point]()


def test_an_undecided_request(doors: Doors, head: Head) -> None:
    visitor = doors.visitor()
    verdict = ended(doors.gate.undecided(visitor, head("http://allowed.test/x"), "KeyError"))
    assert (verdict.course, verdict.answer.status if verdict.answer else 0) == (REFUSE, 503)
    (record,) = doors.records()
    assert (record["action"], record["rule"], record["error"]) == (
        "block",
        "undecided",
        "KeyError",
    )


def test_a_bad_request_with_nothing_known_of_it(doors: Doors) -> None:
    visitor = doors.visitor(STANDARD, "allowed.test:443", "allowed.test")
    verdict = ended(doors.gate.bad_request(visitor, None, "not a sound request: no host"))
    assert verdict.answer is not None
    assert verdict.answer.status == 400
    (record,) = doors.records()
    assert (record["rule"], record["host"], record["person"]) == (
        "bad-request",
        "allowed.test",
        "pc1234",
    )


# --- what changes under an open connection ----------------------------------------------------


def test_a_visitor_is_known_anew_when_the_settings_have_changed(doors: Doors, head: Head) -> None:
    visitor = doors.visitor()
    ended(doors.gate.request(visitor, head("http://unknown.test/")))
    people = [
        {**each, "profile": "withdrawn"} if each["network"].startswith("127.0.0.1") else each
        for each in json.loads(json.dumps(doors_people()))
    ]
    changed = type(doors)(doors.folder / "again", None, {"identity": {"addresses": people}})
    changed.log.close()
    doors.gate.basis = basis_of(changed.settings, doors.index)
    ended(doors.gate.request(visitor, head("http://unknown.test/")))
    first, second = doors.records()
    assert (first["profile"], first["rule"]) == ("standard", "everything-else")
    assert (second["profile"], second["rule"]) == ("withdrawn", "withdrawn")


def doors_people() -> list[dict[str, str]]:
    from support.stage import PEOPLE  # noqa: PLC0415 - here alone

    return PEOPLE["addresses"]


def test_time_passes_for_an_open_connection(doors: Doors, head: Head) -> None:
    """Shopping, refused in working hours, opens at noon to the second."""
    doors.gate.basis = basis_of(doors.settings, Shops())  # type: ignore[arg-type]
    visitor = doors.visitor()
    outcomes = []
    for clock in ("11:59:59", "12:00:00", "13:59:59", "14:00:00", "18:00:00"):
        doors.clock.set(f"2026-11-24 {clock}")
        outcomes.append(ended(doors.gate.request(visitor, head("http://shop.test/"))).course)
    assert outcomes == [REFUSE, PASS, PASS, REFUSE, PASS]


class Shops:
    """Every name is a shop."""

    version = "shops"

    def lookup(self, key: object) -> frozenset[str]:
        del key
        return frozenset({"shopping"})


def test_a_second_tunnel_on_a_connection_forgets_the_first(doors: Doors) -> None:
    visitor = doors.visitor(STANDARD, "allowed.test:443", "allowed.test")
    visitor.requests = 3
    assert doors.gate.connect(visitor, "bank.test:22").course is REFUSE
    assert (visitor.connect_host, visitor.sni, visitor.tls, visitor.requests) == (
        None,
        None,
        False,
        0,
    )


# --- what became of it ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status", "action", "rule"),
    [
        ("upstream-name", 502, "allow", "business"),
        ("upstream-timeout", 504, "allow", "business"),
        ("upstream-certificate", 502, "allow", "business"),
        ("destination-denied", 403, "block", "destination-denied"),
        ("nobody-knows", 503, "allow", "business"),
    ],
)
def test_a_server_that_failed(
    kind: str, status: int, action: str, rule: str, doors: Doors, head: Head
) -> None:
    visitor, asked = doors.visitor(), head("http://allowed.test/x")
    transaction = doors.gate.request(visitor, asked).transaction
    assert transaction is not None
    answer = doors.gate.upstream_failed(visitor, asked, transaction, kind, "in words")
    assert answer.status == status
    transaction.finish(status=answer.status)
    (record,) = doors.records()
    assert (record["action"], record["rule"], record["error"]) == (action, rule, "in words")
    if action == "block":
        assert (record["clause"], record["reason"]) == (None, None), "no rule of the policy did it"


@pytest.mark.parametrize(("kind", "action"), [(None, "allow"), ("destination-denied", "block")])
def test_a_splice_that_broke(kind: str | None, action: str, doors: Doors) -> None:
    visitor = doors.visitor(STANDARD, "bank.test:443", "none")
    transaction = doors.gate.client_hello(visitor, "bank.test").transaction
    assert transaction is not None
    doors.gate.tunnel_broke(transaction, kind, "in words")
    transaction.finish()
    (record,) = doors.records()
    assert (record["action"], record["error"]) == (action, "in words")


def test_a_tunnel_without_a_request_began_when_it_was_asked_for(doors: Doors) -> None:
    visitor = doors.visitor(STANDARD, "allowed.test:443", "none")
    doors.clock.now += 90
    doors.gate.tunnel_failed(visitor, "closed before any request")
    (record,) = doors.records()
    assert datetime.fromisoformat(record["start"]).timestamp() == pytest.approx(
        doors.clock.now - 90, abs=0.001
    )
    assert record["duration_ms"] == pytest.approx(90_000, abs=5_000)
    assert (record["kind"], record["rule"], record["url"]) == (
        "connect",
        "tunnel-without-request",
        "allowed.test:443",
    )


def test_without_a_tunnel_there_is_no_such_record(doors: Doors) -> None:
    doors.gate.tunnel_failed(doors.visitor(), "closed")
    assert doors.records() == []


def test_something_else_in_a_tunnel(doors: Doors) -> None:
    visitor = doors.visitor(STANDARD, "allowed.test:443", "none")
    assert ended(doors.gate.not_tls(visitor, "neither TLS nor HTTP")).course is REFUSE
    (record,) = doors.records()
    assert (record["rule"], record["host"], record["error"]) == (
        "not-tls-in-tunnel",
        "allowed.test",
        "neither TLS nor HTTP",
    )


def test_resolved_addresses_are_checked(doors: Doors) -> None:
    assert doors.gate.destination("8.8.8.8", 443) is None
    assert "network.deny_destinations" in (doors.gate.destination("10.0.0.1", 443) or "")


# --- whatever comes ---------------------------------------------------------------------------

TEXT = st.one_of(
    st.sampled_from(["allowed.test", "blocked.test", "bank.test", "127.0.0.1", "[::1]", "", "*"]),
    st.text(max_size=20),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(names=st.tuples(TEXT, TEXT, TEXT, TEXT), path=TEXT, method=TEXT, hosts=st.integers(0, 2))
def test_whatever_comes_is_decided_and_recorded(
    names: tuple[str, str, str, str], path: str, method: str, hosts: int, doors: Doors, head: Head
) -> None:
    """No input raises, and nothing that names a blocked host in any place passes."""
    connect, sni, host, target = names
    gate, visitor = doors.gate, doors.visitor()
    if gate.connect(visitor, connect).course is PASS:
        gate.client_hello(visitor, sni)
    verdict = gate.request(
        visitor,
        head("/", authority=host, target_authority=target, path=path, method=method,
             authorities=hosts),
    )  # fmt: skip
    assert verdict.transaction is not None, "every request leaves a record"
    if "blocked.test" in (host, target, *((connect, sni) if visitor.connect_host else ())):
        assert verdict.course is REFUSE
    if verdict.course is PASS:
        assert verdict.host
        assert 1 <= verdict.port <= 65535
    else:
        assert verdict.answer is not None
