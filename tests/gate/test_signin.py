"""Signing in: what proves somebody, what does not, and what becomes of each; real tickets."""

from __future__ import annotations

import base64
import time
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any

import pytest
from support.signin import basic

from proxy_addons.gate.facts import Course, RequestFacts
from proxy_addons.gate.gate import basis_of
from proxy_addons.identity.basic import BasicCheck
from proxy_addons.identity.kerberos import Acceptor
from proxy_addons.identity.proof import Proof

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.signin import SigningIn

    from proxy_addons.gate.facts import Verdict, Visitor

ELSEWHERE = "192.0.2.1"
MAPPED = "127.0.0.1"  # pc1234


class Door:
    """A gate at which people sign in."""

    def __init__(self, doors: Any) -> None:
        self.doors = doors
        self.gate = doors.gate
        identity = doors.settings.identity
        if "kerberos" in identity.order:
            self.gate.signing_in.kerberos = Acceptor(identity.kerberos, clock=doors.clock)
        if "basic" in identity.order:
            self.gate.signing_in.basic = BasicCheck(identity.basic, None)

    def close(self) -> None:
        for part in (self.gate.signing_in.kerberos, self.gate.signing_in.basic):
            if part is not None:
                part.close()

    def visitor(self, address: str = MAPPED, **more: Any) -> Visitor:
        visitor: Visitor = self.gate.connected(address, 50000, **more)
        return visitor

    async def ask(
        self, visitor: Visitor, login: str = "", *, method: str = "GET", **more: Any
    ) -> Verdict | None:
        """A request in the clear, or a CONNECT, up to where it is known who sends it."""
        host = "allowed.test" if method != "CONNECT" else "allowed.test:443"
        facts = RequestFacts(method, host, host, 1, "/x?y", login=login, **more)
        found = self.gate.sign_in(visitor, facts)
        assert not facts.login, "taken out as soon as it is used"
        if iscoroutine(found):
            found = await found
        if found is not None:
            assert found.course is Course.REFUSE
            assert "c2Vj" not in str(found)
            found.transaction.finish(status=found.answer.status)
        return found

    def leave(self, visitor: Visitor) -> list[dict[str, Any]]:
        self.gate.disconnected(visitor)
        records: list[dict[str, Any]] = self.doors.records()
        return records


def offers(verdict: Verdict | None) -> list[str]:
    assert verdict is not None
    assert verdict.answer is not None
    assert verdict.answer.status == 407
    return [value for name, value in verdict.answer.headers if name == "Proxy-Authenticate"]


@pytest.fixture
def door(doors_with: Callable[..., Any], signing_in: SigningIn) -> Iterator[Callable[..., Door]]:
    made: list[Door] = []

    def make(*order: str, **more: Any) -> Door:
        doors = doors_with({"identity": signing_in.identity(*order, **more)})
        doors.clock.now = time.time()  # tickets are of today
        made.append(Door(doors))
        return made[-1]

    yield make
    for each in made:
        each.close()


BOTH = ["Negotiate", 'Basic realm="Watchhouse", charset="UTF-8"']


@pytest.mark.parametrize("method", ["GET", "CONNECT"])
async def test_a_challenge_names_all_ways_in_order_and_leaves_one_record(
    door: Callable[..., Door], method: str
) -> None:
    at = door("kerberos", "basic")
    visitor = at.visitor()
    for _ in range(3):
        assert offers(await at.ask(visitor, method=method)) == BOTH
    (record,) = at.leave(visitor)
    assert (record["rule"], record["action"], record["status"]) == (
        "sign-in-required",
        "block",
        407,
    )
    assert (record["person"], record["claimed"], record["host"]) == (None, None, "allowed.test")
    assert record["kind"] == ("connect" if method == "CONNECT" else "http")
    assert record["error"] == "asked 3 times to sign in; no answer"
    assert offers(await door("basic", "kerberos").ask(at.visitor())) == BOTH[::-1]


