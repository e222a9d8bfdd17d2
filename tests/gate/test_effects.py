"""Effects of rules at the gate: redirections, changes, tunnels, trials, masked queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.stage import snapshot_of
from support.today import Day

from proxy_addons.gate import metrics
from proxy_addons.gate.facts import Course
from proxy_addons.gate.tokens import Deed, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Doors

    from proxy_addons.gate.facts import RequestFacts, Verdict

    type Head = Callable[..., RequestFacts]

PAGE = {"fetch_mode": "navigate", "fetch_dest": "document", "accept": "text/html"}

POLICY = """
version: 1
time_zone: Europe/London
profiles:
  standard: {description: Staff.}
  unrestricted: {description: Posts., without_exemption: standard}
  withdrawn: {description: Nobody., strictest: true}
log:
  mask_query: {categories: [self-help], hosts: [clinic.test]}
rules:
  - {id: tenants, clause: A, reason: R., action: modify, when: {categories: [government, shopping]},
     set_headers: {X-Tenant: force.test}, remove_headers: Referer}
  - {id: safe, clause: A, reason: R., action: modify, when: {hosts: allowed.test},
     set_query: {safe: active}}
  - {id: social-tried, clause: A, reason: R., action: block, stealth: true,
     when: {categories: [social-networks, shopping]}}
  - {id: programs-tried, clause: A, reason: R., action: block, stealth: true,
     when: {file_type: windows-program}}
  - {id: torrents, clause: A, reason: R., action: block, when: {file_type: torrent}}
  - {id: unrestricted, clause: A, reason: R., action: allow, when: {profiles: unrestricted}}
  - {id: inspected, clause: A, reason: R., action: inspect, when: {hosts: in.shop.test}}
  - {id: pinned, clause: A, reason: R., action: splice,
     when: {categories: [shopping, ai-assistants]}}
  - {id: old, clause: A, reason: Gone to the intranet., action: redirect,
     to: "https://intranet.allowed.test/help?was={url}&h={host}&r={rule}",
     when: {hosts: [old.test, social.test]}}
  - {id: round, clause: A, reason: R., action: redirect, to: "https://old.test/",
     when: {hosts: [round.test, assistant.test]}}
  - {id: webmail, clause: A, reason: R., action: block, when: {categories: webmail}}
  - {id: threats, clause: A, reason: R., action: block, never_overridden: true,
     when: {categories: malware}}
  - {id: forbidden, clause: A, reason: R., action: block, never_overridden: true,
     when: {hosts: forbidden.test}}
  - {id: rest, clause: A, reason: R., action: allow}
"""


@pytest.fixture
def doors(doors_with: Callable[..., Doors]) -> Doors:
    return doors_with(policy=POLICY)


@pytest.fixture
def ask(doors: Doors, head: Head) -> Iterator[Callable[..., tuple[Verdict, dict[str, Any]]]]:
    """One request in the clear; the verdict, and its record as it is then."""

    def run(url: str, address: str = "127.0.0.1", **more: Any) -> tuple[Verdict, dict[str, Any]]:
        verdict = doors.gate.request(doors.visitor(address), head(url, **more))
        assert verdict.transaction is not None
        record = dict(verdict.transaction.record("transaction"))
        verdict.transaction.finish()
        return verdict, record

    return run


# --- redirections ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 302), ("HEAD", 302), ("POST", 303), ("PUT", 303)]
)
def test_a_redirect_leads_elsewhere(method: str, status: int, ask: Any, doors: Doors):
    verdict, record = ask("http://old.test/a?b=c&d=%20", method=method, **PAGE)
    assert verdict.course is Course.REFUSE
    headers = dict(verdict.answer.headers)
    assert verdict.answer.status == status
    assert headers["Location"] == (
        "https://intranet.allowed.test/help?was=http%3A%2F%2Fold.test%2Fa%3Fb%3Dc%26d%3D%2520"
        "&h=old.test&r=old"
    )
    assert headers["Cache-Control"] == "no-store"
    assert (record["action"], record["rule"]) == ("redirect", "old")
    (written,) = doors.records()
    assert (written["action"], written["reason"]) == ("redirect", "Gone to the intranet.")


def test_who_could_go_on_with_http_2_is_led_too(ask: Any):
    verdict, _ = ask("http://old.test/", upgrade="h2c")
    assert verdict.answer.status == 302


@pytest.mark.parametrize(
    ("url", "more", "rule"),
    [
        ("http://round.test/", PAGE, "round"),  # leads to what is redirected itself
        ("http://old.test/", {"upgrade": "websocket"}, "old"),  # nobody would follow
    ],
)
def test_where_nobody_can_be_led_there_is_a_page(
    url: str, more: dict[str, Any], rule: str, ask: Any
):
    verdict, record = ask(url, **more)
    assert verdict.answer.status == 403
    assert "Location" not in dict(verdict.answer.headers)
    assert (record["action"], record["rule"]) == ("redirect", rule)


def test_a_tunnel_that_stays_encrypted_is_refused(doors: Doors):
    verdict = doors.gate.connect(doors.visitor(), "assistant.test:443")
    assert verdict.course is Course.REFUSE
    assert verdict.answer.status == 403
    assert (verdict.transaction.action, verdict.transaction.rule) == ("redirect", "round")
    verdict.transaction.finish()
    accepted = doors.gate.connect(doors.visitor(), "old.test:443")
    assert accepted.course is Course.PASS  # what is in it can be answered


# --- changes -----------------------------------------------------------------------------------


def test_what_is_changed_is_recorded_by_name(ask: Any):
    verdict, record = ask("http://allowed.test/?q=a")
    assert verdict.changes.fields([(b"x-tenant", b"mine"), (b"Referer", b"r")]) == [
        (b"X-Tenant", b"force.test")
    ]
    assert verdict.changes.path("/?q=a") == "/?q=a&safe=active"
    assert record["url"] == "http://allowed.test/?q=a"
    assert record["changed"] == (
        "header:X-Tenant@tenants", "no-header:Referer@tenants", "query:safe@safe",
    )  # fmt: skip
    assert "force.test" not in str(record)
    verdict, record = ask("http://other.test/")
    assert (verdict.changes, record["changed"]) == (None, ())


def test_by_all_names_that_it_goes_by(doors: Doors, head: Head):
    """A host behind another's name gets what that name gets."""
    visitor = doors.visitor(tunnel="other.test:443", sni="other.test")
    verdict = doors.gate.request(visitor, head("/", authority="allowed.test"))
    assert {each.partition("@")[2] for each in verdict.transaction.changed} == {"tenants", "safe"}
    verdict.transaction.finish()


