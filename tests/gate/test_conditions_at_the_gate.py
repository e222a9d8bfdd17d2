"""What rules see of a connection: every name with its own address, at every decision point."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from proxy_addons.gate.facts import Course
from proxy_addons.identity.entries import Entry, Found
from proxy_addons.identity.proof import Proof

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Doors

    from proxy_addons.gate.facts import RequestFacts

PRIVATE = "private-matters"
ARCHIVED = "http://web.archive.org/web/2020/http://inner.test"
PASS, REFUSE, SPLICE, INSPECT = Course.PASS, Course.REFUSE, Course.SPLICE, Course.INSPECT


@cache
def _default() -> str:
    return (Path(__file__).parents[2] / "config/policy.yaml").read_text()


def with_rule(when: dict[str, Any], action: str = "block") -> str:
    """The default policy behind a rule of the test's."""
    policy = yaml.safe_load(_default())
    rule = {"id": "tried", "clause": "T 1", "reason": "So.", "action": action, "when": when}
    policy["rules"].insert(0, rule)
    return yaml.safe_dump(policy, sort_keys=False)


class Known:
    """A directory that has asked already."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def cached(self, _name: str) -> Found:
        return Found(self._entry, fresh=True)

    async def look_up(self, name: str) -> Found:
        return self.cached(name)


def rule_of(verdict: Any) -> str | None:
    return verdict.transaction.rule if verdict.transaction is not None else None


@pytest.mark.parametrize(
    ("when", "host", "course", "rule"),
    [
        # Never decrypted: which page is asked for will never be seen.
        ({"url": "bank.test/loans"}, "bank.test", REFUSE, "tried"),
        ({"url": "www.bank.test"}, "bank.test", REFUSE, "tried"),
        ({"url": "other.test/loans"}, "bank.test", SPLICE, PRIVATE),
        ({"url_matches": "loans"}, "bank.test", REFUSE, "tried"),
        ({"hosts": "other.test", "url_matches": "loans"}, "bank.test", SPLICE, PRIVATE),
        ({"hosts": "bank.test", "not": {"url": "bank.test/a"}}, "bank.test", REFUSE, "tried"),
        ({"not": {"any": [{"ports": 443}, {"url": "x.test/"}]}}, "bank.test", SPLICE, PRIVATE),
        ({"user_agent": "^curl"}, "bank.test", REFUSE, "tried"),
        # Decrypted: each request is judged when it is there.
        ({"url": "allowed.test/loans"}, "allowed.test", INSPECT, None),
    ],
)  # fmt: skip
def test_a_rule_that_blocks_by_what_a_tunnel_does_not_show(
    when: dict[str, Any], host: str, course: Course, rule: str | None,
    doors_with: Callable[..., Doors],
) -> None:  # fmt: skip
    doors = doors_with(policy=with_rule(when))
    visitor = doors.gate.connected("127.0.0.1", 50000)
    verdict = doors.gate.connect(visitor, f"{host}:443")
    if verdict.course is PASS:
        verdict = doors.gate.client_hello(visitor, host)
    assert verdict.course is course
    assert rule_of(verdict) == rule


@pytest.mark.parametrize(
    "when",
    [
        {"url": "blocked-bank.test/x"},
        {"not": {"url": "bank.test/loans"}, "hosts": "bank.test"},
        {"not": {"user_agent": "curl"}, "hosts": "bank.test"},
    ],
)
def test_a_rule_that_allows_opens_no_tunnel_by_ignorance(
    when: dict[str, Any], doors_with: Callable[..., Doors]
) -> None:
    doors = doors_with(policy=with_rule(when, "allow"))
    visitor = doors.gate.connected("127.0.0.3", 50000)  # withdrawn
    verdict = doors.gate.connect(visitor, "bank.test:443")
    assert (verdict.course, rule_of(verdict)) == (REFUSE, "withdrawn")


def test_a_tunnel_is_judged_by_what_its_connect_says_of_the_program(
    doors_with: Callable[..., Doors],
) -> None:
    doors = doors_with(policy=with_rule({"user_agent": "^curl"}))
    for agent, course in (("curl/8", REFUSE), ("Mozilla/5.0", PASS)):
        visitor = doors.gate.connected("127.0.0.1", 50000)
        assert doors.gate.connect(visitor, "bank.test:443", "", agent).course is course
    assert doors.gate.client_hello(visitor, "bank.test").course is SPLICE


REQUESTS: list[tuple[dict[str, Any], str, dict[str, Any], Course]] = [
    ({"url": "allowed.test/x"}, "", {"url": "/x"}, REFUSE),
    ({"url": "allowed.test/x"}, "", {"url": "/y"}, PASS),
    ({"url": "allowed.test/x"}, "", {"url": "//%78"}, REFUSE),
    ({"url": "allowed.test/x"}, "", {"url": "/a;b/..%2Fx"}, REFUSE),  # another reading
    ({"url": "allowed.test/x"}, "", {"url": "/x", "authority": "intranet2"}, REFUSE),
    ({"url": "hidden.test/x"}, "", {"url": "/x", "target_authority": "hidden.test"}, REFUSE),
    ({"url": "inner.test/x"}, "", {"url": f"{ARCHIVED}/x"}, REFUSE),
    ({"url": "inner.test/x"}, "", {"url": f"{ARCHIVED}/y"}, PASS),
    ({"ports": 443}, "allowed.test:443", {"url": "/", "authority": "allowed.test:8080"}, REFUSE),
    ({"ports": 8080}, "allowed.test:443", {"url": "/", "authority": "allowed.test:8080"}, REFUSE),
    ({"ports": 8080}, "", {"url": "/"}, PASS),
    ({"user_agent": "^curl"}, "", {"url": "/", "user_agent": "curl/8"}, REFUSE),
    ({"user_agent": "^curl"}, "", {"url": "/", "user_agent": ""}, PASS),
    ({"clients": "127.0.0.1"}, "", {"url": "/"}, REFUSE),
    ({"clients": "127.0.0.2/31"}, "", {"url": "/"}, PASS),
    ({"persons": "PC1234"}, "", {"url": "/"}, REFUSE),
    ({"persons": "other"}, "", {"url": "/"}, PASS),
    ({"not": {"groups": "ict"}}, "", {"url": "/"}, REFUSE),  # nobody knows the groups
    ({"groups": "ict"}, "", {"url": "/"}, PASS),
]  # fmt: skip


@pytest.mark.parametrize(("when", "tunnel", "said", "course"), REQUESTS)
def test_requests(
    when: dict[str, Any], tunnel: str, said: dict[str, Any], course: Course,
    doors_with: Callable[..., Doors], head: Callable[..., RequestFacts],
) -> None:  # fmt: skip
    doors = doors_with(policy=with_rule(when))
    said = dict(said)
    url = said.pop("url")
    tunnel = tunnel or ("allowed.test:443" if url.startswith("/") else "")
    visitor = doors.visitor(tunnel=tunnel)
    if url.startswith("/"):
        said = {"target_authority": "", "authority": "allowed.test"} | said
    facts = head(url, **said)
    verdict = doors.gate.request(visitor, facts)
    assert verdict.course is course, rule_of(verdict)
    if course is REFUSE:
        assert rule_of(verdict) == "tried"


def test_a_persons_groups_count_when_the_directory_has_said_them(
    doors_with: Callable[..., Doors], head: Callable[..., RequestFacts]
) -> None:
    doors = doors_with(policy=with_rule({"groups": ["Federation Reps"]}))
    visitor = doors.visitor(tunnel="allowed.test:443")
    groups = frozenset({"federation reps", "staff"})
    doors.gate.people.directory = Known(Entry("pc1234", "cn=a", groups=groups))
    visitor.proof, visitor.proof_ends = Proof("pc1234", "kerberos"), doors.clock() + 60
    doors.gate.people.know(visitor)
    assert visitor.person.groups == {"federation reps"}, "no more than rules name"
    verdict = doors.gate.request(visitor, head("/", target_authority="", authority="allowed.test"))
    assert rule_of(verdict) == "tried"