async def test_a_ticket_counts_for_the_connection(
    door: Callable[..., Door], signing_in: SigningIn
) -> None:
    at = door("kerberos", "basic")
    visitor = at.visitor()
    offers(await at.ask(visitor))
    assert await at.ask(visitor, signing_in.negotiate()) is None
    assert (visitor.person.name, visitor.person.how) == ("jane", "kerberos")
    assert visitor.person.profile == "standard"
    assert await at.ask(visitor) is None
    assert await at.ask(visitor, method="CONNECT") is None
    assert visitor.person.name == "jane"
    assert at.leave(visitor) == [], "its challenge was answered"


@pytest.mark.parametrize("case", ["replayed", "damaged", "no base64", "basic", "empty"])
async def test_a_sign_in_that_fails_takes_the_identity_away(
    door: Callable[..., Door], signing_in: SigningIn, case: str
) -> None:
    at = door("kerberos", "basic")
    visitor = at.visitor()
    good = signing_in.negotiate()
    assert await at.ask(visitor, good) is None
    token = base64.b64decode(good.partition(" ")[2])
    bad = {
        "replayed": good,
        "damaged": "Negotiate " + base64.b64encode(token[:-3] + b"xyz").decode(),
        "no base64": "Negotiate *",
        "basic": basic("jane", "guessed"),
        "empty": "Negotiate ",
    }[case]
    assert offers(await at.ask(visitor, bad)) == BOTH
    assert (visitor.person.name, visitor.person.profile) == (None, "withdrawn")
    assert offers(await at.ask(visitor)) == BOTH, "and does not come back"
    failed, unanswered = at.leave(visitor)
    assert (failed["rule"], failed["person"]) == ("sign-in-failed", None)
    assert failed["claimed"] == ("jane" if case == "basic" else None)
    assert failed["error"]
    assert unanswered["rule"] == "sign-in-required"


async def test_a_password_counts_for_one_request(door: Callable[..., Door]) -> None:
    at = door("basic")
    visitor = at.visitor()
    assert await at.ask(visitor, basic()) is None
    assert (visitor.person.name, visitor.person.how) == ("joe", "basic")
    assert await at.ask(visitor, basic()) is None, "remembered, and not checked again"
    offers(await at.ask(visitor))
    assert visitor.person.name is None


async def test_a_password_said_again_is_compared_and_nothing_else(
    door: Callable[..., Door],
) -> None:
    at = door("basic")
    visitor = at.visitor()
    assert await at.ask(visitor, basic()) is None
    person = visitor.person
    for login in (basic(), basic().replace("Basic ", "bAsIC  ")):
        assert await at.ask(visitor, login) is None
        assert visitor.person is person, "not looked up anew"


@pytest.mark.parametrize("what", ["forgotten", "ended", "settings", "not offered"])
async def test_a_password_said_again_is_checked_where_anything_has_changed(
    door: Callable[..., Door], what: str
) -> None:
    at = door("kerberos", "basic")
    visitor, now = at.visitor(), [0.0]
    identity = at.doors.settings.identity
    at.gate.signing_in.basic = BasicCheck(identity.basic, None, clock=lambda: now[0])
    assert await at.ask(visitor, basic()) is None
    person, ends = visitor.person, visitor.proof_ends
    if what == "forgotten":
        now[0] += identity.basic.remember
    elif what == "ended":
        at.doors.clock.now = ends
    else:
        order = ("kerberos",) if what == "not offered" else ("kerberos", "basic")
        other = door(*order).doors.settings
        at.gate.basis = basis_of(other, at.doors.index)
    found = await at.ask(visitor, basic())
    if what == "not offered":
        assert offers(found) == ["Negotiate"]
        assert visitor.person.name is None
    else:
        assert found is None
        assert visitor.person == person
        assert visitor.person is not person
        assert visitor.proof_ends > at.doors.clock.now