def test_an_address_in_the_address_changes_nothing(ask: Any):
    """The request does not go there: it would tell others what the force's tenant is."""
    verdict, record = ask("http://translate.google.com/translate?u=http://allowed.test/")
    assert "government" in record["categories"]
    assert verdict.changes is None


def test_what_is_refused_for_what_it_sends_is_not_changed(
    doors_with: Callable[..., Doors], head: Head
):
    block = "{id: large, clause: A, reason: R., action: block, when: {upload_size: {over: 1kB}}}"
    doors = doors_with(
        policy=POLICY.replace("  - {id: inspected", f"  - {block}\n  - {{id: inspected")
    )
    visitor = doors.visitor()
    for length, changed in ((1000, 3), (1001, 0)):
        verdict = doors.gate.request(
            visitor, head("http://allowed.test/", method="POST", body={}, length=length)
        )
        assert len(verdict.transaction.changed) == changed
        verdict.transaction.finish()


def test_what_is_refused_is_not_changed(ask: Any):
    verdict, record = ask("http://blocked.test/")
    assert verdict.course is Course.REFUSE
    assert record["changed"] == ()


# --- tunnels -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "sni", "course"),
    [
        ("shop.test", "shop.test", Course.SPLICE),
        ("shop.test", "", Course.SPLICE),
        ("shop.test", "other.test", Course.INSPECT),  # not by every name
        ("other.test", "shop.test", Course.INSPECT),
        ("in.shop.test", "in.shop.test", Course.INSPECT),
        ("bank.test", "bank.test", Course.SPLICE),
        ("other.test", "other.test", Course.INSPECT),
    ],
)
def test_rules_say_whether_a_tunnel_is_decrypted(host: str, sni: str, course: Course, doors: Doors):
    visitor = doors.visitor()
    assert doors.gate.connect(visitor, f"{host}:443").course is Course.PASS
    verdict = doors.gate.client_hello(visitor, sni or None)
    assert verdict.course is course
    if verdict.transaction is not None:
        assert verdict.transaction.handling == "spliced"
        verdict.transaction.finish()


# --- never overridden --------------------------------------------------------------------------


def test_nothing_opens_what_is_never_overridden(doors: Doors, ask: Any):
    doors.standing.snapshot = snapshot_of(
        everything=("dc5678",), categories={"pc1234": ["malware"]}
    )
    day = Day(recategorised={"malware.test": frozenset({"government"})})
    for host in ("malware.test", "forbidden.test", "blocked.test"):
        day.reviewed["pc1234", host] = day.reviewed["dc5678", host] = "RV-2026-0001"
    doors.gate.people.today = day
    for address in ("127.0.0.1", "127.0.0.2"):
        for host, rule in (("malware.test", "threats"), ("forbidden.test", "forbidden")):
            verdict, record = ask(f"http://{host}/", address, **PAGE)
            assert (verdict.course, record["rule"]) == (Course.REFUSE, rule)
    _, record = ask("http://blocked.test/")
    assert record["rule"] == "review-allowed"


# --- trials ------------------------------------------------------------------------------------


