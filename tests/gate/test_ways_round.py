"""Ways round a refusal, at the gate: other sites' names, addresses, methods, forms, loops."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from proxy_addons.gate.facts import Course
from proxy_addons.gate.gate import Gate
from proxy_addons.gate.loops import Loops

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Doors

    from proxy_addons.gate.facts import RequestFacts, Verdict

    type Head = Callable[..., RequestFacts]

PASS, REFUSE, INSPECT = Course.PASS, Course.REFUSE, Course.INSPECT
STANDARD, UNRESTRICTED, WITHDRAWN = "127.0.0.1", "127.0.0.2", "127.0.0.3"


def ended(verdict: Verdict) -> Verdict:
    if verdict.transaction is not None:
        verdict.transaction.finish(status=verdict.answer.status if verdict.answer else 200)
    return verdict


# --- addresses inside addresses -----------------------------------------------------------------

ARCHIVE = "http://web.archive.org/web/2020"


@pytest.mark.parametrize(
    ("url", "client", "course", "rule", "judged"),
    [
        (f"{ARCHIVE}/http://blocked.test/x", STANDARD, REFUSE, "webmail", "blocked.test"),
        (f"{ARCHIVE}/http://allowed.test/x", STANDARD, PASS, "everything-else", None),
        (f"{ARCHIVE}/http://blocked.test/x", UNRESTRICTED, PASS, "unrestricted", None),
        (f"{ARCHIVE}/http://allowed.test/x", WITHDRAWN, REFUSE, "withdrawn", None),
        (f"{ARCHIVE}/{ARCHIVE}/http://blocked.test/", STANDARD, REFUSE, "webmail", "blocked.test"),
        ("http://www-blocked-test.translate.goog/", STANDARD, REFUSE, "webmail",
         "www.blocked.test"),
        ("http://any.test/browse.php?u=blocked.test", STANDARD, REFUSE, "webmail", "blocked.test"),
        (f"{ARCHIVE}/http://a..b/", UNRESTRICTED, REFUSE, "inner-address", None),
        (f"{ARCHIVE}/" * 5 + "x.test", UNRESTRICTED, REFUSE, "inner-address", None),
    ],
)  # fmt: skip
def test_an_inner_address_decides(
    url: str, client: str, course: Course, rule: str, judged: str | None, doors: Doors, head: Head
) -> None:
    verdict = ended(doors.gate.request(doors.visitor(client), head(url)))
    assert verdict.course is course
    (record,) = doors.records()
    assert (record["rule"], record["judged_host"]) == (rule, judged)
    if judged is not None and verdict.answer is not None:
        page = verdict.answer.body.decode()
        assert "Refused because of" in page
        assert judged in page
    if rule == "inner-address":
        assert verdict.answer is not None
        assert verdict.answer.status == 400


def test_the_record_has_the_categories_of_all_of_them(doors: Doors, head: Head) -> None:
    url = "http://allowed.test/browse.php?u=http%3A%2F%2Fblocked.test"
    ended(doors.gate.request(doors.visitor(), head(url)))
    (record,) = doors.records()
    assert record["categories"] == ["government", "webmail"]
    assert record["url"].startswith("http://allowed.test/"), "what was asked for"


def test_a_tunnel_to_a_translated_bank_is_inspected(doors: Doors) -> None:
    visitor = doors.visitor(STANDARD, "www-bank-test.translate.goog:443", "none")
    assert doors.gate.client_hello(visitor, "www-bank-test.translate.goog").course is INSPECT


def test_a_tunnel_to_a_name_that_carries_nothing_readable(doors: Doors) -> None:
    name = "a--b---.translate.goog"
    verdict = ended(doors.gate.connect(doors.visitor(), f"{'x-' * 31}y.translate.goog:443"))
    assert verdict.course in {PASS, REFUSE}
    assert ended(doors.gate.connect(doors.visitor(), f"{name}:443")).course is PASS


# --- addresses of names -------------------------------------------------------------------------


def test_the_address_of_a_refused_name_is_refused(doors: Doors, head: Head) -> None:
    wanted: list[None] = []
    resolved = doors.gate.resolved
    resolved.on_wanted = lambda: wanted.append(None)
    visitor = doors.visitor()
    assert ended(doors.gate.request(visitor, head("http://192.0.2.7/"))).course is PASS
    ended(doors.gate.request(visitor, head("http://www.blocked.test/")))
    assert wanted
    assert resolved.next_wanted() == "www.blocked.test"
    resolved.remember("www.blocked.test", ["192.0.2.7", "2001:db8::7"], refused=True)
    for url in ("http://192.0.2.7/", "http://0xC0000207/", "http://[2001:db8::7]/x"):
        assert ended(doors.gate.request(visitor, head(url))).course is REFUSE
    assert ended(doors.gate.request(visitor, head("http://192.0.2.8/"))).course is PASS
    records = doors.records()
    assert {r["judged_host"] for r in records if r["rule"] == "webmail" and r["judged_host"]} == {
        "www.blocked.test"
    }


@pytest.mark.parametrize("sni", ["", "allowed.test"])
def test_a_tunnel_to_the_address_of_a_refused_name(sni: str, doors: Doors, head: Head) -> None:
    doors.gate.resolved.remember("blocked.test", ["192.0.2.7"], refused=True)
    visitor = doors.visitor(STANDARD, "192.0.2.7:443", sni)
    verdict = ended(doors.gate.request(visitor, head("/x", authority="192.0.2.7")))
    assert verdict.course is REFUSE
    (record,) = doors.records()
    assert (record["rule"], record["judged_host"]) == ("webmail", "blocked.test")


def test_the_address_of_a_name_that_others_reached(doors: Doors, head: Head) -> None:
    """What one person may see is not for every other."""
    doors.gate.resolved.remember("blocked.test", ["192.0.2.7"])
    assert ended(
        doors.gate.request(doors.visitor(UNRESTRICTED), head("http://192.0.2.7/"))
    ).course is PASS  # fmt: skip
    assert ended(doors.gate.request(doors.visitor(), head("http://192.0.2.7/"))).course is REFUSE


def test_a_tunnel_to_a_banks_address_is_inspected(doors: Doors) -> None:
    doors.gate.resolved.remember("bank.test", ["192.0.2.7"])
    visitor = doors.visitor(STANDARD, "192.0.2.7:443", "none")
    assert doors.gate.client_hello(visitor, "bank.test").course is INSPECT, "strictness first"


def test_a_refused_address_is_not_looked_up(doors: Doors, head: Head) -> None:
    wanted: list[None] = []
    doors.gate.resolved.on_wanted = lambda: wanted.append(None)
    visitor = doors.visitor(WITHDRAWN)
    assert ended(doors.gate.request(visitor, head("http://192.0.2.7/"))).course is REFUSE
    assert not wanted


# --- methods --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", ["TRACE", "TRACK", "CONNECT", "BREW", "get", "Get", "G", "PURGE"]
)
@pytest.mark.parametrize("client", [STANDARD, UNRESTRICTED])
def test_methods_that_are_not_allowed(method: str, client: str, doors: Doors, head: Head) -> None:
    visitor = doors.visitor(client, "allowed.test:443", "allowed.test")
    verdict = ended(
        doors.gate.request(visitor, head("/x", authority="allowed.test", method=method))
    )
    assert verdict.course is REFUSE
    assert verdict.answer is not None
    assert verdict.answer.status == 403
    (record,) = doors.records()
    assert (record["rule"], record["method"]) == ("method-denied", method)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PROPFIND", "REPORT", "OPTIONS"])
def test_methods_that_are_allowed(method: str, doors: Doors, head: Head) -> None:
    verdict = doors.gate.request(doors.visitor(), head("http://allowed.test/x", method=method))
    assert ended(verdict).course is PASS


def test_the_methods_are_a_setting(doors_with: Callable[..., Doors], head: Head) -> None:
    doors = doors_with({"network": {"allow_methods": ["BREW"]}})
    for method, course in (("BREW", PASS), ("GET", REFUSE)):
        verdict = doors.gate.request(doors.visitor(), head("http://allowed.test/x", method=method))
        assert ended(verdict).course is course


# --- forms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [{"accept": "application/dns-message"},
     {"content_type": "application/dns-message", "method": "POST"},
     {"path": "/q?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB"}],
)  # fmt: skip
def test_dns_over_https_is_known_by_its_form(
    more: dict[str, Any], doors: Doors, head: Head
) -> None:
    """On any host, also on one that is allowed."""
    for client, course in ((STANDARD, REFUSE), (UNRESTRICTED, PASS)):
        visitor = doors.visitor(client, "allowed.test:443", "allowed.test")
        facts = head("/x", **({"authority": "allowed.test"} | more))
        assert ended(doors.gate.request(visitor, facts)).course is course
    first, second = doors.records()
    assert (first["rule"], second["rule"]) == ("hiding", "unrestricted")
    assert "dns-over-https" in first["categories"]


def test_a_rule_can_name_websockets(doors: Doors, head: Head) -> None:
    facts = head("http://allowed.test/x", upgrade="websocket")
    ended(doors.gate.request(doors.visitor(), facts))
    (record,) = doors.records()
    assert record["categories"] == ["government", "websocket"]


# --- loops ----------------------------------------------------------------------------------------


def test_a_request_that_comes_back_is_refused(doors: Doors, head: Head) -> None:
    loops = Loops(b"s" * 32, None, time.monotonic)
    gate = Gate(
        doors.gate.basis, doors.log, clock=doors.clock, loops=loops, standing=doors.standing
    )
    said = gate.via(doors.visitor(), http2=False)
    assert said is not None
    for via, course in (("", PASS), ("1.1 squid", PASS), (f"1.1 squid, {said.decode()}", REFUSE)):
        verdict = ended(gate.request(doors.visitor(), head("http://allowed.test/x", via=via)))
        assert verdict.course is course
    assert verdict.answer is not None
    assert verdict.answer.status == 508
    assert [record["rule"] for record in doors.records()] == ["business", "business", "loop"]


def test_without_loops_nothing_is_said_of_us(doors: Doors) -> None:
    assert doors.gate.via(doors.visitor(), http2=False) is None


# --- names that disagree, request by request ------------------------------------------------------


def test_another_authority_on_a_connection_that_is_there(doors: Doors, head: Head) -> None:
    """HTTP/2: each request of a connection has its own authority, and is judged by it."""
    visitor = doors.visitor(STANDARD, "allowed.test:443", "allowed.test")
    for authority, other, course in (
        ("allowed.test", "", PASS),
        ("blocked.test", "", REFUSE),
        ("allowed.test", "blocked.test", REFUSE),
        ("blocked.test", "allowed.test", REFUSE),
        ("allowed.test", "", PASS),
    ):
        facts = head("/x", authority=authority, target_authority=other)
        assert ended(doors.gate.request(visitor, facts)).course is course


@pytest.mark.parametrize(
    ("connect", "sni", "course"),
    [("bank.test", "cloudflare-ech.com", INSPECT), ("bank.test", "www.bank.test", Course.SPLICE),
     ("192.0.2.7", "bank.test", INSPECT), ("bank.test", None, Course.SPLICE)],
)  # fmt: skip
def test_only_where_all_names_are_private_it_is_not_inspected(
    connect: str, sni: str | None, course: Course, doors: Doors
) -> None:
    """An outer name of encrypted ClientHello is a name like any other."""
    visitor = doors.visitor(STANDARD, f"{connect}:443", "none")
    assert ended(doors.gate.client_hello(visitor, sni)).course is course


# --- the portal and the proxy itself --------------------------------------------------------------

OWN = {
    "network": {"intranet": ["127.0.0.0/8", "::1/128", "0.0.0.0/8"]},
    "listen": {"proxy": "127.0.0.1:8080", "portal": "127.0.0.1:8081"},
}


@pytest.mark.parametrize("port", [8080, 8081])
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1.", "0.0.0.0",
     "[::ffff:127.0.0.1]", "[64:ff9b::127.0.0.1]", "%31%32%37.0.0.1"],
)  # fmt: skip
def test_the_portal_and_the_proxy_are_not_reached_through_the_proxy(
    host: str, port: int, doors_with: Callable[..., Doors], head: Head
) -> None:
    """Even where loopback is intranet: a PAC file sends browsers to the portal directly."""
    doors = doors_with({**OWN, "network": OWN["network"] | {"allow_ports": [443, port]}})
    verdict = ended(doors.gate.request(doors.visitor(), head(f"http://{host}:{port}/")))
    assert verdict.course is REFUSE
    verdict = ended(doors.gate.connect(doors.visitor(), f"{host}:{port}"))
    assert verdict.course is REFUSE
    assert {record["rule"] for record in doors.records()} == {"destination-denied"}


def test_nor_by_a_name_that_resolves_to_them(doors_with: Callable[..., Doors]) -> None:
    doors = doors_with(OWN)
    for port in (8080, 8081):
        assert "this gateway itself" in (doors.gate.destination("127.0.0.1", port) or "")
    assert doors.gate.destination("127.0.0.1", 8082) is None