@pytest.mark.parametrize("login", ["negotiate", "basic"])
async def test_a_tunnel_keeps_who_asked_for_it_until_the_sign_in_ends(
    door: Callable[..., Door], signing_in: SigningIn, login: str
) -> None:
    at = door("kerberos", "basic", lifetime=600)
    visitor = at.visitor()
    said = basic() if login == "basic" else signing_in.negotiate()
    assert await at.ask(visitor, said, method="CONNECT") is None
    assert at.gate.connect(visitor, "allowed.test:443").answer is None
    inside = RequestFacts("GET", "", "allowed.test", 1, "/", scheme="https")
    at.doors.clock.now += 599
    passed = at.gate.request(visitor, inside)
    assert passed.transaction.person == ("joe" if login == "basic" else "jane")
    assert at.gate.reconsider(visitor) is None
    at.doors.clock.now += 1
    assert at.gate.reconsider(visitor) == "the sign-in has ended"
    late = at.gate.request(visitor, inside)
    assert (late.transaction.rule, late.transaction.person) == ("sign-in-required", None)


async def test_a_ticket_counts_no_longer_than_it_lasts(
    door: Callable[..., Door], signing_in: SigningIn
) -> None:
    at = door("kerberos", lifetime=86400)
    visitor = at.visitor()
    assert await at.ask(visitor, signing_in.negotiate()) is None
    assert visitor.proof_ends < at.doors.clock.now + 11 * 3600
    at.doors.clock.now = visitor.proof_ends
    offers(await at.ask(visitor))


@pytest.mark.parametrize("more", [{"via": "1.1 downstream"}, {"balancer": True}])
async def test_where_others_speak_on_the_connection_nothing_sticks(
    door: Callable[..., Door], signing_in: SigningIn, more: dict[str, Any]
) -> None:
    balanced = {"load_balancers": {"forwarded_for": ["127.0.0.0/8"]}}
    at = door("kerberos", **(balanced if "balancer" in more else {}))
    fields = {"forwarded_for": ELSEWHERE} if "balancer" in more else more
    visitor = at.visitor()
    assert await at.ask(visitor, signing_in.negotiate(), **fields) is None
    assert visitor.person.name == "jane"
    offers(await at.ask(visitor, **fields))
    assert visitor.person.name is None


CLEAR = [
    (MAPPED, {}, {}, True),
    ("::1", {}, {}, True),
    ("::ffff:127.0.0.1", {}, {}, True),
    (ELSEWHERE, {}, {}, False),
    ("::ffff:192.0.2.1", {}, {}, False),
    (ELSEWHERE, {"secure": True}, {}, True),
    (ELSEWHERE, {}, {"in_the_clear": True}, True),
    # How the client speaks to its balancer is not known.
    (MAPPED, {"balancer": "10.0.0.1"}, {}, False),
    (ELSEWHERE, {"balancer": "10.0.0.1", "secure": True}, {}, True),
    ("/run/socket", {}, {}, False),
]


@pytest.mark.parametrize(("address", "connection", "settings", "taken"), CLEAR)
async def test_passwords_are_taken_only_where_nobody_listens(
    door: Callable[..., Door], signing_in: SigningIn,
    address: str, connection: dict[str, Any], settings: dict[str, Any], taken: bool,
) -> None:  # fmt: skip
    told = signing_in.identity("kerberos", "basic")["basic"] | settings
    at = door("kerberos", "basic", basic=told)
    visitor = at.visitor(address, **connection)
    assert offers(await at.ask(visitor)) == (BOTH if taken else BOTH[:1])
    found = await at.ask(visitor, basic())
    if taken:
        assert found is None
    else:
        assert offers(found) == BOTH[:1]
        record = at.leave(visitor)[0]
        assert (record["rule"], record["claimed"]) == ("sign-in-failed", None), "not even looked at"
        assert "unencrypted" in record["error"]