def test_what_is_on_trial_is_recorded_and_shown_to_nobody(ask: Any):
    counting = metrics.start(1, None)
    try:
        verdict, record = ask("http://shop.test/")
        assert verdict.course is Course.PASS
        assert (record["action"], record["rule"]) == ("allow", "rest")
        assert record["would_block"] == "social-tried"
        verdict, record = ask("http://social.test/", **PAGE)  # refused by another rule anyway
        assert (record["action"], record["would_block"]) == ("redirect", None)
        assert b"tried" not in verdict.answer.body
        counting.flush()
        assert counting.registry is not None
        count = counting.registry.get_sample_value
        assert count("watchhouse_would_block_total", {"rule": "social-tried"}) == 1
    finally:
        metrics.stop()


def test_a_trial_by_what_is_in_a_file(doors: Doors, head: Head):
    verdict = doors.gate.request(doors.visitor(), head("http://other.test/setup"))
    assert verdict.watch is not None
    judged = verdict.watch._judge(frozenset({"file_type=windows-program"}))
    assert judged is None
    assert verdict.transaction.would_block == "programs-tried"
    assert verdict.watch._judge(frozenset({"file_type=torrent"})) is not None
    assert verdict.transaction.would_block is None  # it did not pass after all
    verdict.transaction.finish()


# --- masked queries ----------------------------------------------------------------------------

SECRET = "s3cret"


@pytest.mark.parametrize(
    "url",
    [
        f"http://samaritans.org/find?q={SECRET}",
        f"http://www.clinic.test/?{SECRET}",
        f"http://clinic.test:8080/a?q={SECRET}",  # a port that is not allowed: never judged
        f"http://translate.google.com/translate?u=http://www.clinic.test/%3Fq%3D{SECRET}",
        f"http://clinic.test/?{SECRET}?{SECRET}",
    ],
)
def test_no_query_is_recorded(url: str, doors: Doors, ask: Any):
    _, record = ask(url)
    assert record["url"] == url.partition("?")[0] + "?masked"
    assert SECRET not in str(doors.records())


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        (f"http://other.test/?q={SECRET}", True),
        (f"http://notclinic.test/?q={SECRET}", True),
        ("http://samaritans.org/find", True),
        (f"http://not valid/?q={SECRET}", False),  # nobody can tell what site it is of
    ],
)
def test_other_queries_are(url: str, kept: bool, ask: Any):
    _, record = ask(url)
    assert (record["url"].removeprefix("http://") == url.removeprefix("http://")) is kept
    assert (SECRET in record["url"]) is (kept and SECRET in url)


def test_a_masked_query_leads_nowhere(doors_with: Callable[..., Doors], head: Head):
    policy = POLICY.replace("hosts: [clinic.test]", "hosts: [old.test]")
    doors = doors_with(policy=policy)
    verdict = doors.gate.request(doors.visitor(), head(f"http://old.test/?q={SECRET}", **PAGE))
    assert SECRET not in dict(verdict.answer.headers)["Location"]
    assert "old.test%2F%3Fmasked" in dict(verdict.answer.headers)["Location"]
    verdict.transaction.finish()


def test_parts_of_files_are_told_apart_by_all_of_their_address(doors: Doors, head: Head):
    urls = [f"http://clinic.test/film?id={number}" for number in (1, 2)]
    found = []
    for url in urls:
        verdict = doors.gate.request(doors.visitor(), head(url, range="bytes=5-9"))
        found.append(verdict.watch._address)
        verdict.transaction.finish()
    assert found == urls


# --- what pages offer, and what is written down of a click --------------------------------------

OPENED = PAGE | {"fetch_user": "?1", "fetch_site": "none"}


class Reviews:
    """Takes what is asked for a review."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def ask_review(self, _who: Any, url: str, *_: Any) -> str:
        self.asked.append(url)
        return "RV-2026-0001"


def test_a_page_offers_nothing_that_cannot_help(doors: Doors, head: Head):
    doors.gate.offer(Tokens(b"s" * 32, doors.clock), Reviews())
    pages = {}
    for url in ("http://blocked.test/", "http://forbidden.test/"):
        verdict = doors.gate.request(doors.visitor(), head(url, **OPENED))
        assert verdict.course is Course.REFUSE
        assert verdict.transaction is not None
        verdict.transaction.finish()
        pages[url] = verdict.answer.body
    assert b"/ask-review?" in pages["http://blocked.test/"]
    assert b"/ask-review?" not in pages["http://forbidden.test/"]


async def test_a_review_has_no_masked_query(doors: Doors, head: Head):
    reviews, tokens = Reviews(), Tokens(b"s" * 32, doors.clock)
    doors.gate.offer(tokens, reviews)
    for host, back in (("www.clinic.test", f"/?q={SECRET}"), ("other.test", "/?q=a")):
        token = tokens.make("pc1234", host, Deed("ask-review", "work", back, again=False))
        url = f"http://{host}/.well-known/watchhouse/ask-review?token={token}"
        found = doors.gate.act(doors.visitor(), head(url, method="POST"))
        assert found is not None
        verdict = await found
        verdict.transaction.finish()
    assert reviews.asked == ["http://www.clinic.test/?masked", "http://other.test/?q=a"]
    assert SECRET not in str(doors.records())