async def test_without_any_way_there_is_no_challenge_but_a_page(door: Callable[..., Door]) -> None:
    at = door("basic")
    visitor = at.visitor(ELSEWHERE)
    for login in ("", basic()):
        found = await at.ask(visitor, login)
        assert found is not None
        assert found.answer.status == 403
        assert "Proxy-Authenticate" not in dict(found.answer.headers)
    assert [record["rule"] for record in at.leave(visitor)] == [
        "sign-in-required", "sign-in-failed",
    ]  # fmt: skip


ADDRESSES = [{"network": "127.0.0.1/32", "person": "pc1234", "profile": "standard"}]
# order, address, what is sent → who it is; None: asked
ORDERS: list[tuple[tuple[str, ...], str, str, str | None]] = [
    (("addresses", "kerberos"), MAPPED, "", "pc1234"),
    (("addresses", "kerberos"), MAPPED, "negotiate", "pc1234"),
    (("addresses", "kerberos"), MAPPED, "Negotiate AAAA", "pc1234"),
    (("addresses", "kerberos"), ELSEWHERE, "", None),
    (("addresses", "kerberos"), ELSEWHERE, "negotiate", "jane"),
    (("kerberos", "addresses"), MAPPED, "", "pc1234"),
    (("kerberos", "addresses"), MAPPED, "negotiate", "jane"),
    # What is wrong never falls through to an address.
    (("kerberos", "addresses"), MAPPED, "Negotiate AAAA", None),
    (("kerberos", "addresses"), ELSEWHERE, "", None),
    (("kerberos", "addresses", "basic"), MAPPED, "basic", "pc1234"),
    (("kerberos", "addresses", "basic"), MAPPED, "negotiate", "jane"),
    (("basic", "addresses"), MAPPED, "basic", "joe"),
    (("kerberos",), MAPPED, "", None),
]


@pytest.mark.parametrize(("order", "address", "login", "person"), ORDERS)
async def test_the_first_way_that_knows_somebody_wins(
    door: Callable[..., Door], signing_in: SigningIn,
    order: tuple[str, ...], address: str, login: str, person: str | None,
) -> None:  # fmt: skip
    at = door(*order, addresses=ADDRESSES if "addresses" in order else [])
    visitor = at.visitor(address)
    said = {"negotiate": signing_in.negotiate(), "basic": basic()}.get(login, login)
    found = await at.ask(visitor, said)
    assert visitor.person.name == (person if person or not login else visitor.person.name)
    if person is None:
        assert offers(found)
    else:
        assert found is None


@pytest.mark.parametrize(
    "login",
    ["NTLM TlRMTVNTUAAB", "Digest username=x", "Bearer abc", "Negotiate", "Basic", "x", " ",
     "Basic ***", "Basic " + "A" * 5000, "Basic bm8tY29sb24=", "negotiate TlRMTVNTUAABAAAA",
     "Negotiate \udcff", "Basic Og=="],
)  # fmt: skip
async def test_what_is_no_proof_is_asked_anew(door: Callable[..., Door], login: str) -> None:
    at = door("kerberos", "basic")
    visitor = at.visitor()
    assert offers(await at.ask(visitor, login)) == BOTH
    (record,) = at.leave(visitor)
    assert (record["rule"], record["person"]) == ("sign-in-failed", None)


async def test_what_cannot_be_checked_is_not_let_through(
    door: Callable[..., Door], signing_in: SigningIn
) -> None:
    at = door("kerberos")
    visitor = at.visitor()
    good = signing_in.negotiate()
    kept = signing_in.keytab.rename(signing_in.keytab.with_suffix(".away"))
    try:
        found = await at.ask(visitor, good)
    finally:
        kept.rename(signing_in.keytab)
    assert found is not None
    assert found.answer.status == 503
    assert "Proxy-Authenticate" not in dict(found.answer.headers)
    (record,) = at.leave(visitor)
    assert (record["rule"], record["person"]) == ("sign-in-unavailable", None)


async def test_a_client_that_guesses_on_is_shown_the_door(door: Callable[..., Door]) -> None:
    at = door("kerberos")
    visitor = at.visitor()
    ends = [(await at.ask(visitor, "Negotiate AAAA")).close for _ in range(10)]  # type: ignore[union-attr]
    assert ends == [False] * 9 + [True]


async def test_proofs_hold_no_more_than_they_must(
    door: Callable[..., Door], signing_in: SigningIn
) -> None:
    at = door("kerberos")
    visitor = at.visitor()
    assert await at.ask(visitor, signing_in.negotiate()) is None
    assert visitor.proof == Proof("jane", "kerberos", b"", visitor.proof.until)


def test_a_login_is_never_shown() -> None:
    assert "hunter2" not in repr(RequestFacts("GET", "", "", 0, "", login="Basic hunter2"))


FORWARDED = {"load_balancers": {"forwarded_for": ["10.0.0.0/28"]}, "addresses": ADDRESSES}


async def test_each_request_of_a_balancer_is_its_own_clients(door: Callable[..., Door]) -> None:
    at = door("addresses", **FORWARDED)
    visitor = at.visitor("10.0.0.3")
    for said, client, name in (
        ("127.0.0.1", "127.0.0.1", "pc1234"),
        ("127.0.0.1, 192.0.2.1", "192.0.2.1", None),
        ("192.0.2.1, 127.0.0.1, 10.0.0.4", "127.0.0.1", "pc1234"),
    ):
        assert await at.ask(visitor, forwarded_for=said) is None
        assert (visitor.client_ip, visitor.person.name) == (client, name)
    refused = await at.ask(visitor, forwarded_for="127.0.0.1, nobody")
    assert refused is not None
    assert refused.answer.status == 400
    assert visitor.person.name is None
    (record,) = at.leave(visitor)
    assert (record["rule"], record["client_ip"]) == ("bad-request", "10.0.0.3")
    assert record["balancer_ip"] == "10.0.0.3"
    assert len(at.gate.clients) == 0, "counted under one address from beginning to end"


async def test_a_client_says_nothing_of_itself(door: Callable[..., Door]) -> None:
    at = door("addresses", **FORWARDED)
    visitor = at.visitor(ELSEWHERE)
    assert await at.ask(visitor, forwarded_for="127.0.0.1") is None
    assert (visitor.client_ip, visitor.person.name) == (ELSEWHERE, None)


async def test_no_lane_can_forget_to_ask(door: Callable[..., Door]) -> None:
    at = door("kerberos")
    visitor = at.visitor()
    refused = at.gate.request(visitor, RequestFacts("GET", "allowed.test", "allowed.test", 1, "/"))
    assert (refused.answer.status, refused.transaction.rule) == (403, "sign-in-required")
    tunnel = at.gate.connect(visitor, "bank.test:443")
    assert tunnel.transaction.rule == "sign-in-required"
    assert at.gate.connect(visitor, "allowed.test:443").answer is None
    hello = at.gate.client_hello(visitor, "bank.test")
    assert hello.course is not Course.SPLICE
    for verdict in (refused, tunnel):
        verdict.transaction.finish()


async def test_an_overloaded_gateway_checks_nobody(door: Callable[..., Door]) -> None:
    at = door("kerberos")
    visitor = at.visitor()
    at.gate.overloaded = "too much to do"
    assert await at.ask(visitor, "Negotiate AAAA") is None
    refused = at.gate.request(visitor, RequestFacts("GET", "allowed.test", "allowed.test", 1, "/"))
    assert refused.transaction.rule == "overloaded"
    refused.transaction.finish()
    assert at.gate.connect(visitor, "allowed.test:443").transaction.rule == "overloaded"
